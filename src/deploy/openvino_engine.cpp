#include "deploy/openvino_engine.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <map>
#include <openvino/openvino.hpp>
#include <openvino/runtime/properties.hpp>
#include <set>
#include <sstream>

#include "core/names.h"
#include "deploy/device_names.h"
#include "deploy/openvino_compile.h"
#include "deploy/openvino_decoder.h"
#include "deploy/openvino_types.h"
#include "exec/convert.h"

namespace dsc {
namespace {

const std::map<std::string, ov::element::Type>& precisions() {
  static const std::map<std::string, ov::element::Type> table = {
      {"f32", ov::element::f32}, {"bf16", ov::element::bf16}, {"f16", ov::element::f16}};
  return table;
}

void check_options(const OpenVinoOptions& options) {
  if (!precisions().contains(options.precision)) {
    throw Error(ErrorCode::usage, "unknown precision `" + options.precision + "`", {}, suggest(options.precision, {"f32", "bf16", "f16"}));
  }
  if (options.performance != "latency" && options.performance != "throughput") {
    throw Error(ErrorCode::usage, "unknown performance mode `" + options.performance + "`", {},
                suggest(options.performance, {"latency", "throughput"}));
  }
  if (options.threads < 0) throw Error(ErrorCode::usage, "threads must not be negative, found " + std::to_string(options.threads));
}

// Every device that a name like "HETERO:GPU,CPU" or "GPU.1" asks for must be there; AUTO takes what there is of those it names.
void check_device(const OpenVinoOptions& options) {
  const auto [kind, names] = parse_device(options.device);
  const auto available = openvino_core().get_available_devices();
  std::vector<std::string> missing;
  for (const std::string& name : names) {
    if (!std::any_of(available.begin(), available.end(), [&](const std::string& a) { return is_device(a, name); })) missing.push_back(name);
  }
  const bool may_choose = kind == "AUTO" && !options.require_device;
  if (missing.empty() || (may_choose && missing.size() < names.size())) return;
  std::string known;
  for (const auto& a : available) known += (known.empty() ? "" : ", ") + a;
  throw Error(ErrorCode::unsupported, "OpenVINO has no device `" + missing.front() + "` on this machine", {}, "available: " + known);
}

ov::AnyMap properties_of(const OpenVinoOptions& options) {
  const auto mode = options.performance == "latency" ? ov::hint::PerformanceMode::LATENCY : ov::hint::PerformanceMode::THROUGHPUT;
  ov::AnyMap properties{ov::hint::performance_mode(mode), ov::hint::inference_precision(precisions().at(options.precision))};
  if (options.threads > 0) properties.insert(ov::inference_num_threads(options.threads));
  if (options.time_layers) properties.insert(ov::enable_profiling(true));
  return properties;
}

void fix_shapes(ov::Model& model, const std::vector<std::vector<std::int64_t>>& shapes) {
  if (shapes.empty()) return;
  if (shapes.size() != model.inputs().size()) {
    throw Error(ErrorCode::usage, "shapes are given for " + std::to_string(shapes.size()) + " inputs, the model has " +
                                      std::to_string(model.inputs().size()));
  }
  std::map<ov::Output<ov::Node>, ov::PartialShape> wanted;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    wanted[model.input(i)] = ov::PartialShape(std::vector<ov::Dimension>(shapes[i].begin(), shapes[i].end()));
  }
  model.reshape(wanted);
}

std::string text_of(const ov::RTMap& facts, const std::string& key) {
  const auto found = facts.find(key);
  return found == facts.end() ? "" : found->second.as<std::string>();
}

// "conv2d/Convolution,Multiply_27,relu/Relu" as "conv2d,relu": names with a slash come from the graph's nodes.
std::string graph_names(const std::string& layers) {
  std::istringstream list(layers);
  std::string names;
  std::set<std::string> seen;
  for (std::string layer; std::getline(list, layer, ',');) {
    const auto slash = layer.find('/');
    if (slash == std::string::npos || !seen.insert(layer.substr(0, slash)).second) continue;
    names += (names.empty() ? "" : ",") + layer.substr(0, slash);
  }
  return names;
}

// A tensor without elements has no memory, and OpenVINO wants some of every tensor.
void* memory_of(const at::Tensor& tensor) {
  static std::max_align_t nothing;
  return tensor.numel() == 0 ? &nothing : tensor.data_ptr();
}

class OpenVinoEngine final : public StatefulEngine {
 public:
  OpenVinoEngine(ov::CompiledModel compiled, const OpenVinoOptions& options)
      : compiled_(std::move(compiled)), device_(options.device), precision_(options.precision) {
    request_ = compiled_.create_infer_request();
    for (const auto& input : compiled_.inputs()) input_types_.push_back(input.get_element_type());
    for (const auto& output : compiled_.outputs()) {
      outputs_.push_back({output.get_element_type(), to_c10(from_openvino(output.get_element_type())), output.get_partial_shape()});
    }
  }

  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override {
    return translating([&] { return infer(inputs); }, ErrorCode::data);
  }
  void forget() override {
    translating([&] { request_.reset_state(); });
  }
  std::string name() const override {
    const auto all = layers();
    const bool has_int8 = find_int8_layers(all).int8() > 0;  // the option only speaks of the other layers
    std::string used;
    for (const auto& device : devices_of(all)) used += (used.empty() ? "" : ",") + device;
    const std::string where = used.empty() || used == device_ ? device_ : device_ + " (" + used + ")";
    return "openvino " + where + (has_int8 ? " int8+" : " ") + precision_;
  }

  std::vector<LayerReport> layers() const override {
    return translating([&] {
      std::string devices;
      for (const auto& device : compiled_.get_property(ov::execution_devices)) devices += (devices.empty() ? "" : ",") + device;
      std::vector<LayerReport> reports;
      for (const auto& node : compiled_.get_runtime_model()->get_ordered_ops()) {
        const auto& facts = node->get_rt_info();
        const std::string own_device = text_of(facts, "affinity");
        const std::string names = graph_names(text_of(facts, "originalLayersNames"));
        reports.push_back({names.empty() ? node->get_friendly_name() : names, text_of(facts, "layerType"), text_of(facts, "runtimePrecision"),
                           text_of(facts, "primitiveType"), own_device.empty() ? devices : own_device});
      }
      return reports;
    });
  }

  std::vector<double> layer_times_ms() const override {
    return translating([&] {
      std::map<std::string, double> times;  // by the name in the runtime model
      for (const auto& info : request_.get_profiling_info()) {
        if (info.status == ov::ProfilingInfo::Status::EXECUTED) times[info.node_name] = std::chrono::duration<double, std::milli>(info.real_time).count();
      }
      std::vector<double> in_order;
      for (const auto& node : compiled_.get_runtime_model()->get_ordered_ops()) in_order.push_back(times[node->get_friendly_name()]);
      return in_order;
    });
  }

 private:
  struct Result {
    ov::element::Type type;
    c10::ScalarType scalar_type;
    ov::PartialShape shape;
  };

  std::vector<at::Tensor> infer(const std::vector<at::Tensor>& inputs) {
    if (inputs.size() != input_types_.size()) {
      throw Error(ErrorCode::data, "the model takes " + std::to_string(input_types_.size()) + " inputs, got " + std::to_string(inputs.size()));
    }
    std::vector<at::Tensor> kept;  // until the inference is over
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      kept.push_back(inputs[i].to(to_c10(from_openvino(input_types_[i]))).contiguous());
      const ov::Shape shape(kept[i].sizes().begin(), kept[i].sizes().end());
      request_.set_input_tensor(i, ov::Tensor(input_types_[i], shape, memory_of(kept[i])));
    }
    std::vector<at::Tensor> results(outputs_.size());
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      if (outputs_[i].shape.is_dynamic()) continue;
      const ov::Shape shape = outputs_[i].shape.to_shape();
      results[i] = at::empty(std::vector<std::int64_t>(shape.begin(), shape.end()), outputs_[i].scalar_type);
      request_.set_output_tensor(i, ov::Tensor(outputs_[i].type, shape, memory_of(results[i])));
    }
    request_.infer();
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      if (results[i].defined()) continue;
      // The request's own memory, which the next run overwrites.
      ov::Tensor tensor = request_.get_output_tensor(i);
      const ov::Shape& shape = tensor.get_shape();
      const std::vector<std::int64_t> sizes(shape.begin(), shape.end());
      results[i] = tensor.get_size() == 0 ? at::empty(sizes, outputs_[i].scalar_type) : at::from_blob(tensor.data(), sizes, outputs_[i].scalar_type).clone();
    }
    return results;
  }

  ov::CompiledModel compiled_;
  ov::InferRequest request_;
  std::vector<ov::element::Type> input_types_;
  std::vector<Result> outputs_;
  std::string device_, precision_;
};

}  // namespace

ov::Core& openvino_core() {
  static ov::Core core;  // one for the process: each would load the device plugins again
  return core;
}

std::unique_ptr<StatefulEngine> compile_openvino(const std::shared_ptr<ov::Model>& model, const OpenVinoOptions& options) {
  check_options(options);
  return translating([&]() -> std::unique_ptr<StatefulEngine> {
    check_device(options);
    fix_shapes(*model, options.shapes);
    auto compiled = openvino_core().compile_model(model, options.device, properties_of(options));
    auto engine = std::make_unique<OpenVinoEngine>(std::move(compiled), options);
    if (!options.require_device) return engine;
    if (const auto mismatch = find_device_mismatch(options.device, engine->layers()); !mismatch.empty()) {
      throw Error(ErrorCode::unsupported, mismatch, {}, "name another device, or do not require it");
    }
    return engine;
  });
}

bool openvino_available() { return true; }

std::string openvino_version() { return ov::get_openvino_version().buildNumber; }

std::vector<std::string> openvino_devices() {
  return translating([] { return openvino_core().get_available_devices(); });
}

std::unique_ptr<Engine> make_openvino_engine(const Model& model, const OpenVinoOptions& options) {
  check_options(options);
  return compile_openvino(convert_to_openvino(model), options);
}

std::unique_ptr<TimingEngine> make_timing_engine(const Model& model, OpenVinoOptions options) {
  check_options(options);
  options.time_layers = true;
  return compile_openvino(convert_to_openvino(model), options);
}

}  // namespace dsc
