#include "passes/quantize/weights/layer_inputs.h"

#include <ATen/ops/im2col.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/zeros.h>

#include <unordered_map>

#include "exec/executor.h"
#include "ops/arguments.h"
#include "passes/quantize/ranges/samples.h"

namespace dsc::quantize {
namespace {

bool has_patches(const QuantLayer& layer, const at::Tensor& weight) {
  const Node& node = *layer.node;
  return layer.kind == QuantKind::convolution && (weight.dim() == 3 || weight.dim() == 4) && !node.find_argument("transposed") &&
         !std::holds_alternative<std::string>(node.find_argument("padding") ? *node.find_argument("padding") : Argument{});
}

std::int64_t groups_of(const QuantLayer& layer) {
  return layer.kind == QuantKind::convolution ? int_or(*layer.node, "groups", 1) : 1;
}

// One value for each of two dimensions; a convolution of one dimension is one over rows of height 1.
std::vector<std::int64_t> pair_of(const Node& node, std::string_view name, std::int64_t otherwise, std::int64_t dims) {
  auto list = ints_or(node, name, {otherwise});
  if (dims == 1) return {otherwise, list.front()};
  if (list.size() == 1) list.push_back(list.front());
  return list;
}

}  // namespace

std::optional<at::Tensor> weight_matrix(const QuantLayer& layer, const at::Tensor& weight) {
  if (layer.kind == QuantKind::linear && weight.dim() == 2) return (layer.channel_axis == 0 ? weight : weight.t()).unsqueeze(0);
  if (!has_patches(layer, weight)) return std::nullopt;
  const std::int64_t groups = groups_of(layer);
  return weight.contiguous().view({groups, weight.size(0) / groups, -1});
}

at::Tensor weight_from_matrix(const QuantLayer& layer, const at::Tensor& matrix, const at::Tensor& weight) {
  if (layer.kind == QuantKind::linear) return (layer.channel_axis == 0 ? matrix[0] : matrix[0].t()).to(weight.scalar_type()).contiguous();
  return matrix.reshape(weight.sizes()).to(weight.scalar_type()).contiguous();
}

at::Tensor input_rows(const QuantLayer& layer, const at::Tensor& input, const at::Tensor& weight) {
  if (layer.kind == QuantKind::linear) return input.reshape({1, -1, input.size(-1)});
  const std::int64_t dims = weight.dim() - 2, groups = groups_of(layer);
  const at::Tensor image = dims == 1 ? input.unsqueeze(2) : input;
  const std::vector<std::int64_t> kernel = dims == 1 ? std::vector<std::int64_t>{1, weight.size(2)} : std::vector{weight.size(2), weight.size(3)};
  const Node& node = *layer.node;
  const at::Tensor patches = at::im2col(image, kernel, pair_of(node, "dilation", 1, dims), pair_of(node, "padding", 0, dims),
                                        pair_of(node, "stride", 1, dims));  // [N, C * kernel, positions]
  return patches.view({patches.size(0), groups, patches.size(1) / groups, patches.size(2)}).permute({1, 0, 3, 2}).reshape({groups, -1, patches.size(1) / groups});
}

std::map<std::string, InputMoments> find_input_moments(const Model& model, const std::vector<Node*>& layers, const CalibrationOptions& options,
                                                       PassContext& context) {
  std::unordered_map<const Value*, std::vector<QuantLayer>> readers;
  std::map<std::string, InputMoments> moments;
  std::vector<const Value*> values;
  const auto weight_of = [&](const QuantLayer& layer) -> const at::Tensor& {
    return model.weights.get(model.graph.find_input(value_of(*layer.weight()))->target);
  };
  for (Node* node : layers) {
    const auto layer = find_quant_layer(model.graph, node);
    if (!layer || !layer->weight() || layer->activations.empty() || !weight_matrix(*layer, weight_of(*layer))) continue;
    const Use use = layer->activations.front().use;
    const Value* value = value_of(use);
    auto& list = readers[value];
    if (list.empty()) values.push_back(value);
    list.push_back(*layer);
  }
  Executor executor(model, {.device = context.device()});
  const auto add = [&](const Value& value, const at::Tensor& input) {
    for (const QuantLayer& layer : readers.at(&value)) {
      const at::Tensor rows = input_rows(layer, input.detach().to(at::kFloat), weight_of(layer));
      InputMoments& m = moments[layer.node->name()];
      const at::Tensor gram = rows.transpose(1, 2).bmm(rows).to(at::kCPU, at::kDouble), sum = rows.sum(1).to(at::kCPU, at::kDouble);
      const at::Tensor size = rows.abs(), magnitude = size.sum(1).to(at::kCPU, at::kDouble), largest = size.amax(1).to(at::kCPU, at::kDouble);
      const bool first = m.rows == 0;
      m.gram = first ? gram : m.gram + gram;
      m.mean = first ? sum : m.mean + sum;
      m.magnitude = first ? magnitude : m.magnitude + magnitude;
      m.largest = first ? largest : at::maximum(m.largest, largest);
      m.rows += rows.size(1);
    }
  };
  Samples samples(options, context);
  samples.for_each([&](const std::vector<at::Tensor>& inputs) { executor.run(inputs, values, add); });
  for (auto& [name, m] : moments) {
    const double share = 1.0 / static_cast<double>(m.rows);
    m.gram = m.gram * share;
    m.mean = m.mean * share;
    m.magnitude = m.magnitude * share;
  }
  return moments;
}

}  // namespace dsc::quantize
