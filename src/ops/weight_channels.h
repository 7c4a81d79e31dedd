// Where a layer's output channels lie in its weight, whether that is stored or computed.
//
//   linear [O, I], convolution [O, I/G, ...]     axis 0
//   transposed convolution [I, O/G, ...]         axis 1, once for each group: channel c belongs to group c / (O/G), whose
//                                                weights are the rows [g * I/G, (g + 1) * I/G)
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "dscompress/graph.h"

namespace dsc {

struct WeightChannels {
  std::int64_t axis = 0;
  std::int64_t groups = 1;  // of a transposed convolution: that share the axis
};
WeightChannels weight_channels(const Node& layer);

// A convolution in the exporter's own form (conv1d, conv2d, conv3d), each of whose outputs reads every input channel: a matrix
// [O, I * kernel] as the weight of a linear layer is one.
bool is_dense_convolution(const Node& node);

// A value for each output channel in the shape that multiplies a weight of these sizes: [O, 1, ...], [1, O, ...], and
// [I, O/G, 1, ...] where groups share the axis.
at::Tensor spread_over_weight(const at::Tensor& per_channel, at::IntArrayRef weight_sizes, const WeightChannels& channels);

}  // namespace dsc
