#include "checkpoint/model_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "checkpoint/compressed_tensors.h"

namespace dsc::checkpoint {
namespace {

using Json = nlohmann::ordered_json;

const char* torch_name(Element element) { return element == Element::f32 ? "float32" : element == Element::f16 ? "float16" : "bfloat16"; }

// Readers make activations of this type: that of most of what stays in floating point or scales the rest.
Element activation_type(const Plan& plan) {
  std::map<Element, std::int64_t> elements;
  for (const auto& tensor : plan.tensors) {
    const auto& source = plan.source.tensors[tensor.tensor];
    if (element_of(source.dtype)) elements[tensor.element] += source.rows() * source.columns();
  }
  const auto most = std::max_element(elements.begin(), elements.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == elements.end() ? Element::bf16 : most->first;
}

}  // namespace

std::string model_config_text(const Plan& plan) {
  if (plan.source.config.empty() || plan.options.format == Format::gguf) return {};
  auto config = Json::parse(plan.source.config);
  config.erase("quantization_config");
  for (const char* key : {"torch_dtype", "dtype"}) {
    if (config.contains(key)) config[key] = torch_name(activation_type(plan));
  }
  const bool is_rounded = std::any_of(plan.tensors.begin(), plan.tensors.end(), [](const TensorPlan& tensor) { return tensor.scheme.has_value(); });
  if (is_rounded && plan.options.format == Format::compressed_tensors) config["quantization_config"] = compressed_tensors_config(plan);
  return config.dump(2) + "\n";
}

}  // namespace dsc::checkpoint
