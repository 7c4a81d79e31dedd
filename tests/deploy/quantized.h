// Fake-quantises every convolution and linear layer of a model, as QAT leaves it: for tests of the deployed form.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "exec/executor.h"
#include "ops/pair_sums.h"

namespace dsc::test {

inline const Value* tensor_argument(const Node& node, const char* name) { return node.find_value(name); }

// Weights: symmetric, per channel, -most..most, grids as long as kernels that add in pairs ask. Activations: affine, per tensor, 0..255, ranges of one run on `inputs`.
inline void quantize_everything(Model& model, const std::vector<at::Tensor>& inputs, std::int64_t most = 127) {
  std::vector<Node*> layers;
  std::vector<const Value*> activations;
  for (Node* node : model.graph.nodes()) {
    if (node->op() != "aten.conv2d" && node->op() != "aten.linear") continue;
    layers.push_back(node);
    activations.push_back(node->find_value("input"));
  }
  std::map<const Value*, std::pair<double, double>> ranges;
  Executor executor(model, {});
  executor.run(inputs, activations, [&](const Value& value, const at::Tensor& tensor) {
    const double low = std::min(0.0, tensor.min().item<double>()), high = std::max(1e-6, tensor.max().item<double>());
    ranges[&value] = {low, high};
  });
  std::map<const Value*, Value*> quantized;
  for (Node* layer : layers) {
    Value* input = layer->find_value("input");
    if (!quantized.contains(input)) {
      const auto [low, high] = ranges.at(input);
      const double scale = (high - low) / 255;
      const auto zero_point = static_cast<std::int64_t>(std::nearbyint(-low / scale));
      quantized[input] = model.graph.insert(layer, "aten.fake_quantize_per_tensor_affine.default",
          {{"self", input}, {"scale", scale}, {"zero_point", zero_point}, {"quant_min", std::int64_t{0}}, {"quant_max", std::int64_t{255}}},
          {{"fq_" + input->name(), input->type()}})->output();
    }
    model.graph.set_argument(layer, "input", quantized[input]);
    Value* weight = layer->find_value("weight");
    const at::Tensor values = model.weights.get(model.graph.find_input(weight)->target);
    const at::Tensor own = values.detach().flatten(1).abs().amax(1);
    const at::Tensor scale = (most > 63 ? at::maximum(own, largest_pair_sums(values, 0, 1)) : own) / static_cast<double>(most);
    const auto add = [&](const std::string& suffix, const at::Tensor& tensor, ScalarType dtype) {
      const std::string name = layer->name() + "_" + suffix;
      model.weights.set(name, tensor);
      return model.graph.add_input(InputKind::buffer, name, name, TensorType{.dtype = dtype, .sizes = {{tensor.size(0), ""}}});
    };
    Value* const scale_value = add("scale", scale, ScalarType::f32);
    Value* const zero_value = add("zero_point", at::zeros({scale.size(0)}, at::kInt), ScalarType::i32);
    Node* made = model.graph.insert(layer, "aten.fake_quantize_per_channel_affine.default",
        {{"self", weight}, {"scale", scale_value}, {"zero_point", zero_value}, {"axis", std::int64_t{0}},
         {"quant_min", -most}, {"quant_max", most}},
        {{"fq_" + weight->name(), weight->type()}});
    model.graph.set_argument(layer, "weight", made->output());
  }
}

}  // namespace dsc::test
