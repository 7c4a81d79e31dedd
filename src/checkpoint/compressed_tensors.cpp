#include "checkpoint/compressed_tensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "checkpoint/pack.h"

namespace dsc::checkpoint {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kPacked = "pack-quantized";
constexpr const char* kIntegers = "int-quantized";

bool is_integer_kernel(const Scheme& scheme) { return scheme.activations.bits == 8; }
const char* format_of(const Scheme& scheme) { return is_integer_kernel(scheme) ? kIntegers : kPacked; }

Json quantization_args(std::int64_t bits, bool symmetric, std::int64_t group_size, const char* strategy, bool dynamic) {
  return {{"num_bits", bits},
          {"type", "int"},
          {"symmetric", symmetric},
          {"group_size", group_size > 0 ? Json(group_size) : Json()},
          {"strategy", strategy},
          {"block_structure", nullptr},
          {"dynamic", dynamic},
          {"actorder", nullptr},
          {"scale_dtype", nullptr},
          {"zp_dtype", symmetric ? Json() : Json("torch.int8")},
          {"observer", nullptr},
          {"observer_kwargs", Json::object()}};
}

Json config_group(const Scheme& scheme, const std::vector<std::string>& targets) {
  const auto& weights = scheme.weights;
  const auto* strategy = weights.group_size > 0 ? "group" : "channel";
  return {{"targets", targets},
          {"weights", quantization_args(weights.bits, weights.symmetric, weights.group_size, strategy, false)},
          {"input_activations", is_integer_kernel(scheme) ? quantization_args(8, true, 0, "token", true) : Json()},
          {"output_activations", nullptr},
          {"format", format_of(scheme)}};
}

// "re:^model\.layers\.\d+\.mlp\.gate$"
std::string regular_expression(const std::string& pattern) {
  std::string text = "re:^";
  for (const char c : pattern) {
    if (c == '.')
      text += "\\.";
    else if (c == '#')
      text += "\\d+";
    else
      text += c;
  }
  return text + "$";
}

// Modules by what becomes of them; -1: not rounded.
class Targets {
 public:
  explicit Targets(const Plan& plan) {
    for (const auto& tensor : plan.tensors) {
      const auto& source = plan.source.tensors[tensor.tensor];
      const bool is_layer = tensor.scheme || !tensor.kept_because.empty();
      if (!is_layer) continue;
      const int scheme = tensor.scheme ? number_of(*tensor.scheme, source) : -1;
      modules_.push_back({source.module(), pattern_of(source.module()), scheme});
      schemes_of_pattern_[modules_.back().pattern].insert(scheme);
    }
  }

  const std::vector<Scheme>& schemes() const { return schemes_; }
  int largest() const { return static_cast<int>(std::max_element(elements_.begin(), elements_.end()) - elements_.begin()); }

  // Patterns where all modules that look alike go the same way, names elsewhere.
  std::vector<std::string> of(int scheme) const {
    std::vector<std::string> names;
    std::set<std::string> seen;
    for (const auto& module : modules_) {
      if (module.scheme != scheme) continue;
      const bool alone = schemes_of_pattern_.at(module.pattern).size() == 1 && module.pattern != module.name;
      auto name = alone ? regular_expression(module.pattern) : module.name;
      if (seen.insert(name).second) names.push_back(std::move(name));
    }
    return names;
  }

 private:
  struct Module {
    std::string name, pattern;
    int scheme;
  };

  int number_of(Scheme scheme, const Tensor& tensor) {
    scheme.weights.scales = Scales::minmax;  // how scales were found is nothing that a reader cares for
    auto found = std::find(schemes_.begin(), schemes_.end(), scheme);
    if (found == schemes_.end()) {
      schemes_.push_back(scheme);
      elements_.push_back(0);
      found = schemes_.end() - 1;
    }
    const auto number = found - schemes_.begin();
    elements_[static_cast<std::size_t>(number)] += tensor.rows() * tensor.columns();
    return static_cast<int>(number);
  }

  std::vector<Module> modules_;
  std::vector<Scheme> schemes_;
  std::vector<std::int64_t> elements_;
  std::map<std::string, std::set<int>> schemes_of_pattern_;
};

Output output(const std::string& name, std::string_view dtype, std::vector<std::int64_t> shape, Content content) {
  return {{.name = name, .dtype = std::string(dtype), .shape = std::move(shape)}, content};
}

}  // namespace

std::vector<Output> compressed_tensors_outputs(const Tensor& tensor, const Scheme& scheme, Element scale) {
  const auto& weights = scheme.weights;
  const auto rows = tensor.rows(), columns = tensor.columns(), bits = weights.bits;
  const auto groups = weights.group_size > 0 ? columns / weights.group_size : 1;
  const auto name = tensor.module();
  std::vector<Output> outputs;
  if (is_integer_kernel(scheme)) {
    outputs.push_back(output(name + ".weight", "I8", {rows, columns}, Content::integers));
  } else {
    outputs.push_back(output(name + ".weight_packed", "I32", {rows, packed_words(columns, bits)}, Content::packed));
    outputs.push_back(output(name + ".weight_shape", "I64", {2}, Content::shape));
  }
  outputs.push_back(output(name + ".weight_scale", dtype_of(scale), {rows, groups}, Content::scales));
  if (!weights.symmetric) outputs.push_back(output(name + ".weight_zero_point", "I32", {packed_words(rows, bits), groups}, Content::zero_points));
  return outputs;
}

Json compressed_tensors_config(const Plan& plan) {
  const Targets targets(plan);
  auto groups = Json::object();
  std::set<std::string> formats;
  const auto largest = targets.largest();
  for (int i = 0; i < static_cast<int>(targets.schemes().size()); ++i) {
    const auto& scheme = targets.schemes()[static_cast<std::size_t>(i)];
    groups["group_" + std::to_string(i)] = config_group(scheme, i == largest ? std::vector<std::string>{"Linear"} : targets.of(i));
    formats.insert(format_of(scheme));
  }
  return {{"config_groups", groups},
          {"quant_method", "compressed-tensors"},
          {"kv_cache_scheme", nullptr},
          {"format", formats.size() == 1 ? *formats.begin() : std::string("mixed-precision")},
          {"quantization_status", "compressed"},
          {"global_compression_ratio", nullptr},
          {"ignore", targets.of(-1)}};
}

}  // namespace dsc::checkpoint
