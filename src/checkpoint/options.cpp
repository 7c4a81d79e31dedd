#include "checkpoint/options.h"

#include <array>
#include <cmath>
#include <map>

namespace dsc::checkpoint {
namespace {

const std::vector<std::string>& byte_units() {
  static const std::vector<std::string> units = {"B", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"};
  return units;
}

Doc bits_doc() { return {.text = "Bits of a weight.", .unit = "bits", .minimum = 2, .maximum = 8}; }
Doc group_doc() { return {.text = "Columns that share a scale; 0: the whole row.", .minimum = 0, .maximum = 65536}; }
Doc symmetric_doc() { return {.text = "No zero points."}; }
Doc scales_doc() { return {.text = "minmax: from the largest value; search: least squared error; hqq: half-quadratic, robust against outliers."}; }
Doc activation_doc() { return {.text = "Bits of the inputs: 16 (as they are), or 8, rounded per token while the model runs (W8A8).", .unit = "bits", .minimum = 8, .maximum = 16}; }

std::string problem_with_activations(const ActivationOptions& activations, const WeightOptions& weights) {
  if (activations.bits == 16) return {};
  if (activations.bits != 8) return "activations.bits: 8 or 16";
  const bool fits = weights.bits == 8 && weights.symmetric && weights.group_size == 0;
  return fits ? "" : "activations of 8 bits need weights: {bits: 8, group_size: 0, symmetric: true}: integer kernels know one scale a row";
}

}  // namespace

std::span<const std::string_view> enum_names(Scales) {
  static constexpr std::string_view kNames[] = {"minmax", "search", "hqq"};
  return kNames;
}

std::span<const std::string_view> enum_names(Precision) {
  static constexpr std::string_view kNames[] = {"int", "source", "bf16", "f16", "f32"};
  return kNames;
}

std::span<const std::string_view> enum_names(Format) {
  static constexpr std::string_view kNames[] = {"compressed_tensors", "safetensors", "gguf"};
  return kNames;
}

std::span<const std::string_view> enum_names(Runtime) {
  static constexpr std::string_view kNames[] = {"transformers", "vllm", "llama_cpp"};
  return kNames;
}

void WeightOptions::fields(FieldVisitor& visit) {
  visit("bits", bits, bits_doc());
  visit("group_size", group_size, group_doc());
  visit("symmetric", symmetric, symmetric_doc());
  visit("scales", scales, scales_doc());
}

void ActivationOptions::fields(FieldVisitor& visit) { visit("bits", bits, activation_doc()); }

void LayerRule::Weights::fields(FieldVisitor& visit) {
  visit("bits", bits, bits_doc());
  visit("group_size", group_size, group_doc());
  visit("symmetric", symmetric, symmetric_doc());
  visit("scales", scales, scales_doc());
}

void LayerRule::Activations::fields(FieldVisitor& visit) { visit("bits", bits, activation_doc()); }

void LayerRule::fields(FieldVisitor& visit) {
  visit("select", select, {.text = "Module glob: \"**.self_attn.*\", \"lm_head\"."});
  visit("precision", precision, {.text = "int (rounded), source (as it is), or a floating-point type."});
  visit("weights", weights, {.text = "What differs for their weights."});
  visit("activations", activations, {.text = "What differs for their inputs."});
}

void Options::fields(FieldVisitor& visit) {
  visit("path", path, {.text = "Folder with config.json and safetensors shards, or one .safetensors file.", .required = true});
  visit("weights", weights, {.text = "How the weights of linear layers are rounded."});
  visit("activations", activations, {.text = "How the inputs of those layers are rounded by whoever runs the model."});
  visit("precision", precision, {.text = "Type of what is not rounded, and of scales: source (fp8 becomes bf16), bf16, f16, f32."});
  visit("layers", layers, {.text = "Other precisions for some modules; the last rule that matches decides."});
  visit("format", format, {.text = "compressed_tensors: integers and scales; safetensors: rounded values in floating point, for every reader; gguf: one file for llama.cpp, tokenizer included."});
  visit("runtime", runtime, {.text = "The reader that must accept the result."});
  visit("calibration", calibration, {.text = "A .safetensors file with the second moment of each input (MODULE: [columns]); weighs errors in search and hqq."});
  visit("shard_size", shard_size, {.text = "Bytes of an output shard, at most.", .minimum = 0.001, .units = byte_units()});
  visit("memory", memory, {.text = "Memory of buffers, at most.", .minimum = 0.001, .units = byte_units()});
  visit.check(precision == Precision::integer ? "precision: what is not rounded has a floating-point type: source, bf16, f16 or f32" : "");
  visit.check(problem_with_activations(activations, weights));
}

std::int64_t bytes_of(const Quantity& quantity) {
  static const std::map<std::string, double> factors = {{"B", 1},          {"kB", 1e3},        {"MB", 1e6},           {"GB", 1e9},      {"TB", 1e12},
                                                        {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
  return static_cast<std::int64_t>(std::llround(quantity.value * factors.at(quantity.unit)));
}

std::string to_string(const Scheme& scheme) {
  const auto& weights = scheme.weights;
  const auto group = weights.group_size > 0 ? "groups of " + std::to_string(weights.group_size) : std::string("rows");
  return "W" + std::to_string(weights.bits) + "A" + std::to_string(scheme.activations.bits) + (weights.symmetric ? ", " : " with zero points, ") + group + ", " +
         to_text(weights.scales);
}

}  // namespace dsc::checkpoint
