// In-place operators: which values change with the one that is written, and how they are brought up to date.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "deploy/torch_program_builder.h"

namespace dsc {

// The result of an in-place call is the changed tensor itself: it keeps the number, and the call's own output is unused.
void TorchProgramBuilder::add_in_place(const Node& node, TorchCall call) {
  const ValueId changed = call.inputs.front();
  for (const Value* output : node.outputs()) {
    call.outputs.push_back(new_value(output));
    bind(output, changed);
  }
  program_.calls.push_back(std::move(call));
  refresh_views(changed);
}

// The frontend writes a change through to the tensors that `changed` is a view of. Other views of these are computed
// again here, in order, and take new numbers.
void TorchProgramBuilder::refresh_views(ValueId changed) {
  std::unordered_set<ValueId> current{changed}, stale;
  for (auto view = views_.rbegin(); view != views_.rend(); ++view) {
    const auto& outputs = view->call.outputs;
    const bool leads = view->alive && std::any_of(outputs.begin(), outputs.end(), [&](ValueId id) { return current.contains(id); });
    if (!leads) continue;
    const ValueId base = view->call.inputs.front();
    current.insert(base);
    if (view->call.may_alias) continue;
    // A part of a list: the frontend cannot write it back.
    if (is_used_later(base)) return refuse("it changes one part of a split tensor that is used again");
  }
  std::unordered_map<ValueId, ValueId> renamed;
  const std::size_t count = views_.size();
  for (std::size_t i = 0; i < count; ++i) {
    View& view = views_[i];
    const ValueId base = view.call.inputs.front();
    const auto moved = renamed.find(base);
    const bool leads = std::any_of(view.call.outputs.begin(), view.call.outputs.end(), [&](ValueId id) { return current.contains(id); });
    if (!view.alive || leads || (moved == renamed.end() && !current.contains(base))) continue;
    view.alive = false;
    TorchCall again = view.call;
    if (moved != renamed.end()) again.inputs.front() = moved->second;
    for (ValueId& output : again.outputs) {
      const ValueId fresh = new_value(TorchValue(program_.values[output]));
      renamed[output] = fresh;
      output = fresh;
    }
    views_.push_back({again});
    program_.calls.push_back(std::move(again));
  }
  for (auto& [value, id] : ids_) {
    if (const auto found = renamed.find(id); found != renamed.end()) id = found->second;
  }
}

bool TorchProgramBuilder::is_used_later(ValueId id) const {
  const std::size_t now = order_.at(node_);
  return std::any_of(ids_.begin(), ids_.end(), [&](const auto& entry) {
    if (entry.second != id) return false;
    const auto& uses = entry.first->uses();
    return std::any_of(uses.begin(), uses.end(), [&](const Use& use) { return !use.node || order_.at(use.node) > now; });
  });
}

}  // namespace dsc
