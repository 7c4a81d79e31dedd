#include "ops/cut.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/index_fill.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "dscompress/error.h"
#include "ops/arguments.h"
#include "ops/gather.h"
#include "ops/op_info.h"

namespace dsc {
namespace {

class GroupResizer : public Resizer {
 public:
  GroupResizer(Graph& graph, const ChannelGroups& groups, const Extents& extents)
      : graph_(graph), groups_(groups), extents_(extents) {}

  Graph& graph() override { return graph_; }
  std::int64_t old_size(const Value* value, std::int64_t dim) const override {
    return value->tensor().sizes.at(static_cast<std::size_t>(dim)).size;
  }
  std::int64_t new_size(const Value* value, std::int64_t dim) const override { return groups_.size(value, dim, extents_); }
  std::int64_t kept_between(const Value* value, std::int64_t dim, std::int64_t begin, std::int64_t end) const override {
    std::int32_t axis = groups_.axis_of(value, dim);
    if (axis < 0) return end - begin;
    std::span<const std::int32_t> labels = groups_.labels(axis).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    return std::ranges::count_if(labels, [&](std::int32_t label) { return !extents_.gone[static_cast<std::size_t>(label)]; });
  }
  std::int64_t remembered(const Node& node, std::size_t index) const override {
    return groups_.remembered(&node, index, extents_);
  }
  bool is_changed_anywhere(const Value* value) const {
    for (std::int64_t dim = 0; dim < value->tensor().rank(); ++dim) {
      if (is_changed(value, dim)) return true;
    }
    return false;
  }

 private:
  Graph& graph_;
  const ChannelGroups& groups_;
  const Extents& extents_;
};

// "12*s77" when 12 becomes 8: "8*s77". Other forms keep the old expression inside.
std::string scaled_expression(const std::string& expression, std::int64_t from, std::int64_t to) {
  std::size_t digits = expression.find_first_not_of("0123456789");
  if (digits > 0 && digits != std::string::npos && expression[digits] == '*' && digits < 10) {
    std::int64_t factor = std::stoll(expression.substr(0, digits));
    if (factor * to % from == 0) return std::to_string(factor * to / from) + expression.substr(digits);
  }
  return "((" + std::to_string(to) + "*(" + expression + "))//" + std::to_string(from) + ")";
}

void check_nonempty(const ChannelGroups& groups, const Extents& extents) {
  for (const Member& member : groups.members()) {
    if (extents.kept[static_cast<std::size_t>(member.axis)] > 0) continue;
    throw Error(ErrorCode::internal, "a removal would empty dimension " + std::to_string(member.dim) + " of " + member.weight);
  }
}

// Operators such as topk choose a fixed number.
void check_enough(const ChannelGroups& groups, const Removal& removed) {
  for (const ChannelGroup& group : groups.groups()) {
    const auto left = std::ranges::count_if(group.units, [&](UnitId unit) { return !removed[static_cast<std::size_t>(unit)]; });
    if (left >= group.least) continue;
    throw Error(ErrorCode::internal, "a removal would leave " + std::to_string(left) + " units of " + group.name + ", of which " + std::to_string(group.least) + " are chosen");
  }
}

// Replaces each weight that has members by `change(tensor, members)`; tensors that are shared go on being shared.
void change_weights(Model& model, const ChannelGroups& groups,
                    const std::function<at::Tensor(const at::Tensor&, const std::vector<const Member*>&)>& change) {
  std::map<std::string, std::vector<const Member*>> by_weight;
  for (const Member& member : groups.members()) by_weight[member.weight].push_back(&member);
  std::map<const void*, at::Tensor> done;
  std::vector<at::Tensor> alive;  // identities must not be reused while we look them up
  for (const auto& [name, members] : by_weight) {
    at::Tensor old = model.weights.get(name);
    alive.push_back(old);
    at::Tensor& made = done[old.unsafeGetTensorImpl()];
    if (!made.defined()) made = change(old.detach(), members);
    model.weights.set(name, made);
  }
}

std::vector<CutDimension> cut_weights(Model& model, const ChannelGroups& groups, const Extents& extents) {
  std::vector<CutDimension> result;
  for (const Member& member : groups.members()) {
    std::vector<std::int64_t> kept = groups.kept_indices(member.axis, extents);
    if (kept.size() < groups.labels(member.axis).size()) result.push_back({member.weight, member.dim, std::move(kept)});
  }
  change_weights(model, groups, [&](at::Tensor tensor, const std::vector<const Member*>& members) {
    std::map<std::int64_t, std::vector<std::int64_t>> kept;
    for (const Member* member : members) {
      std::vector<std::int64_t> indices = groups.kept_indices(member->axis, extents);
      if (indices.size() < groups.labels(member->axis).size()) kept[member->dim] = std::move(indices);
    }
    return gather_kept(tensor, kept);
  });
  return result;
}

void resize_arguments(Graph& graph, GroupResizer& resizer) {
  for (Node* node : graph.nodes()) {
    const OpInfo* info = find_op_info(*node);
    if (!info || !info->resize) continue;
    std::vector<Value*> touched = tensor_arguments(*node);
    touched.insert(touched.end(), node->outputs().begin(), node->outputs().end());
    bool changed = std::ranges::any_of(touched, [&](const Value* v) { return v->is_tensor() && resizer.is_changed_anywhere(v); });
    if (changed) info->resize(resizer, *node);
  }
}

void refresh_types(Graph& graph, const GroupResizer& resizer) {
  auto refresh = [&](Value* value) {
    if (!value || !value->is_tensor() || !resizer.is_changed_anywhere(value)) return;
    TensorType type = value->tensor();
    for (std::size_t d = 0; d < type.sizes.size(); ++d) {
      std::int64_t size = resizer.new_size(value, static_cast<std::int64_t>(d));
      Dim& dim = type.sizes[d];
      if (size == dim.size) continue;
      if (!dim.is_fixed()) dim.expression = scaled_expression(dim.expression, dim.size, size);
      dim.size = size;
    }
    type.strides.clear();
    graph.set_type(value, std::move(type));
  };
  for (const GraphInput& input : graph.inputs()) refresh(input.value);
  for (Node* node : graph.nodes()) {
    for (Value* value : node->outputs()) refresh(value);
  }
}

}  // namespace

std::vector<CutDimension> cut(Model& model, const ChannelGroups& groups, const Removal& removed) {
  Extents extents = groups.extents(removed);
  check_nonempty(groups, extents);
  check_enough(groups, removed);
  GroupResizer resizer(model.graph, groups, extents);
  std::vector<CutDimension> result = cut_weights(model, groups, extents);
  resize_arguments(model.graph, resizer);
  refresh_types(model.graph, resizer);
  return result;
}

void zero_out(Model& model, const ChannelGroups& groups, const Removal& removed) {
  Extents extents = groups.extents(removed);
  change_weights(model, groups, [&](at::Tensor tensor, const std::vector<const Member*>& members) {
    for (const Member* member : members) {
      std::vector<std::int64_t> gone;
      std::span<const std::int32_t> labels = groups.labels(member->axis);
      for (std::size_t k = 0; k < labels.size(); ++k) {
        if (extents.gone[static_cast<std::size_t>(labels[k])]) gone.push_back(static_cast<std::int64_t>(k));
      }
      if (!gone.empty()) tensor = at::index_fill(tensor, member->dim, at::tensor(gone, at::kLong).to(tensor.device()), 0);
    }
    return tensor;
  });
}

}  // namespace dsc
