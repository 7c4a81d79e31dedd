// Convolutions of any rank, grouped, depthwise and transposed.
//
// Channels of a grouped convolution are (group, channel within the group); the weight's second dimension holds only the
// channel within the group, so a channel goes in every group at once, or a group goes as a whole.
#include "ops/arguments.h"
#include "ops/op_info.h"
#include "ops/weight_channels.h"

namespace dsc {
namespace {

struct ConvShape {
  const Value* input = nullptr;
  const Value* weight = nullptr;
  const Value* bias = nullptr;
  std::int64_t channel = 1;  // dimension of the input
  std::int64_t groups = 1;  // the example's, when variable
  bool has_variable_groups = false;
  bool transposed = false;
};

ConvShape shape_of(const Node& node) {
  ConvShape shape{node.find_value("input"), node.find_value("weight"), node.find_value("bias")};
  std::int64_t spatial = shape.weight->tensor().rank() - 2;
  shape.channel = shape.input->tensor().rank() - spatial - 1;
  shape.transposed = weight_channels(node).axis == 1;
  // Groups can be variable: the batch, where each example has its own kernels.
  const Argument* groups = node.find_argument("groups");
  shape.has_variable_groups = groups && std::holds_alternative<Value*>(*groups);
  std::int64_t channels = shape.input->tensor().sizes.at(static_cast<std::size_t>(shape.channel)).size;
  std::int64_t per_group = shape.weight->tensor().sizes.at(1).size;
  shape.groups = int_or(node, "groups", 1);
  if (shape.has_variable_groups)
    shape.groups =
        shape.transposed ? node.output()->tensor().sizes.at(static_cast<std::size_t>(shape.channel)).size / per_group : channels / per_group;
  return shape;
}

// The axis of the channels that come out of a grouped convolution. weight[O, I/G] (or, transposed, weight[I, O/G]): its first
// dimension is (group, channel), its second the other side.
Axis tie_groups(Ties& ties, const ConvShape& s, const Axis& in) {
  Axes input_parts = ties.split(in, {s.groups, in.size / s.groups});
  Axis first = ties.axis(s.weight, 0);
  Axes weight_parts = ties.split(first, {s.groups, first.size / s.groups});
  ties.tie(input_parts[0], weight_parts[0]);
  if (s.has_variable_groups) ties.keep(input_parts[0], "a variable number of groups");
  ties.remember(input_parts[0]);
  if (!s.transposed) {
    ties.tie(input_parts[1], ties.axis(s.weight, 1));
    return first;
  }
  ties.tie(input_parts[1], weight_parts[1]);
  Axis out = ties.merge({input_parts[0], ties.axis(s.weight, 1)});
  ties.set_role(s.weight, 0, Role::produces);  // groups go with it
  return out;
}

void tie_conv(Ties& ties, const Node& node) {
  ConvShape s = shape_of(node);
  const Value* output = node.output();
  const std::int64_t in_dim = s.transposed ? 0 : 1, out_dim = s.transposed ? 1 : 0;
  for (std::int64_t d = s.channel + 1; d < s.input->tensor().rank(); ++d) ties.keep(ties.axis(s.input, d), "a convolution slides over it");
  for (std::int64_t d = 2; d < s.weight->tensor().rank(); ++d) ties.keep(ties.axis(s.weight, d), "kernel of a convolution");
  ties.set_role(s.weight, in_dim, Role::consumes);
  ties.set_role(s.weight, out_dim, Role::produces);

  Axis in = ties.axis(s.input, s.channel), out;
  if (s.groups == 1 && !s.has_variable_groups) {
    ties.tie(in, ties.axis(s.weight, in_dim));
    out = ties.axis(s.weight, out_dim);
  } else {
    out = tie_groups(ties, s, in);
  }
  if (s.bias) {
    ties.tie(ties.axis(s.bias, 0), out);
    ties.set_role(s.bias, 0, Role::scales);
  }
  Axes result;
  for (std::int64_t d = 0; d < output->tensor().rank(); ++d) {
    std::int64_t size = ties.dims(output)[static_cast<std::size_t>(d)].size;
    if (d == s.channel) {
      result.push_back(out);
    } else if (d < s.channel) {
      result.push_back(ties.axis(s.input, d));
    } else {
      result.push_back(ties.kept(size, "a position in the picture"));
    }
  }
  ties.define(output, std::move(result));
}

void resize_conv(Resizer& resizer, Node& node) {
  ConvShape shape = shape_of(node);
  if (shape.groups == 1 || shape.has_variable_groups) return;
  resizer.graph().set_argument(&node, "groups", resizer.remembered(node, 0));
}

double macs_conv(const Node& node, const SizeOf& size) {
  ConvShape s = shape_of(node);
  // Each output element (transposed: each input element) meets one kernel times the channels of its group.
  const Value* scanned = s.transposed ? s.input : node.output();
  double macs = size(s.weight, 1);
  for (std::int64_t d = 0; d < scanned->tensor().rank(); ++d) macs *= size(scanned, d);
  for (std::int64_t d = 2; d < s.weight->tensor().rank(); ++d) macs *= size(s.weight, d);
  return macs;
}

constexpr QuantArguments kConvolution{QuantKind::convolution, "input", "weight", 0};
constexpr QuantArguments kTransposed{QuantKind::transposed_convolution, "input", "weight", 0};

constexpr std::string_view kConvWeights[] = {"weight", "bias"};
constexpr OpTraits kConvolves{.convolves = true, .weights = kConvWeights};

constexpr OpInfo kConvOps[] = {
    {"aten.conv1d", tie_conv, resize_conv, macs_conv, kConvolves, &kConvolution},
    {"aten.conv2d", tie_conv, resize_conv, macs_conv, kConvolves, &kConvolution},
    {"aten.conv3d", tie_conv, resize_conv, macs_conv, kConvolves, &kConvolution},
    {"aten.convolution", tie_conv, resize_conv, macs_conv, kConvolves, &kConvolution},
    {"aten.conv_transpose1d", tie_conv, resize_conv, macs_conv, kConvolves, &kTransposed},
    {"aten.conv_transpose2d", tie_conv, resize_conv, macs_conv, kConvolves, &kTransposed},
    {"aten.conv_transpose3d", tie_conv, resize_conv, macs_conv, kConvolves, &kTransposed},
    {.op = "aten._convolution", .traits = {.convolves = true}},
};

}  // namespace

std::span<const OpInfo> conv_ops() { return kConvOps; }

}  // namespace dsc
