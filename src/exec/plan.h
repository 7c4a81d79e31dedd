// A graph compiled for running: one step a node, with operator handle, stack template, and where results go.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/Device.h>

#include <optional>
#include <vector>

#include "exec/arguments.h"
#include "exec/options.h"
#include "exec/modes.h"
#include "exec/kernels/python_ops.h"

namespace dsc {

struct Step {
  const Node* node = nullptr;
  Builtin builtin = nullptr;                 // in place of `op`
  Builtin prepare = nullptr;                 // changes the arguments before the call; null: nothing to change
  std::optional<c10::OperatorHandle> op;
  StackTemplate stack;
  std::vector<Slot> outputs;                 // all values made, lists flattened
  std::vector<Slot> frees;                   // values not needed after this step
  std::size_t mode = 0;                      // index into ExecutionPlan::modes
  std::vector<Slot> made_from;               // of a weight's quantiser outside training: the weights that decide its result
};

struct ExecutionPlan {
  std::vector<Step> steps;
  std::vector<Step> joined;          // as `steps`, with several as one (exec/chains.h, exec/routed_products.h); makes the same outputs, not every value
  std::vector<bool> made_joined;     // by slot: whether `joined` makes it, or it is an input
  std::vector<Mode> modes;
  std::vector<const Value*> values;  // by slot
  SlotMap slots;
  std::vector<Slot> unused_inputs;   // user inputs that no step needs
};

// errors: unsupported, one problem for each operator or argument that cannot run, naming nodes and source lines.
ExecutionPlan make_plan(const Graph& graph, const ExecutorOptions& options, c10::Device device);

// Whether the step changes a tensor that others may read: what reads it must not be calculated later than it was.
bool writes_operands(const Step& step);

// Calls the step's operator and puts its results into the frame; frees nothing.
// errors: data, unsupported, resource: what the operator says, with node and source line.
void run_step(const Step& step, std::vector<c10::IValue>& frame, std::vector<c10::IValue>& stack);

// Sets arguments that say whether the network is being trained (of batch norm, dropout, recurrent layers, attention).
void set_training(const Node& node, const c10::FunctionSchema& schema, StackTemplate& stack, const ExecutorOptions& options);

}  // namespace dsc
