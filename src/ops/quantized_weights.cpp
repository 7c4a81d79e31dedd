// Quantised weights found in a graph:
//
//   w -> fake_quantize -> layer                              a grid for the tensor, or for each channel
//   w -> view [C * groups, group] -> fake_quantize -> view   a grid for each group
#include <ATen/ops/full.h>

#include "ops/arguments.h"
#include "ops/quantization.h"

namespace dsc {
namespace {

const GraphInput* stored_argument(const Model& model, const Node& node, std::string_view name) {
  const GraphInput* input = model.graph.find_input(node.find_value(name));
  return input && model.weights.has(input->target) ? input : nullptr;
}

// Reads what one fake-quantise node says; none when its scale is computed.
std::optional<QuantizedWeight> read_quantizer(const Model& model, const Node& node) {
  QuantizedWeight made{.node = &node};
  WeightGrid& grid = made.grid;
  grid.range = {int_or(node, "quant_min", 0), int_or(node, "quant_max", 255)};
  made.bits = quant_bits(grid.range);
  if (node.is("aten.fake_quantize_per_tensor_affine.default")) {
    grid.scale = at::full({}, number_of(node, "scale").value_or(0), at::kFloat);
    grid.zero_point = at::full({}, number_of(node, "zero_point").value_or(0), at::kInt);
    return made;
  }
  const GraphInput *scale = stored_argument(model, node, "scale"), *zero_point = stored_argument(model, node, "zero_point");
  if (!node.is("aten.fake_quantize_per_channel_affine.default") || !scale || !zero_point) return std::nullopt;
  made.constants = {scale->target, zero_point->target};
  grid.scale = model.weights.get(scale->target).to(at::kFloat);
  grid.zero_point = model.weights.get(zero_point->target).to(at::kInt);
  grid.axis = int_or(node, "axis", 0);
  return made;
}

const Node* only_user(const Value& value) { return value.uses().size() == 1 ? value.uses().front().node : nullptr; }

bool is_reshape(const Node& node) { return node.op() == "aten.view" || node.op() == "aten.reshape"; }

// The fake quantisation that alone uses the weight, and the length of its groups.
struct Found {
  const Node* node = nullptr;
  std::int64_t group = 0;
};
Found find_quantizer(const Value& weight) {
  const Node* user = only_user(weight);
  if (!user) return {};
  if (is_fake_quantize(*user) && user->find_value("self") == &weight) return {user, 0};
  if (!is_reshape(*user)) return {};
  const Node* quantizer = only_user(*user->output());
  if (!quantizer || !is_fake_quantize(*quantizer) || int_or(*quantizer, "axis", -1) != 0) return {};
  const auto sizes = ints_or(*user, "size", ints_or(*user, "shape", {}));
  return sizes.size() == 2 && sizes[1] > 0 ? Found{quantizer, sizes[1]} : Found{};
}

}  // namespace

std::vector<QuantizedWeight> quantized_weights(const Model& model) {
  std::vector<QuantizedWeight> list;
  for (const GraphInput& input : model.graph.inputs()) {
    if (!input.value || !input.is_weight()) continue;
    const Found found = find_quantizer(*input.value);
    auto quantized = found.node ? read_quantizer(model, *found.node) : std::nullopt;
    if (!quantized) continue;
    quantized->name = input.target;
    quantized->grid.group = found.group;
    quantized->source = model.weights.get(input.target).detach();
    list.push_back(std::move(*quantized));
  }
  return list;
}

std::int64_t stored_bytes(const Model& model) {
  std::int64_t bytes = weight_bytes(model);
  for (const QuantizedWeight& quantized : quantized_weights(model)) {
    bytes -= static_cast<std::int64_t>(quantized.source.nbytes());
    bytes += (quantized.source.numel() * quantized.bits + 7) / 8;
    if (!quantized.grid.axis) bytes += static_cast<std::int64_t>(sizeof(float) + sizeof(std::int32_t));
  }
  return bytes;
}

}  // namespace dsc
