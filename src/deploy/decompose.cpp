#include "deploy/decompose.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/jit_type.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "deploy/added_constant.h"
#include "deploy/call_writer.h"
#include "deploy/decompositions.h"
#include "deploy/lanes.h"
#include "deploy/operator_run.h"
#include "deploy/recorded_calls.h"
#include "deploy/torch_program_builder.h"
#include "dscompress/error.h"
#include "exec/arguments.h"
#include "exec/convert.h"
#include "ir/control_flow.h"
#include "ir/inlined_branches.h"

namespace dsc {
namespace {

// A constant must stay what it is.
bool is_written(const Value* value) {
  return std::any_of(value->uses().begin(), value->uses().end(), [](const Use& use) { return use.node && has_side_effect(*use.node); });
}

// What one run did.
struct LaneRun {
  Stack arguments, results;
  std::vector<RecordedCall> calls;
};

std::vector<const Value*> values_of(const Node& node) {
  std::vector<const Value*> values;
  for (const NamedArgument& argument : node.arguments()) {
    for (const Value* value : dsc::values_of(argument.value)) {
      if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
    }
  }
  return values;
}

// Training is off, as for all that is converted.
void set_evaluation(const Node& node, const c10::FunctionSchema& schema, StackTemplate& stack) {
  for (std::size_t i = 0; i < schema.arguments().size(); ++i) {
    const Argument* fixed = find_evaluation_argument(node, schema.arguments()[i].name());
    if (fixed && !std::holds_alternative<NoneArgument>(*fixed)) stack.entries[i] = to_ivalue(*fixed, schema.arguments()[i].type(), c10::kCPU);
  }
}

std::vector<LaneRun> run_lanes(const Node& node, const c10::OperatorHandle& op, const OperatorRun& run, const Lanes& lanes,
                               std::vector<std::vector<c10::IValue>>& frames) {
  SlotMap slots;
  const auto values = values_of(node);
  for (std::size_t i = 0; i < values.size(); ++i) slots.emplace(values[i], static_cast<Slot>(i));
  StackTemplate stack = make_stack(node, op.schema(), slots, c10::kCPU);
  set_evaluation(node, op.schema(), stack);
  std::vector<LaneRun> runs;
  for (std::size_t lane = 0; lane < lanes.count(); ++lane) {
    std::vector<c10::IValue> frame;
    for (const Value* value : values) frame.push_back(example_of(lanes, lane, *value));
    frames.push_back(frame);
    LaneRun made;
    fill_stack(stack, frame, made.results);
    made.arguments = made.results;
    made.calls = record_calls([&] { run(made.results); });
    runs.push_back(std::move(made));
  }
  return runs;
}

void check_same_calls(const std::vector<LaneRun>& runs) {
  for (const LaneRun& run : runs) {
    const bool same = run.calls.size() == runs.front().calls.size() &&
                      std::equal(run.calls.begin(), run.calls.end(), runs.front().calls.begin(), [](const auto& a, const auto& b) { return a.op == b.op; });
    if (!same) throw Error(ErrorCode::unsupported, "what it does depends on sizes that are open");
  }
}

template <class Get>
std::vector<const c10::IValue*> across(const std::vector<LaneRun>& runs, Get get) {
  std::vector<const c10::IValue*> lanes;
  for (const LaneRun& run : runs) lanes.push_back(&get(run));
  return lanes;
}

// The node's results, tensors and lists of them, as one list for each lane.
Stack flat(const Stack& results) {
  Stack tensors;
  for (const c10::IValue& result : results) {
    if (!result.isTensorList()) {
      tensors.push_back(result);
      continue;
    }
    for (const at::Tensor& tensor : result.toTensorVector()) tensors.emplace_back(tensor);
  }
  return tensors;
}

std::vector<Node*> write(Model& model, Node* node, const Lanes& lanes, std::vector<LaneRun> runs, const std::vector<std::vector<c10::IValue>>& frames) {
  check_same_calls(runs);
  CallWriter writer(model, node, lanes);
  const auto values = values_of(*node);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::vector<const c10::IValue*> given;
    for (const auto& frame : frames) given.push_back(&frame[i]);
    writer.bind(given, model.graph.find_value(values[i]->name()));
  }
  for (std::size_t i = 0; i < runs.front().calls.size(); ++i) {
    std::vector<const RecordedCall*> calls;
    for (const LaneRun& run : runs) calls.push_back(&run.calls[i]);
    writer.add(calls);
  }
  for (LaneRun& run : runs) run.results = flat(run.results);
  std::vector<Value*> results;
  for (std::size_t i = 0; i < node->outputs().size(); ++i) {
    const bool is_read = !node->output(i)->uses().empty();
    results.push_back(!is_read ? nullptr : writer.value(across(runs, [&](const LaneRun& run) -> const c10::IValue& { return run.results.at(i); })));
  }
  return writer.finish(results);
}

}  // namespace

void Decomposer::replace_known() {
  for (bool again = true; again;) {  // what is written may be known itself
    again = false;
    for (Node* node : graph_.nodes()) {
      if (replace_empty(node)) continue;
      if (is_control_flow(*node)) {  // an engine's own `If` would compute one of the two alone
        again |= inline_branches(graph_, node);
        continue;
      }
      const Decomposition* known = find_decomposition(*node);
      again |= known && known->replaces && known->replaces(*node) && replace(node).empty();
    }
    graph_.erase_dead_code(false);
  }
}

std::string Decomposer::replace(Node* node) {
  const auto op = find_operator(*node);
  if (op && values_of(*node).empty() && !op->hasTag(at::Tag::nondeterministic_seeded) && replace_by_constants(node, {})) return {};
  const OperatorRun run = op ? find_run(*node, *op) : OperatorRun();
  if (!run) return "LibTorch has no composite form of it";
  std::set<std::string> within = within_[node];
  if (!within.insert(node->target()).second) return "it consists of itself";
  std::string reason;
  for (const bool together : {false, true}) {
    try {
      const Lanes lanes = make_lanes(graph_, *node, together);
      std::vector<std::vector<c10::IValue>> frames;
      auto runs = run_lanes(*node, *op, run, lanes, frames);
      within_.erase(node);
      for (const Node* part : write(model_, node, lanes, std::move(runs), frames)) within_[part] = within;
      return {};
    } catch (const Error& error) {
      reason = error.problems().front().message;
    } catch (const std::exception& error) {  // of LibTorch's: these arguments do not go together
      const std::string text = error.what();
      reason = text.substr(0, text.find('\n'));
    }
  }
  return reason;
}

// --- constants ---

void Decomposer::put_constants(Node* node, const std::vector<at::Tensor>& tensors) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    graph_.replace_uses(node->output(i), add_constant(model_, node->output(i)->name(), tensors[i]));
  }
  graph_.erase(node);
}

// Runs the operator once; without success it stays.
bool Decomposer::replace_by_constants(Node* node, const std::vector<c10::IValue>& frame) {
  const auto op = find_operator(*node);
  if (!op || has_side_effect(*node) || std::any_of(node->outputs().begin(), node->outputs().end(), is_written)) return false;
  try {
    SlotMap slots;
    const auto values = values_of(*node);
    for (std::size_t i = 0; i < values.size(); ++i) slots.emplace(values[i], static_cast<Slot>(i));
    StackTemplate made = make_stack(*node, op->schema(), slots, c10::kCPU);
    set_evaluation(*node, op->schema(), made);
    Stack stack, given = frame;
    fill_stack(made, given, stack);
    op->callBoxed(stack);
    std::vector<at::Tensor> tensors;
    for (const c10::IValue& result : flat(stack)) tensors.push_back(result.toTensor());
    if (tensors.size() != node->outputs().size()) return false;
    put_constants(node, tensors);
    return true;
  } catch (const std::exception&) {  // LibTorch refuses it as well: the message is the frontend's
    return false;
  }
}

namespace {

bool is_fixed(const Value* value) {
  if (!value->is_tensor()) return false;
  const auto& sizes = value->tensor().sizes;
  return std::all_of(sizes.begin(), sizes.end(), [](const Dim& dim) { return dim.is_fixed(); });
}

bool is_empty(const Value* value) {
  if (!is_fixed(value)) return false;
  const auto& sizes = value->tensor().sizes;
  return std::any_of(sizes.begin(), sizes.end(), [](const Dim& dim) { return dim.size == 0; });
}

at::Tensor empty_like(const Value* value) {
  std::vector<std::int64_t> sizes;
  for (const Dim& dim : value->tensor().sizes) sizes.push_back(dim.size);
  return at::empty(sizes, to_c10(value->tensor().dtype));
}

}  // namespace

// What is computed from nothing, or is nothing: OpenVINO's kernels divide by such sizes, and its shape rules mistake them.
bool Decomposer::replace_empty(Node* node) {
  const auto& outputs = node->outputs();
  if (has_side_effect(*node) || outputs.empty() || std::any_of(outputs.begin(), outputs.end(), is_written)) return false;
  if (std::all_of(outputs.begin(), outputs.end(), is_empty)) {
    std::vector<at::Tensor> tensors;
    for (const Value* output : outputs) tensors.push_back(empty_like(output));
    put_constants(node, tensors);
    return true;
  }
  const auto values = values_of(*node);
  if (values.empty() || !std::all_of(values.begin(), values.end(), is_empty)) return false;
  if (!std::all_of(outputs.begin(), outputs.end(), is_fixed)) return false;
  std::vector<c10::IValue> frame;
  for (const Value* value : values) frame.emplace_back(empty_like(value));
  return replace_by_constants(node, frame);
}

}  // namespace dsc
