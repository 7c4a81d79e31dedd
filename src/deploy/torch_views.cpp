// In-place operators: which values change with the one that is written, and how they are brought up to date.
#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "deploy/torch_program_builder.h"
#include "ops/op_traits.h"

namespace dsc {
namespace {

// What the frontend writes a change through by itself.
bool is_written_through(const std::string& op) { return op == "aten::slice" || op == "aten::select"; }

// Of a call, "aten::view", which may be another than its node's operator.
Relayout relayout_of(const std::string& op) {
  constexpr std::string_view kAten = "aten::";
  return op.starts_with(kAten) ? traits_named("aten." + op.substr(kAten.size())).relayout : Relayout::none;
}

// For each dimension of the base, the dimension of the permuted tensor that holds it.
std::vector<std::int64_t> inverse_permutation(const Node& node) {
  const auto& dims = std::get<IntList>(get_argument(node, 1, "dims"));
  std::vector<std::int64_t> inverse(dims.size());
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const auto dim = std::get<std::int64_t>(dims[i]);
    inverse.at(static_cast<std::size_t>(dim < 0 ? dim + static_cast<std::int64_t>(dims.size()) : dim)) = static_cast<std::int64_t>(i);
  }
  return inverse;
}

bool has_output(const TorchCall& call, ValueId id) { return std::find(call.outputs.begin(), call.outputs.end(), id) != call.outputs.end(); }

}  // namespace

void TorchProgramBuilder::add_view(TorchCall call) {
  call.may_alias = is_written_through(call.op);
  views_.push_back({call});
  program_.calls.push_back(std::move(call));
}

// The result of an in-place call is the changed tensor itself: it keeps the number, and the call's own output is unused.
void TorchProgramBuilder::add_in_place(const Node& node, TorchCall call) {
  const ValueId changed = call.inputs.front();
  for (const Value* output : node.outputs()) {
    call.outputs.push_back(new_value(output));
    bind(output, changed);
  }
  program_.calls.push_back(std::move(call));
  refresh_views(write_back(changed));
}

ValueId TorchProgramBuilder::write_part(ValueId base, std::string view, std::vector<ValueId> where, ValueId source, const Value* output) {
  const ValueId whole = call("aten::clone", {base, constant(std::monostate{})}, output);
  where.insert(where.begin(), whole);
  TorchCall part = make_call(std::move(view), std::move(where)), copy = make_call("aten::copy_", {0, source, constant(false)});
  part.may_alias = true;
  part.outputs.push_back(new_value(output));
  copy.inputs.front() = part.outputs.front();
  copy.outputs.push_back(new_value(output));
  program_.calls.push_back(std::move(part));
  program_.calls.push_back(std::move(copy));
  return whole;
}

// Carries a change up to the tensors that `changed` is a view of: through slices the frontend does it, other views are
// turned round here. returns: what is up to date.
std::unordered_set<ValueId> TorchProgramBuilder::write_back(ValueId changed) {
  std::unordered_set<ValueId> current{changed};
  for (auto view = views_.rbegin(); view != views_.rend(); ++view) {
    const TorchCall call = view->call;
    if (!view->alive || !has_output(call, changed)) continue;
    const ValueId base = call.inputs.front();
    if (!call.may_alias) {
      const ValueId restored = turn_round(call, changed);
      if (!restored) {
        if (is_read_elsewhere(call, current)) refuse("it changes a part of a tensor, in a way that cannot be carried over to the whole");
        break;
      }
      TorchCall copy = make_call("aten::copy_", {base, restored, constant(false)});
      copy.outputs.push_back(new_value(TorchValue(program_.values[base])));
      program_.calls.push_back(std::move(copy));
    }
    current.insert(base);
    changed = base;
  }
  return current;
}

// The base as a changed view of it says it is now; 0: not possible.
ValueId TorchProgramBuilder::turn_round(const TorchCall& view, ValueId changed) {
  const ValueId base = view.inputs.front();
  TorchCall inverse = make_call(view.op, view.inputs);
  inverse.inputs.front() = changed;
  switch (relayout_of(view.op)) {
    case Relayout::none:
      return 0;
    case Relayout::regroups:
      inverse = make_call("aten::reshape_as", {changed, base});
      break;
    case Relayout::swaps_two:
      break;  // its own inverse
    case Relayout::permutes:
      inverse.inputs = {changed, constant(inverse_permutation(*view.origin))};
      break;
  }
  inverse.outputs.push_back(new_value(TorchValue(program_.values[base])));
  program_.calls.push_back(std::move(inverse));
  return program_.calls.back().outputs.front();
}

// Whether another view of the same memory than `current` and the parts made by `view` is read by a later node.
bool TorchProgramBuilder::is_read_elsewhere(const TorchCall& view, const std::unordered_set<ValueId>& current) const {
  ValueId root = view.inputs.front();
  for (auto made = views_.rbegin(); made != views_.rend(); ++made) {
    if (made->alive && has_output(made->call, root)) root = made->call.inputs.front();
  }
  std::unordered_set<ValueId> family{root};
  for (const View& made : views_) {
    if (made.alive && family.contains(made.call.inputs.front())) family.insert(made.call.outputs.begin(), made.call.outputs.end());
  }
  return std::any_of(family.begin(), family.end(), [&](ValueId id) { return !current.contains(id) && !has_output(view, id) && is_used_later(id); });
}

// Computes again, in order and under new numbers, the other views of tensors that have changed.
void TorchProgramBuilder::refresh_views(const std::unordered_set<ValueId>& current) {
  std::unordered_map<ValueId, ValueId> renamed;
  const std::size_t count = views_.size();
  for (std::size_t i = 0; i < count; ++i) {
    const TorchCall& call = views_[i].call;
    const auto moved = renamed.find(call.inputs.front());
    const bool is_current = std::any_of(call.outputs.begin(), call.outputs.end(), [&](ValueId id) { return current.contains(id); });
    if (!views_[i].alive || is_current || (moved == renamed.end() && !current.contains(call.inputs.front()))) continue;
    views_[i].alive = false;
    TorchCall again = call;
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
