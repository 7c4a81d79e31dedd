#include "deploy/artifact.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>

#include "core/file.h"
#include "core/names.h"
#include "deploy/decomposed_form.h"
#include "deploy/observe.h"
#include "deploy/openvino_engine.h"
#include "dscompress/error.h"
#include "io/pt2.h"
#include "ir/text.h"
#include "ops/quantization.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMadeUpRows = 2;  // of made-up examples

[[noreturn]] void refuse(const std::string& what, const std::string& path) {
  throw Error(ErrorCode::numeric, what + " of the written file differs from the model's", {.file = path});
}

// The model as it can be stored: its weights in the layout that they have in the file, so that the same kernels run on both.
Weights in_layout_of(const Weights& written, const Weights& weights) {
  Weights same = weights;
  for (const std::string& name : weights.names()) {
    const at::Tensor& tensor = weights.get(name);
    const bool is_stored = written.has(name) && same_values(written.get(name), tensor);
    same.set(name, is_stored ? written.get(name) : tensor.contiguous());
  }
  return same;
}

void compare_tensors(const Model& written, const Model& form, const std::string& path) {
  for (const GraphInput& input : form.graph.inputs()) {
    if (!input.is_weight()) continue;
    const bool is_there = written.weights.has(input.target);
    if (!is_there || !same_values(written.weights.get(input.target), form.weights.get(input.target))) refuse("tensor `" + input.target + "`", path);
  }
}

void compare_lists(const std::vector<at::Tensor>& found, const std::vector<at::Tensor>& expected, const std::string& what, const std::string& path) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (i >= found.size() || !same_values(found[i], expected[i])) refuse(what + " " + std::to_string(i), path);
  }
}

// What both make of the same inputs, what they write into them and what they remember, bit for bit. Inputs that the model
// itself does not take (made-up ones, of a program without examples) say nothing: then the graphs have to be the same.
std::string compare_programs(const Model& written, const Model& model, const Model& form, const std::string& path) {
  const auto inputs = inputs_for_check(model, kMadeUpRows);
  Observed expected;
  try {
    expected = observe(model.graph, in_layout_of(written.weights, model.weights), inputs);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::data) throw;
    if (print_graph(written.graph, {.metadata = false}) != print_graph(form.graph, {.metadata = false})) refuse("the graph", path);
    return "read back, graph and tensors equal; not run, since it takes no made-up inputs: " + error.problems().front().message;
  }
  const Observed found = observe(written, inputs);
  compare_lists(found.outputs, expected.outputs, "output", path);
  compare_lists(found.inputs, expected.inputs, "what the model writes into input", path);
  for (const auto& [name, tensor] : expected.state) {
    const auto same = std::find_if(found.state.begin(), found.state.end(), [&](const auto& item) { return item.first == name; });
    if (same == found.state.end() || !same_values(same->second, tensor)) refuse("buffer `" + name + "` after a run", path);
  }
  return "read back, outputs equal bit for bit";
}

std::string check_program(const std::string& file, const Model& model, const Model& form, const std::string& path) {
  const Model written = read_pt2(file);
  compare_tensors(written, form, path);
  return compare_programs(written, model, form, path);
}

std::string check_tensors(const std::string& file, const TensorFile& expected, const std::string& path) {
  const auto written = read_safetensors(file);
  const std::map<std::string, at::Tensor> by_name(written.tensors.begin(), written.tensors.end());
  for (const auto& [name, tensor] : expected.tensors) {
    if (!by_name.contains(name) || !same_values(by_name.at(name), tensor)) refuse("tensor `" + name + "`", path);
  }
  return "read back, tensors equal";
}

// A file takes its name when it has passed its check.
Artifact write_checked(const std::string& path, const std::string& format, const std::function<std::string(const std::string& temporary)>& write_and_check) {
  std::string check;
  write_atomically(path, [&](const std::string& temporary) { check = write_and_check(temporary); });
  return {path, format, static_cast<std::int64_t>(fs::file_size(path)), check};
}

Artifact write_program(const Model& model, const std::string& path) {
  const Model form = to_decomposed_form(model);
  return write_checked(path, "pt2", [&](const std::string& temporary) {
    write_pt2(form, temporary);
    return check_program(temporary, model, form, path);
  });
}

Artifact write_tensors(const Model& model, const std::string& path, const std::map<std::string, std::string>& metadata) {
  auto file = stored_tensors(model);
  file.metadata.insert(metadata.begin(), metadata.end());
  return write_checked(path, "safetensors", [&](const std::string& temporary) {
    write_safetensors(temporary, file);
    return check_tensors(temporary, file, path);
  });
}

Artifact write_ir(const Model& model, const std::string& path) {
  const auto check = write_openvino_ir(model, path);
  const auto weights = fs::path(path).replace_extension(".bin");
  const auto bytes = fs::file_size(path) + (fs::exists(weights) ? fs::file_size(weights) : 0);
  return {path, "openvino", static_cast<std::int64_t>(bytes), check};
}

// Two signed or unsigned values of at most four bits to a byte, the first in the low half; along the flattened tensor.
at::Tensor pack_four_bits(const at::Tensor& integers) {
  auto flat = integers.flatten().to(at::kShort).bitwise_and(0xF);
  if (flat.numel() % 2) flat = at::cat({flat, at::zeros({1}, flat.options())});
  const auto pairs = flat.view({-1, 2});
  return (pairs.select(1, 0) + pairs.select(1, 1) * 16).to(at::kByte);
}

// "bits=4 axis=0 shape=16,3,3,3 range=-7..7": what a reader needs to unpack the integers.
std::string describe_storage(const QuantizedWeight& weight) {
  std::string shape;
  for (const auto size : weight.source.sizes()) shape += (shape.empty() ? "" : ",") + std::to_string(size);
  return "bits=" + std::to_string(weight.bits) + (weight.grid.axis ? " axis=" + std::to_string(*weight.grid.axis) : "") +
         (weight.grid.group > 0 ? " group=" + std::to_string(weight.grid.group) : "") + " shape=" + shape + " range=" +
         std::to_string(weight.grid.range.minimum) + ".." + std::to_string(weight.grid.range.maximum);
}

// As they are stored. Without contents only types and shapes count.
TensorFile list_tensors(const Model& model, bool contents) {
  TensorFile file;
  std::set<std::string> done;  // what a quantised weight brings along in another form
  for (const auto& weight : quantized_weights(model)) {
    const bool packed = weight.bits <= 4;
    at::Tensor integers;
    if (contents) integers = packed ? pack_four_bits(weight.integers()) : weight.integers();
    else if (packed) integers = at::empty({(weight.source.numel() + 1) / 2}, at::kByte);
    else integers = at::empty(weight.source.sizes(), at::kChar);
    file.tensors.emplace_back(weight.name + (packed ? ".int4" : ".int8"), integers);
    file.tensors.emplace_back(weight.name + ".scale", weight.grid.scale);
    if (at::any(weight.grid.zero_point != 0).item<bool>()) file.tensors.emplace_back(weight.name + ".zero_point", weight.grid.zero_point);
    file.metadata[weight.name] = describe_storage(weight);
    done.insert(weight.name);
    done.insert(weight.constants.begin(), weight.constants.end());
  }
  for (const auto& input : model.graph.inputs()) {
    if (!input.is_weight() || done.contains(input.target)) continue;
    file.tensors.emplace_back(input.target, model.weights.get(input.target));
  }
  return file;
}

}  // namespace

const std::vector<std::pair<std::string, std::string>>& artifact_formats() {
  static const std::vector<std::pair<std::string, std::string>> formats = {{".pt2", "pt2"}, {".safetensors", "safetensors"}, {".xml", "openvino"}};
  return formats;
}

Artifact write_artifact(const Model& model, const std::string& path, const std::map<std::string, std::string>& metadata) {
  const auto extension = fs::path(path).extension().string();
  if (extension == ".pt2") return write_program(model, path);
  if (extension == ".safetensors") return write_tensors(model, path, metadata);
  if (extension == ".xml") return write_ir(model, path);
  std::vector<std::string> known;
  for (const auto& [name, format] : artifact_formats()) known.push_back(name);
  throw Error(ErrorCode::usage, "no format is known for the extension `" + extension + "`", {.file = path}, suggest(extension, known));
}

TensorFile stored_tensors(const Model& model) { return list_tensors(model, true); }

std::int64_t stored_file_bytes(const Model& model) { return safetensors_bytes(list_tensors(model, false)); }

}  // namespace dsc
