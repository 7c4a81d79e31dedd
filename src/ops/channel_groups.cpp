#include "ops/channel_groups.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/random.h"
#include "ops/modules.h"

namespace dsc {
namespace {

// Graph inputs whose weights are one tensor, such as tied embeddings.
std::vector<std::pair<const Value*, const Value*>> shared_inputs(const Model& model) {
  std::vector<std::pair<const Value*, const Value*>> pairs;
  std::unordered_map<const void*, const Value*> first;
  for (const GraphInput& input : model.graph.inputs()) {
    if (!input.is_weight() || !input.value || !model.weights.has(input.target)) continue;
    auto [found, is_new] = first.emplace(model.weights.get(input.target).unsafeGetTensorImpl(), input.value);
    if (!is_new) pairs.emplace_back(found->second, input.value);
  }
  return pairs;
}

}  // namespace

// Turns the labels of Ties into a compact form without units that no parameter has.
struct ChannelGroups::Collector {
  ChannelGroups& out;
  const Graph& graph;
  Ties ties;
  std::vector<UnitId> compact;                         // by unit of Ties; -1: not removable
  std::unordered_map<Label, std::int32_t> label_ids;   // canonical label -> compact label
  std::unordered_map<const void*, std::int32_t> axis_by_labels;
  std::map<std::vector<std::int32_t>, std::int32_t> axis_by_content;
  std::vector<bool> in_value;                          // by axis: some tensor has it, not only a rule's remembered axis
  std::vector<const Node*> statistics_node;            // by compact unit

  Collector(ChannelGroups& groups, const Model& model) : out(groups), graph(model.graph), ties(model.graph, shared_inputs(model)) {}

  void number_units() {
    compact.assign(ties.units().unit_count(), -1);
    for (const GraphInput& input : graph.inputs()) {
      if (input.kind != InputKind::parameter || !input.value || !ties.all_axes().contains(input.value)) continue;
      for (const Axis& axis : ties.axes(input.value)) {
        if (axis.is_kept()) continue;
        for (Label label : *axis.labels) {
          for (Unit unit : ties.units().units(ties.units().canonical(label))) {
            UnitId& id = compact[static_cast<std::size_t>(unit)];
            if (id < 0) id = static_cast<UnitId>(out.unit_count_++);
          }
        }
      }
    }
    out.label_begin_ = {0, 0};  // label 0 has no units
    label_ids[kKept] = 0;
  }

  std::int32_t label_id(Label label) {
    label = ties.units().canonical(label);
    auto [found, is_new] = label_ids.emplace(label, 0);
    if (!is_new) return found->second;
    for (Unit unit : ties.units().units(label)) {
      UnitId id = compact[static_cast<std::size_t>(unit)];
      if (id >= 0) out.label_units_.push_back(id);
    }
    if (out.label_units_.size() == out.label_begin_.back()) return 0;  // nothing removable in it
    found->second = static_cast<std::int32_t>(out.label_begin_.size() - 1);
    out.label_begin_.push_back(out.label_units_.size());
    return found->second;
  }

  // -1: all kept.
  std::int32_t axis_id(const Axis& axis) {
    if (axis.is_kept()) return -1;
    auto [known, is_new] = axis_by_labels.emplace(axis.labels.get(), -1);
    if (!is_new) return known->second;
    std::vector<std::int32_t> content;
    content.reserve(axis.labels->size());
    for (Label label : *axis.labels) content.push_back(label_id(label));
    if (std::ranges::all_of(content, [](std::int32_t label) { return label == 0; })) return -1;
    auto [same, is_first] = axis_by_content.emplace(content, static_cast<std::int32_t>(out.axes_.size()));
    if (is_first) out.axes_.push_back(std::move(content));
    return known->second = same->second;
  }

  KeptDimension kept_dimension(const GraphInput& input, std::int64_t dim, const Axis& axis) {
    KeptDimension kept{input.target, dim, ties.role(input.value, dim), "", "", ""};
    Reason reason = axis.reason;
    if (!axis.is_kept() && !axis.labels->empty()) reason = ties.units().reason_of(axis.labels->front());
    if (reason < 0) return kept;
    const KeepReason& why = ties.reason(reason);
    kept.reason = why.text;
    if (why.node) {
      kept.operation = why.node->target();
      kept.source = why.node->source_line();
    }
    return kept;
  }

  void collect_values() {
    // In graph order, so that numbers of axes and names of groups do not depend on addresses.
    for (const GraphInput& input : graph.inputs()) {
      if (!input.value || !ties.all_axes().contains(input.value)) continue;
      collect(input.value);
      if (input.kind == InputKind::user) continue;
      const Axes& axes = ties.axes(input.value);
      for (std::size_t d = 0; d < axes.size(); ++d) {
        auto dim = static_cast<std::int64_t>(d);
        std::int32_t axis = out.axes_of_value_.at(input.value)[d];
        if (axis >= 0) {
          out.members_.push_back({input.target, input.value, dim, ties.role(input.value, dim), axis});
        } else if (input.kind == InputKind::parameter && axes[d].size > 1) {
          out.kept_.push_back(kept_dimension(input, dim, axes[d]));
        }
      }
    }
    for (const Node* node : graph.nodes()) {
      for (const Value* value : node->outputs()) {
        if (value->is_tensor()) collect(value);
      }
      auto extra = ties.remembered().find(node);
      if (extra == ties.remembered().end()) continue;
      for (const Axis& axis : extra->second) out.remembered_[node].emplace_back(axis_id(axis), axis.size);
    }
  }

  void collect(const Value* value) {
    std::vector<std::int32_t>& ids = out.axes_of_value_[value];
    for (const Axis& axis : ties.axes(value)) {
      ids.push_back(axis_id(axis));
      if (ids.back() < 0) continue;
      in_value.resize(out.axes_.size(), false);
      in_value[static_cast<std::size_t>(ids.back())] = true;
    }
  }

  void collect_statistics() {
    statistics_node.assign(out.unit_count_, nullptr);
    for (const auto& [axis, node] : ties.statistics()) {
      std::int32_t id = axis_id(axis);
      if (id < 0) continue;
      for (std::int32_t label : out.labels(id)) {
        for (UnitId unit : out.units(label)) {
          const Node*& first = statistics_node[static_cast<std::size_t>(unit)];
          if (!first) first = node;
        }
      }
    }
  }

  // Units with equally many elements in each of the same axes are one family.
  void collect_groups() {
    std::vector<std::uint64_t> signature(out.unit_count_, 0);
    in_value.resize(out.axes_.size(), false);
    for (std::size_t axis = 0; axis < out.axes_.size(); ++axis) {
      if (!in_value[axis]) continue;
      for (std::int32_t label : out.axes_[axis]) {
        for (UnitId unit : out.units(label)) signature[static_cast<std::size_t>(unit)] += random_bits(axis + 1);
      }
    }
    std::unordered_map<std::uint64_t, std::size_t> by_signature;
    std::vector<std::size_t> group_of(out.unit_count_);
    for (std::size_t unit = 0; unit < out.unit_count_; ++unit) {
      auto [found, is_new] = by_signature.emplace(signature[unit], out.groups_.size());
      if (is_new) out.groups_.emplace_back();
      ChannelGroup& group = out.groups_[found->second];
      group.units.push_back(static_cast<UnitId>(unit));
      if (group.statistics.empty() && statistics_node[unit]) group.statistics = statistics_node[unit]->target();
      group_of[unit] = found->second;
    }
    for (std::size_t m = 0; m < out.members_.size(); ++m) {
      std::set<std::size_t> touched;
      for (std::int32_t label : out.labels(out.members_[m].axis)) {
        for (UnitId unit : out.units(label)) touched.insert(group_of[static_cast<std::size_t>(unit)]);
      }
      for (std::size_t group : touched) out.groups_[group].members.push_back(m);
    }
    collect_least(group_of);
    name_groups();
  }

  // How many units of each group an axis needs, so that `count` elements stay. Where elements belong to units of two groups, as
  // experts to a group of experts and a position in it, every unit brings as many elements as the other group keeps.
  void need_elements(std::span<const std::int32_t> labels, std::int64_t count, const std::vector<std::size_t>& group_of) {
    std::map<std::size_t, std::int64_t> elements_of_unit;
    for (const std::int32_t label : labels) {
      for (const UnitId unit : out.units(label)) {
        std::int64_t elements = 1;
        for (const UnitId other : out.units(label)) {
          if (other != unit) elements *= out.groups_[group_of[static_cast<std::size_t>(other)]].least;
        }
        auto [entry, is_new] = elements_of_unit.emplace(group_of[static_cast<std::size_t>(unit)], elements);
        entry->second = std::min(entry->second, elements);
      }
    }
    for (const auto& [group, elements] : elements_of_unit) {
      ChannelGroup& needed = out.groups_[group];
      const auto units = std::min((count + elements - 1) / elements, static_cast<std::int64_t>(needed.units.size()));
      needed.least = std::max(needed.least, units);
      needed.is_chosen = true;
    }
  }

  void collect_least(const std::vector<std::size_t>& group_of) {
    const auto is_composite = [&](std::int32_t label) { return out.units(label).size() > 1; };
    for (const bool composite : {false, true}) {  // what groups need alone, first
      for (const auto& [axis, count] : ties.least()) {
        const std::int32_t id = axis_id(axis);
        if (id >= 0 && std::ranges::any_of(out.labels(id), is_composite) == composite) need_elements(out.labels(id), count, group_of);
      }
    }
  }

  void name_groups() {
    std::unordered_map<std::string, int> uses;
    for (ChannelGroup& group : out.groups_) {
      const Member* source = nullptr;
      for (std::size_t m : group.members) {
        const Member& member = out.members_[m];
        bool makes = member.role == Role::produces && member.value->tensor().rank() > 1;
        if (!source || (makes && source->role != Role::produces)) source = &member;
      }
      group.name = module_of(source->weight);
      int count = ++uses[group.name];
      if (count > 1) group.name += "#" + std::to_string(count);
    }
  }
};

ChannelGroups::ChannelGroups(const Model& model) {
  Collector collector(*this, model);
  collector.number_units();
  collector.collect_values();
  collector.collect_statistics();
  collector.collect_groups();
  unknown_ = collector.ties.unknown_operators();
}

std::span<const UnitId> ChannelGroups::units(std::int32_t label) const {
  auto i = static_cast<std::size_t>(label);
  return {label_units_.data() + label_begin_[i], label_begin_[i + 1] - label_begin_[i]};
}

Extents ChannelGroups::extents(const Removal& removed) const {
  Extents result;
  result.gone.assign(label_begin_.size() - 1, 0);
  for (std::size_t label = 1; label < result.gone.size(); ++label) {
    for (UnitId unit : units(static_cast<std::int32_t>(label))) result.gone[label] |= removed[static_cast<std::size_t>(unit)];
  }
  for (const std::vector<std::int32_t>& axis : axes_) {
    std::int64_t kept = 0;
    for (std::int32_t label : axis) kept += result.gone[static_cast<std::size_t>(label)] ? 0 : 1;
    result.kept.push_back(kept);
  }
  return result;
}

std::int32_t ChannelGroups::axis_of(const Value* value, std::int64_t dim) const {
  auto found = axes_of_value_.find(value);
  return found == axes_of_value_.end() ? -1 : found->second.at(static_cast<std::size_t>(dim));
}

std::int64_t ChannelGroups::size(const Value* value, std::int64_t dim, const Extents& extents) const {
  std::int32_t axis = axis_of(value, dim);
  if (axis < 0) return value->tensor().sizes.at(static_cast<std::size_t>(dim)).size;
  return extents.kept[static_cast<std::size_t>(axis)];
}

std::vector<std::int64_t> ChannelGroups::kept_indices(std::int32_t axis, const Extents& extents) const {
  std::vector<std::int64_t> kept;
  std::span<const std::int32_t> all = labels(axis);
  for (std::size_t k = 0; k < all.size(); ++k) {
    if (!extents.gone[static_cast<std::size_t>(all[k])]) kept.push_back(static_cast<std::int64_t>(k));
  }
  return kept;
}

std::int64_t ChannelGroups::remembered(const Node* node, std::size_t index, const Extents& extents) const {
  auto [axis, size] = remembered_.at(node).at(index);
  return axis < 0 ? size : extents.kept[static_cast<std::size_t>(axis)];
}

}  // namespace dsc
