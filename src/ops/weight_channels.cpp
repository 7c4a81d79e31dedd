#include "ops/weight_channels.h"

#include <string_view>
#include <vector>

#include "ops/arguments.h"

namespace dsc {

WeightChannels weight_channels(const Node& layer) {
  const std::string_view op = layer.op();
  const bool is_transposed = op.starts_with("aten.conv_transpose") || (op == "aten.convolution" && bool_or(layer, "transposed", false));
  return is_transposed ? WeightChannels{.axis = 1, .groups = int_or(layer, "groups", 1)} : WeightChannels{};
}

bool is_dense_convolution(const Node& node) {
  const std::string_view op = node.op();
  return (op == "aten.conv1d" || op == "aten.conv2d" || op == "aten.conv3d") && int_or(node, "groups", 1) == 1;
}

at::Tensor spread_over_weight(const at::Tensor& per_channel, at::IntArrayRef weight_sizes, const WeightChannels& channels) {
  std::vector<std::int64_t> shape(weight_sizes.size(), 1);
  if (channels.groups == 1) {
    shape.at(static_cast<std::size_t>(channels.axis)) = per_channel.numel();
    return per_channel.reshape(shape);
  }
  shape.at(0) = weight_sizes[0];
  shape.at(1) = weight_sizes[1];
  const std::int64_t rows = weight_sizes[0] / channels.groups;
  return per_channel.reshape({channels.groups, 1, weight_sizes[1]}).expand({channels.groups, rows, weight_sizes[1]}).reshape(shape);
}

}  // namespace dsc
