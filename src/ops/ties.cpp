#include "ops/ties.h"

#include <algorithm>
#include <utility>

#include "ops/arguments.h"
#include "ops/experts.h"
#include "ops/op_info.h"

namespace dsc {

std::vector<std::int64_t> sizes_of(const std::vector<Dim>& dims) {
  std::vector<std::int64_t> sizes;
  for (const Dim& dim : dims) sizes.push_back(dim.size);
  return sizes;
}

Ties::Ties(const Graph& graph, const std::vector<std::pair<const Value*, const Value*>>& shared) : graph_(graph) {
  for (const Node* node : graph.nodes()) run_node(*node);
  node_ = nullptr;
  for (auto [first, second] : shared) {
    Axes of_first = axes(first), of_second = axes(second);
    for (std::size_t d = 0; d < of_first.size(); ++d) tie(of_first[d], of_second.at(d));
  }
  for (const GraphOutput& output : graph.outputs()) {
    for (const Value* value : values_of(output.value)) {
      if (!value->is_tensor()) continue;
      const Value* mutated = output.kind == OutputKind::user ? nullptr : graph.find_weight(output.target);
      if (!mutated) {
        keep(value, "output of the model");
        if (const Axis* axis = positions(value)) keep(*axis, "positions in it are an output of the model");
        continue;
      }
      const Axes& to = axes(mutated);
      const Axes& from = axes(value);
      for (std::size_t i = 0; i < to.size() && i < from.size(); ++i) tie(from[i], to[i]);
    }
  }
}

void Ties::run_node(const Node& node) {
  node_ = &node;
  std::vector<Value*> tensors = tensor_arguments(node);
  const OpInfo* info = find_op_info(node);
  const bool has_rule = info && info->tie;
  if (has_rule) {
    info->tie(*this, node);
  } else {
    std::string why = "operator " + node.target() + " has no rule";
    if (!tensors.empty()) unknown_.push_back(&node);
    for (const Value* value : tensors) keep(value, why);
  }
  for (const Value* value : node.outputs()) {
    if (!value->is_tensor() || axes_.contains(value)) continue;
    Axes all;
    for (const Dim& dim : dims(value))
      all.push_back(kept(dim.size, has_rule ? "result of " + node.target() : "operator " + node.target() + " has no rule"));
    define(value, std::move(all));
  }
  pass_positions_on(node, info);
}

// Positions that are only moved are positions still. Those that an operator reads otherwise, unless it looks up with them, must
// keep their meaning.
void Ties::pass_positions_on(const Node& node, const OpInfo* info) {
  if (node.outputs().empty()) return;
  const bool moves = info && (info->traits.moves_elements || plain_op(node) == "aten.to" || plain_op(node) == "aten._to_copy");
  for (const Value* value : tensor_arguments(node)) {
    const Axis* axis = positions(value);
    const bool is_understood = info && info->looks_up && value != node.find_value("self") && value != node.find_value("src");
    if (!axis || is_understood) continue;
    if (moves && node.outputs().size() == 1 && node.output()->is_tensor() && !is_floating(node.output()->tensor().dtype)) {
      set_positions(node.output(), Axis(*axis));
    } else if (std::ranges::any_of(node.outputs(), &Value::is_tensor)) {
      keep(*axis, node.target() + " computes with positions in it");
    }
  }
}

const Axis* Ties::positions(const Value* integers) const {
  auto found = positions_.find(integers);
  return found == positions_.end() ? nullptr : &found->second;
}

void Ties::look_up(const Axis& axis, const Value* integers) {
  if (const Axis* chosen = positions(integers)) {
    tie(Axis(*chosen), axis);
  } else {
    keep(axis, "indexed with a tensor");
  }
}

void Ties::at_least(const Axis& axis, std::int64_t count) {
  if (!axis.is_kept()) least_.emplace_back(axis, count);
}

Reason Ties::why(const std::string& text) {
  if (reasons_.empty() || reasons_.back().node != node_ || reasons_.back().text != text) reasons_.push_back({node_, text});
  return static_cast<Reason>(reasons_.size() - 1);
}

Axes Ties::make_input_axes(const Value* value, bool follows_channels) {
  const GraphInput* input = graph_.find_input(value);
  bool is_weight = input && input->is_weight();
  const Node* running = std::exchange(node_, nullptr);  // the reason is the model, not the first operator to look
  Axes result;
  for (const Dim& dim : dims(value)) {
    if (is_weight && dim.is_fixed() && (follows_channels || is_floating(value->tensor().dtype))) {
      result.push_back(fresh(dim.size));
    } else {
      result.push_back(kept(dim.size, is_weight ? "a table of integers" : "input of the model"));
    }
  }
  node_ = running;
  return result;
}

const Axes& Ties::axes(const Value* value) {
  auto found = axes_.find(value);
  if (found != axes_.end()) return found->second;
  return axes_.emplace(value, make_input_axes(value, false)).first->second;
}

const Axes& Ties::parameter_axes(const Value* value) {
  auto found = axes_.find(value);
  if (found != axes_.end()) return found->second;
  return axes_.emplace(value, make_input_axes(value, true)).first->second;
}

void Ties::define(const Value* value, Axes axes) { axes_.insert_or_assign(value, std::move(axes)); }

Axis Ties::made(std::vector<Label> labels) {
  auto size = static_cast<std::int64_t>(labels.size());
  return {size, std::make_shared<const std::vector<Label>>(std::move(labels))};
}

std::vector<Label> Ties::labels_of(const Axis& axis) const {
  return axis.labels ? *axis.labels : std::vector<Label>(static_cast<std::size_t>(axis.size), kKept);
}

Axis Ties::fresh(std::int64_t size) { return size <= 1 ? kept(size, "only one element") : free(size); }

Axis Ties::free(std::int64_t size) {
  std::vector<Label> labels(static_cast<std::size_t>(size));
  for (Label& label : labels) label = units_.make();
  return made(std::move(labels));
}

Axis Ties::kept(std::int64_t size, std::string text) { return {size, nullptr, why(text)}; }

void Ties::keep(const Axis& axis, const std::string& text) {
  if (axis.is_kept()) return;
  Reason reason = why(text);
  for (Label label : *axis.labels) units_.keep(label, reason);
}

void Ties::keep(const Value* value, const std::string& text) {
  for (const Axis& axis : axes(value)) keep(axis, text);
}

void Ties::tie(const Axis& a, const Axis& b) {
  if (a.labels == b.labels) return;
  if (a.size != b.size) {
    keep(a, "sizes " + std::to_string(a.size) + " and " + std::to_string(b.size) + " meet");
    keep(b, "sizes " + std::to_string(a.size) + " and " + std::to_string(b.size) + " meet");
  } else if (a.is_kept() || b.is_kept()) {
    const Axis& fixed = a.is_kept() ? a : b;
    const Axis& other = a.is_kept() ? b : a;
    Reason reason = fixed.reason >= 0 ? fixed.reason : why("tied to a kept dimension");
    for (Label label : *other.labels) units_.keep(label, reason);
  } else {
    units_.tie(*a.labels, *b.labels, why("tied in two ways that do not fit"));
  }
}

Axis Ties::pick(const Axis& axis, const std::vector<std::int64_t>& indices) {
  if (axis.is_kept()) return {static_cast<std::int64_t>(indices.size()), nullptr, axis.reason};
  std::vector<Label> labels;
  labels.reserve(indices.size());
  for (std::int64_t index : indices) labels.push_back((*axis.labels)[static_cast<std::size_t>(index)]);
  return made(std::move(labels));
}

Axis Ties::slice(const Axis& axis, std::int64_t start, std::int64_t end, std::int64_t step) {
  std::vector<std::int64_t> indices;
  for (std::int64_t k = start; k < end; k += step) indices.push_back(k);
  return pick(axis, indices);
}

Axis Ties::concatenate(const Axes& parts) {
  if (std::ranges::all_of(parts, &Axis::is_kept)) {
    Axis all{0, nullptr, parts.empty() ? -1 : parts.front().reason};
    for (const Axis& part : parts) all.size += part.size;
    return all;
  }
  std::vector<Label> labels;
  for (const Axis& part : parts) {
    std::vector<Label> more = labels_of(part);
    labels.insert(labels.end(), more.begin(), more.end());
  }
  return made(std::move(labels));
}

Axes Ties::broadcast(const std::vector<Axes>& from, const std::vector<Dim>& to) {
  Axes result;
  for (std::size_t d = 0; d < to.size(); ++d) {
    Axis joined{to[d].size, nullptr, -1};
    bool found = false;
    for (const Axes& axes : from) {
      std::size_t missing = to.size() - std::min(axes.size(), to.size());
      if (d < missing || axes[d - missing].size != to[d].size) continue;
      const Axis& axis = axes[d - missing];
      if (found) {
        tie(joined, axis);
        if (axis.is_kept()) joined = axis;
      } else {
        joined = axis;
      }
      found = true;
    }
    if (!found) joined.reason = why("broadcast");
    result.push_back(joined);
  }
  return result;
}

void Ties::remember(const Axis& axis) { remembered_[node_].push_back(axis); }

void Ties::set_role(const Value* weight, std::int64_t dim, Role role) {
  if (const Node* node = weight->producer()) {
    const auto stack = find_look_up(weight);
    const bool is_cast = plain_op(*node) == "aten.to" || plain_op(*node) == "aten._to_copy";
    if (stack) set_role(value_of(*stack), dim, role);
    else if (is_cast) set_role(tensor_arguments(*node).at(0), dim, role);
    return;
  }
  std::vector<Role>& roles = roles_[weight];
  roles.resize(std::max(roles.size(), static_cast<std::size_t>(dim) + 1), Role::other);
  Role& now = roles[static_cast<std::size_t>(dim)];
  if (now == Role::other || role == Role::produces) now = role;
}

Role Ties::role(const Value* weight, std::int64_t dim) const {
  auto found = roles_.find(weight);
  if (found == roles_.end() || static_cast<std::size_t>(dim) >= found->second.size()) return Role::other;
  return found->second[static_cast<std::size_t>(dim)];
}

void Ties::changes_statistics(const Axis& axis) {
  if (!axis.is_kept()) statistics_.emplace_back(axis, node_);
}

}  // namespace dsc
