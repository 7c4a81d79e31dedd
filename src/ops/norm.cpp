// Normalisations. Batch and instance norm treat each channel alone; layer, RMS and group norm take statistics over
// channels, which removing some of them changes (the report says so).
#include "ops/arguments.h"
#include "ops/op_info.h"

namespace dsc {
namespace {

void tie_parameters(Ties& ties, const Node& node, const Axis& channels) {
  for (const char* name : {"weight", "bias", "running_mean", "running_var"}) {
    const Value* parameter = node.find_value(name);
    if (!parameter || parameter->tensor().rank() != 1) continue;
    ties.tie(ties.axis(parameter, 0), channels);
    ties.set_role(parameter, 0, Role::scales);
  }
}

// The first output is shaped as the input; others hold statistics, per channel or (when not training) empty.
void define_outputs(Ties& ties, const Node& node, const Axes& input, const Axis& channels) {
  for (std::size_t i = 0; i < node.outputs().size(); ++i) {
    const Value* output = node.output(i);
    if (i == 0) {
      ties.define(output, input);
    } else if (output->is_tensor() && output->tensor().rank() == 1 && ties.dims(output)[0].size == channels.size) {
      ties.define(output, {channels});
    }
  }
}

void tie_batch_norm(Ties& ties, const Node& node) {
  const Value* input = node.find_value("input");
  Axes axes = ties.axes(input);
  Axis channels = axes.at(1);
  tie_parameters(ties, node, channels);
  for (std::size_t d = 2; d < axes.size(); ++d) ties.changes_statistics(axes[d]);
  define_outputs(ties, node, axes, channels);
}

void tie_layer_norm(Ties& ties, const Node& node) {
  const Value* input = node.find_value("input");
  Axes axes = ties.axes(input);
  std::size_t count = int_list(node, "normalized_shape").size();
  for (std::size_t i = 0; i < count; ++i) {
    const Axis& axis = axes[axes.size() - count + i];
    for (const char* name : {"weight", "bias"}) {
      const Value* parameter = node.find_value(name);
      if (!parameter) continue;
      ties.tie(ties.axis(parameter, static_cast<std::int64_t>(i)), axis);
      ties.set_role(parameter, static_cast<std::int64_t>(i), Role::scales);
    }
    ties.changes_statistics(axis);
  }
  define_outputs(ties, node, axes, {});
}

void resize_layer_norm(Resizer& resizer, Node& node) {
  const Value* input = node.find_value("input");
  IntList shape = int_list(node, "normalized_shape");
  std::int64_t first = input->tensor().rank() - static_cast<std::int64_t>(shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (std::holds_alternative<std::int64_t>(shape[i])) shape[i] = resizer.new_size(input, first + static_cast<std::int64_t>(i));
  }
  resizer.graph().set_argument(&node, "normalized_shape", std::move(shape));
}

void tie_group_norm(Ties& ties, const Node& node) {
  const Value* input = node.find_value("input");
  Axes axes = ties.axes(input);
  Axis channels = axes.at(1);
  tie_parameters(ties, node, channels);
  std::int64_t groups = int_or(node, "num_groups", 1);
  Axes parts = ties.split(channels, {groups, channels.size / groups});
  ties.remember(parts[0]);
  ties.changes_statistics(parts[1]);
  for (std::size_t d = 2; d < axes.size(); ++d) ties.changes_statistics(axes[d]);
  define_outputs(ties, node, axes, channels);
}

void resize_group_norm(Resizer& resizer, Node& node) {
  resizer.graph().set_argument(&node, "num_groups", resizer.remembered(node, 0));
}

// _weight_norm(v, g, dim): v divided by its norm over all dimensions but `dim`, times g, which has size 1 in them. Zeroed
// elements add nothing to a norm, so that a cut in the others is exact; along `dim` a zeroed element would be 0 / 0.
void tie_weight_norm(Ties& ties, const Node& node) {
  const Value* direction = node.find_value("v");
  const Value* length = node.find_value("g");
  Axes axes = ties.axes(direction);
  std::int64_t dim = dim_or(node, "dim", 0, direction->tensor().rank());
  ties.tie(ties.axis(length, dim), axes.at(static_cast<std::size_t>(dim)));
  ties.set_role(length, dim, Role::scales);
  ties.changes_statistics(axes[static_cast<std::size_t>(dim)]);
  define_outputs(ties, node, axes, axes[static_cast<std::size_t>(dim)]);
}

constexpr OpInfo kNormOps[] = {
    {"aten.batch_norm", tie_batch_norm, nullptr, nullptr, kBatchNorm},
    {"aten.native_batch_norm", tie_batch_norm, nullptr, nullptr, kBatchNorm},
    {"aten._native_batch_norm_legit_no_training", tie_batch_norm, nullptr, nullptr, kBatchNorm},
    // Become aten.batch_norm where a model is opened (recompose_norms_and_dropout).
    {.op = "aten._native_batch_norm_legit", .traits = kBatchNorm},
    {.op = "aten._native_batch_norm_legit_functional", .traits = kBatchNorm},
    {.op = "aten._batch_norm_with_update", .traits = kBatchNorm},
    {.op = "aten._batch_norm_with_update_functional", .traits = kBatchNorm},
    {.op = "aten._batch_norm_no_update", .traits = kBatchNorm},
    {.op = "aten.cudnn_batch_norm", .traits = kBatchNorm},
    {"aten.instance_norm", tie_batch_norm, nullptr, nullptr, kNormalises},
    {"aten.layer_norm", tie_layer_norm, resize_layer_norm, nullptr, kNormalises},
    {"aten.native_layer_norm", tie_layer_norm, resize_layer_norm, nullptr, kNormalises},
    {"aten.rms_norm", tie_layer_norm, resize_layer_norm, nullptr, kNormalises},
    {"aten.group_norm", tie_group_norm, resize_group_norm, nullptr, kNormalises},
    {"aten._weight_norm", tie_weight_norm},
    {"aten._weight_norm_interface", tie_weight_norm},
};

}  // namespace

std::span<const OpInfo> norm_ops() { return kNormOps; }

}  // namespace dsc
