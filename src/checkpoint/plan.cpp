#include "checkpoint/plan.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "checkpoint/blocks.h"
#include "checkpoint/compressed_tensors.h"
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_architecture.h"
#include "checkpoint/gguf_names.h"
#include "checkpoint/layout.h"
#include "checkpoint/runtime.h"
#include "core/names.h"

namespace dsc::checkpoint {
namespace {

namespace fs = std::filesystem;

// What a rule changes of the options above it.
Scheme scheme_of(const Options& options, const LayerRule* rule) {
  Scheme scheme{options.weights, options.activations};
  if (!rule) return scheme;
  auto& weights = scheme.weights;
  weights.bits = rule->weights.bits.value_or(weights.bits);
  weights.group_size = rule->weights.group_size.value_or(weights.group_size);
  weights.symmetric = rule->weights.symmetric.value_or(weights.symmetric);
  weights.scales = rule->weights.scales.value_or(weights.scales);
  scheme.activations.bits = rule->activations.bits.value_or(scheme.activations.bits);
  return scheme;
}

Element float_type(Precision precision, Element source) {
  switch (precision) {
    case Precision::bf16:
      return Element::bf16;
    case Precision::f16:
      return Element::f16;
    case Precision::f32:
      return Element::f32;
    default:
      return source == Element::f8_e4m3 ? Element::bf16 : source;
  }
}

class Planner {
 public:
  Planner(Plan& plan, std::vector<Finding>& findings) : plan_(plan), findings_(findings), used_(plan.options.layers.size(), false) {}

  void decide() {
    check_source();
    const auto layers = plan_.options.format == Format::gguf ? gguf_layers(plan_.source) : std::nullopt;
    for (std::size_t i = 0; i < plan_.source.tensors.size(); ++i) {
      if (plan_.source.tensors[i].is_scale) continue;
      if (const auto layer = layer_number(plan_.source.tensors[i].name); layers && layer && *layer >= *layers) {
        leave_out(*layer);
        continue;
      }
      plan_.tensors.push_back(decide(i));
      check(plan_.tensors.back());
    }
    check_divisions();
    check_selectors();
  }

 private:
  void add(ErrorCode code, std::string message, Place place, std::string hint) {
    findings_.push_back({code, {std::move(message), std::move(place), std::move(hint)}});
  }

  void leave_out(std::int64_t layer) {
    const auto text = "model.layers." + std::to_string(layer) + " (predicts further tokens, which llama.cpp does not)";
    if (std::ranges::find(plan_.left_out, text) == plan_.left_out.end()) plan_.left_out.push_back(text);
  }

  // The last rule that selects the module.
  const LayerRule* rule_for(const std::string& module) {
    const LayerRule* last = nullptr;
    const auto& rules = plan_.options.layers;
    for (std::size_t i = 0; i < rules.size(); ++i) {
      if (!matches_glob(rules[i].select, module)) continue;
      used_[i] = true;
      last = &rules[i];
    }
    return last;
  }

  TensorPlan decide(std::size_t number) {
    const auto& tensor = plan_.source.tensors[number];
    TensorPlan result{.tensor = number};
    const auto element = element_of(tensor.dtype);
    const auto module = tensor.module();
    const auto* rule = rule_for(module);
    if (!element) {
      result.outputs = {{{.name = tensor.name, .dtype = tensor.dtype, .shape = tensor.shape}, Content::bytes}};
      return result;
    }
    const auto precision = rule && rule->precision != Precision::integer ? rule->precision : plan_.options.precision;
    result.element = float_type(precision, *element);
    if (plan_.options.format == Format::gguf && tensor.shape.size() < 2) result.element = Element::f32;  // llama.cpp's norms and biases
    const bool is_weight = tensor.name.size() > module.size();
    if (is_weight && tensor.shape.size() >= 2) decide_weight(tensor, rule, result);
    if (plan_.options.format == Format::gguf && result.role == Role::router && !result.scheme)
      result.element = Element::f32;  // as llama.cpp's own files
    if (result.scheme && plan_.options.format == Format::compressed_tensors) {
      result.outputs = compressed_tensors_outputs(tensor, *result.scheme, result.element);
    } else if (plan_.options.format == Format::gguf) {
      result.outputs = {gguf_output(tensor, result)};
    } else {
      const auto content = result.scheme ? Content::rounded : result.element == *element ? Content::bytes : Content::converted;
      result.outputs = {{{.name = tensor.name, .dtype = std::string(dtype_of(result.element)), .shape = tensor.shape}, content}};
    }
    return result;
  }

  void decide_weight(const Tensor& tensor, const LayerRule* rule, TensorPlan& result) {
    result.role = role_of(tensor.module());
    const bool selected = rule && rule->precision == Precision::integer;
    if (tensor.shape.size() > 2) {
      result.kept_because = std::to_string(tensor.shape.size()) + " dimensions: no linear layer";
    } else if (rule && !selected) {
      result.kept_because = "a rule: precision: " + to_text(rule->precision);
    } else if (!selected && !reason_to_keep(result.role).empty()) {
      result.kept_because = reason_to_keep(result.role);
    } else {
      result.scheme = scheme_of(plan_.options, rule);
    }
  }

  void check_source() {
    const auto& method = plan_.source.quant_method;
    if (method.empty() || method == "fp8") return;
    add(ErrorCode::unsupported, "the checkpoint is quantised already (`" + method + "`): rounding it again would add the errors", {.file = plan_.source.folder},
        "start from the checkpoint before that, in bf16, f16, f32 or fp8");
  }

  void check(const TensorPlan& tensor) {
    if (!tensor.scheme) return;
    const auto& source = plan_.source.tensors[tensor.tensor];
    const auto& weights = tensor.scheme->weights;
    if (plan_.options.format == Format::gguf) return;  // blocks have rules of their own (check_gguf)
    if (weights.group_size > 0 && source.columns() % weights.group_size != 0) undivided_[{weights.group_size, source.columns()}].push_back(source.module());
    const bool integer_kernel = tensor.scheme->activations.bits == 8;
    if (integer_kernel && (weights.bits != 8 || !weights.symmetric || weights.group_size != 0)) mixed_.push_back(source.module());
  }

  void check_divisions() {
    for (const auto& [sizes, modules] : undivided_) {
      const auto [group, columns] = sizes;
      auto fitting = group;
      while (fitting > 1 && columns % fitting != 0) fitting /= 2;
      add(ErrorCode::recipe,
          "groups of " + std::to_string(group) + " do not divide the " + std::to_string(columns) + " columns of `" + modules.front() + "`" +
              (modules.size() > 1 ? " and " + std::to_string(modules.size() - 1) + " more" : ""),
          {.pointer = "/checkpoint/weights/group_size"},
          (fitting >= 16 ? "group_size: " + std::to_string(fitting) + " does; " : "") + std::string("group_size: 0 means rows; `layers` sets either for some modules"));
    }
    if (mixed_.empty()) return;
    add(ErrorCode::recipe, "activations of 8 bits need weights: {bits: 8, group_size: 0, symmetric: true}: `" + mixed_.front() + "`" +
                               (mixed_.size() > 1 ? " and " + std::to_string(mixed_.size() - 1) + " more" : ""),
        {.pointer = "/checkpoint/layers"}, "say activations: {bits: 16} where weights differ");
  }

  void check_selectors() {
    for (std::size_t i = 0; i < used_.size(); ++i) {
      if (used_[i]) continue;
      const auto& select = plan_.options.layers[i].select;
      std::vector<std::string> names;
      for (const auto& tensor : plan_.source.tensors) names.push_back(tensor.module());
      const auto near = nearest_names(select, names);
      add(ErrorCode::recipe, "`select` matches no module: `" + select + "`", {.pointer = "/checkpoint/layers/" + std::to_string(i) + "/select"},
          near.empty() ? "--dry-run lists the modules; `*` stays within one name, `**` goes across dots" : "did you mean `" + near.front() + "`?");
    }
  }

  Plan& plan_;
  std::vector<Finding>& findings_;
  std::vector<bool> used_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::vector<std::string>> undivided_;  // (group, columns) to modules
  std::vector<std::string> mixed_;
};

// Second moments of the inputs of each rounded module, by name.
void open_calibration(Plan& plan, std::vector<Finding>& findings) {
  if (plan.options.calibration.empty()) return;
  plan.calibration = open_source(plan.options.calibration.path, findings);
  for (std::size_t i = 0; i < plan.calibration.tensors.size(); ++i) plan.moments[plan.calibration.tensors[i].module()] = i;
  std::size_t found = 0;
  for (const auto& tensor : plan.tensors) {
    const auto& source = plan.source.tensors[tensor.tensor];
    const auto entry = tensor.scheme ? plan.moments.find(source.module()) : plan.moments.end();
    if (entry == plan.moments.end()) continue;
    ++found;
    const auto& moments = plan.calibration.tensors[entry->second];
    if (moments.dtype == "F32" && moments.shape == std::vector<std::int64_t>{source.columns()}) continue;
    findings.push_back({ErrorCode::data,
                        {"second moments of `" + moments.name + "` must be F32 [" + std::to_string(source.columns()) + "]", {.file = plan.options.calibration.path}, ""}});
  }
  if (found == 0) {
    findings.push_back({ErrorCode::data, {"the calibration file names none of the rounded modules", {.file = plan.options.calibration.path}, "tensors are named after modules"}});
  }
}

// Everything beside the weights that a reader may want; weights in other formats would be another model's worth of bytes.
void list_files(Plan& plan) {
  if (plan.options.format == Format::gguf) return;  // one file holds all
  static const std::set<std::string> kOtherWeights = {".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx", ".ot", ".safetensors"};
  for (const auto& entry : fs::directory_iterator(plan.source.folder.empty() ? "." : plan.source.folder)) {
    const auto name = entry.path().filename().string();
    if (name == "config.json" || name == kSafetensorsIndex || name.starts_with('.')) continue;
    const bool is_shard = std::any_of(plan.source.shards.begin(), plan.source.shards.end(), [&](const Shard& shard) { return shard.name == name; });
    if (is_shard) continue;
    const bool copied = entry.is_regular_file() && !kOtherWeights.contains(entry.path().extension().string());
    (copied ? plan.copied : plan.left_out).push_back(name);
  }
  std::sort(plan.copied.begin(), plan.copied.end());
  std::sort(plan.left_out.begin(), plan.left_out.end());
}

}  // namespace

std::uint64_t Plan::output_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& shard : shards) sum += shard.bytes;
  return sum;
}

Plan make_plan(const Options& options, std::int64_t threads) {
  std::vector<Finding> findings;
  Plan plan{.options = options};
  plan.threads = threads;
  plan.source = open_source(options.path.path, findings);
  Planner(plan, findings).decide();
  for (auto& finding : check_runtime(plan)) findings.push_back(std::move(finding));
  if (options.format == Format::gguf) {
    for (auto& finding : check_gguf(plan)) findings.push_back(std::move(finding));
  }
  open_calibration(plan, findings);
  throw_findings(std::move(findings));
  lay_out(plan);
  plan_buffers(plan);
  list_files(plan);
  return plan;
}

}  // namespace dsc::checkpoint
