#include "pipeline/model_histograms.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>

#include <set>

#include "ops/arguments.h"
#include "ops/quantization.h"

namespace dsc {
namespace {

TrackedHistogram histogram_of_tensor(const at::Tensor& tensor) {
  const auto values = tensor.to(at::kCPU, at::kFloat).contiguous();
  return histogram_of({values.const_data_ptr<float>(), static_cast<std::size_t>(values.numel())});
}

// The values that the smallest and the largest integer stand for.
TrackedHistogram range_of(const WeightGrid& grid) {
  const auto value_of = [&](std::int64_t integer) { return (integer - grid.zero_point.to(at::kFloat)) * grid.scale.to(at::kFloat); };
  return histogram_of_tensor(at::stack({value_of(grid.range.minimum), value_of(grid.range.maximum)}));
}

// Of an activation, whose scale and zero point are literals.
std::optional<WeightGrid> activation_grid(const Node& node) {
  const auto scale = number_of(node, "scale"), zero_point = number_of(node, "zero_point");
  if (!scale || !zero_point) return std::nullopt;
  return WeightGrid{.range = {int_or(node, "quant_min", 0), int_or(node, "quant_max", 255)},
                    .axis = {},
                    .scale = at::full({}, *scale, at::kFloat),
                    .zero_point = at::full({}, *zero_point, at::kFloat)};
}

}  // namespace

std::vector<NamedHistogram> model_histograms(const Model& model) {
  std::vector<NamedHistogram> made;
  for (const auto& name : model.weights.names()) {
    const auto& tensor = model.weights.get(name);
    if (tensor.is_floating_point() && tensor.numel() > 1) made.push_back({"weights/" + name, histogram_of_tensor(tensor)});
  }
  std::set<const Node*> of_weights;
  for (const auto& weight : quantized_weights(model)) {
    of_weights.insert(weight.node);
    made.push_back({"ranges/" + weight.name, range_of(weight.grid)});
  }
  for (const auto* node : model.graph.nodes()) {
    if (!is_fake_quantize(*node) || of_weights.contains(node)) continue;
    const auto* quantized = self_of(*node);
    const auto grid = activation_grid(*node);
    if (quantized && grid) made.push_back({"ranges/" + quantized->name(), range_of(*grid)});
  }
  return made;
}

}  // namespace dsc
