#include "exec/plan.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/names.h"
#include "dscompress/error.h"
#include "exec/branches.h"
#include "exec/chains.h"
#include "exec/kernels/fake_quant.h"
#include "exec/foreign_error.h"
#include "exec/kernels/pointwise_convolution.h"
#include "exec/kernels/training_kernels.h"
#include "exec/routed_products.h"
#include "exec/unknown_operators.h"
#include "ir/control_flow.h"
#include "ir/schema.h"
#include "ops/quantization.h"

namespace dsc {
namespace {

// In place on a tensor outside autograd, `detach_` has nothing to do; it has no kernel below autograd either.
void identity(std::vector<c10::IValue>&) {}

// Masks are filled with the least number of the type that the model was exported in; under autocast the tensor may have
// a type with a smaller range, where the model's own code would have taken that type's.
void limit_fill(std::vector<c10::IValue>& stack) {
  const c10::ScalarType type = stack.at(0).toTensor().scalar_type();
  if (!c10::isReducedFloatingType(type) || !stack.at(2).isDouble()) return;
  const double most = type == c10::kHalf ? 65504.0 : 3.3895313892515355e38;
  if (std::isfinite(stack[2].toDouble())) stack[2] = std::clamp(stack[2].toDouble(), -most, most);
}

class Planner {
 public:
  Planner(const Graph& graph, const ExecutorOptions& options, c10::Device device)
      : graph_(graph), options_(options), device_(device) {}

  ExecutionPlan make() {
    number_inputs();
    for (const Node* node : graph_.nodes()) add_step(*node);
    for (const auto& [target, nodes] : unknown_) problems_.push_back(unknown_operator(target, nodes));
    if (!problems_.empty()) throw Error(ErrorCode::unsupported, std::move(problems_));
    plan_.joined = join_routed_products(plan_.steps, plan_.slots);
    if (joins_chains()) plan_.joined = join_chains(plan_.joined, options_.training);
    set_lifetimes(plan_.steps);
    set_lifetimes(plan_.joined);
    find_made_joined();
    find_unused_inputs();
    return std::move(plan_);
  }

 private:
  Slot number(const Value* value) {
    const auto slot = static_cast<Slot>(plan_.values.size());
    plan_.values.push_back(value);
    plan_.slots.emplace(value, slot);
    return slot;
  }

  void number_inputs() {
    graph_device_ = "cpu";
    for (const GraphInput& input : graph_.inputs()) {
      if (!input.value) continue;
      const Slot slot = number(input.value);
      if (input.is_weight()) sources_[slot] = {slot};
      if (input.value->is_tensor()) graph_device_ = input.value->tensor().device.type;
    }
    plan_.modes.push_back(make_base_mode(options_, device_.type()));
  }

  std::size_t mode_of(const Region* region) {
    if (!region) return 0;
    if (const auto known = modes_.find(region); known != modes_.end()) return known->second;
    const Mode outer = plan_.modes[mode_of(region->parent)];
    plan_.modes.push_back(enter_region(outer, *region, graph_device_, device_.type()));
    return modes_[region] = plan_.modes.size() - 1;
  }

  bool records_gradients() const { return options_.training || options_.record_gradients; }
  bool joins_chains() const {
    const bool changes_numbers = options_.record_gradients && !options_.training;  // gradients of evaluation: LibTorch's own
    const bool has_kernels = options_.training ? !options_.autocast || options_.autocast == ScalarType::bf16 : options_.autocast == ScalarType::bf16;
    return !changes_numbers && options_.channels_last && has_kernels && device_.is_cpu();
  }

  void add_step(const Node& node) {
    if (is_vacuous(node.target())) return;
    Step step;
    step.node = &node;
    try {
      step.mode = mode_of(node.region());
      if (node.is("aten.detach_.default") && !records_gradients()) step.builtin = identity;
      else step.builtin = find_builtin(node.target());
      if (is_control_flow(node)) bind_branches(step);
      else if (step.builtin) step.stack = make_stack(node, plan_.slots);
      else if (!bind_operator(step)) unknown_[node.target()].push_back(&node);
    } catch (const Error& error) {
      for (Problem problem : error.problems()) {
        problem.message = "node %" + node.name() + " (" + node.target() + "): " + problem.message;
        problem.place = {node.source_line(), 0, 0, "%" + node.name()};
        problems_.push_back(std::move(problem));
      }
    }
    for (const Value* value : node.outputs()) step.outputs.push_back(number(value));
    find_sources(step);
    plan_.steps.push_back(std::move(step));
  }

  // Between a weight and its quantiser there are views at most, where a row's groups have grids of their own.
  void find_sources(Step& step) {
    const bool quantises = is_fake_quantize(*step.node);
    if (records_gradients() || !(quantises || only_moves_elements(*step.node))) return;
    std::vector<Slot> sources;
    for (const Fill& fill : step.stack.fills) {
      for (const Operand& operand : fill.operands) {
        if (operand.slot == kNoSlot) continue;
        const auto found = sources_.find(operand.slot);
        if (found == sources_.end()) return;
        sources.insert(sources.end(), found->second.begin(), found->second.end());
      }
    }
    for (const Slot slot : step.outputs) sources_[slot] = sources;
    if (quantises && step.outputs.size() == 1) step.made_from = std::move(sources);
  }

  // A batch norm with a frozen weight is part of something that stays as it is, statistics included.
  ExecutorOptions options_for(const Node& node) const {
    auto options = options_;
    const Value* weight = options.frozen.empty() ? nullptr : node.find_value("weight");
    const GraphInput* input = weight ? graph_.find_input(weight) : nullptr;
    if (input && options.frozen.contains(input->target)) options.freeze_batch_norm = true;
    return options;
  }

  // The branches go onto the stack in place of their texts.
  void bind_branches(Step& step) {
    step.builtin = run_branch;
    step.stack = make_stack(*step.node, plan_.slots);
    step.stack.entries.at(1) = c10::IValue::make_capsule(c10::make_intrusive<Branches>(*step.node, options_));
  }

  // returns: false when the dispatcher does not know the operator.
  bool bind_operator(Step& step) {
    auto& dispatcher = c10::Dispatcher::singleton();
    register_own_operators(step.node->target());
    step.op = dispatcher.findSchema(operator_name(step.node->target()));
    if (!step.op) return false;
    step.stack = make_stack(*step.node, step.op->schema(), plan_.slots, device_);
    set_training(*step.node, step.op->schema(), step.stack, options_for(*step.node));
    if (records_gradients()) step.builtin = find_training_kernel(step.node->target());
    if (step.node->is("aten.masked_fill.Scalar") || step.node->is("aten.masked_fill_.Scalar")) step.prepare = limit_fill;
    if (records_gradients() && is_convolution(*step.node)) step.prepare = subsample_before_pointwise;
    if (options_.training && options_.batch_renorm && traits_of(*step.node).is_batch_norm) step.prepare = renormalise_batch;
    // Strides differ from the example's in NHWC memory, and a plain view may then be impossible: copy in that case.
    const bool is_view = step.node->is("aten.view.default") || step.node->is("aten._unsafe_view.default");
    if (options_.channels_last && is_view) step.op = dispatcher.findSchemaOrThrow("aten::reshape", "");
    return true;
  }

  // The values that stay to the end of a run.
  std::vector<bool> kept_values() {
    std::vector<bool> needed(plan_.values.size(), false);
    for (const GraphInput& input : graph_.inputs()) {
      if (input.value && input.kind != InputKind::user) needed[plan_.slots.at(input.value)] = true;
    }
    for (const GraphOutput& output : graph_.outputs()) {
      for (const Value* value : values_of(output.value)) needed[plan_.slots.at(value)] = true;
    }
    return needed;
  }

  // Moves each value at its last use; values that only have to disappear are listed.
  void set_lifetimes(std::vector<Step>& steps) {
    std::vector<bool> needed = kept_values();
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
      for (auto fill = step->stack.fills.rbegin(); fill != step->stack.fills.rend(); ++fill) {
        for (auto operand = fill->operands.rbegin(); operand != fill->operands.rend(); ++operand) {
          if (operand->slot == kNoSlot || needed[operand->slot]) continue;
          operand->move = true;
          needed[operand->slot] = true;
        }
      }
      for (const Slot slot : step->outputs) {
        if (!needed[slot]) step->frees.push_back(slot);
      }
    }
  }

  void find_unused_inputs() {
    std::vector<bool> needed = kept_values();
    for (const Step& step : plan_.steps) {
      for (const Fill& fill : step.stack.fills) {
        for (const Operand& operand : fill.operands) {
          if (operand.slot != kNoSlot) needed[operand.slot] = true;
        }
      }
    }
    for (const GraphInput& input : graph_.inputs()) {
      if (input.value && !needed[plan_.slots.at(input.value)]) plan_.unused_inputs.push_back(plan_.slots.at(input.value));
    }
  }

  void find_made_joined() {
    plan_.made_joined.assign(plan_.values.size(), false);
    for (const GraphInput& input : graph_.inputs()) {
      if (input.value) plan_.made_joined[plan_.slots.at(input.value)] = true;
    }
    for (const Step& step : plan_.joined) {
      for (const Slot slot : step.outputs) plan_.made_joined[slot] = true;
    }
  }

  const Graph& graph_;
  const ExecutorOptions& options_;
  c10::Device device_;
  std::string graph_device_;
  ExecutionPlan plan_;
  std::unordered_map<const Region*, std::size_t> modes_;
  std::unordered_map<Slot, std::vector<Slot>> sources_;  // of values that weights alone decide
  std::map<std::string, std::vector<const Node*>> unknown_;
  std::vector<Problem> problems_;
};

[[noreturn]] void node_failed(const Node& node, ErrorCode code, const std::string& why, const std::string& hint = {}) {
  throw Error(code, "node %" + node.name() + " (" + node.target() + ") failed: " + why,
              {node.source_line(), 0, 0, "%" + node.name()}, hint);
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

void store_list(const Step& step, const c10::IValue& list, std::size_t count, std::size_t& next,
                std::vector<c10::IValue>& frame) {
  const auto elements = list.toListRef();
  if (elements.size() != count) {
    node_failed(*step.node, ErrorCode::unsupported,
                "it made " + std::to_string(elements.size()) + " values, and the exported graph says " + std::to_string(count));
  }
  for (const c10::IValue& element : elements) frame[step.outputs[next++]] = element;
}

void store_results(const Step& step, std::vector<c10::IValue>& frame, std::vector<c10::IValue>& stack) {
  const std::vector<int>& structure = step.node->output_structure();
  if (structure.size() > stack.size()) {
    node_failed(*step.node, ErrorCode::unsupported,
                "it made " + std::to_string(stack.size()) + " results, and the graph says " + std::to_string(structure.size()));
  }
  std::size_t next = 0;
  for (std::size_t i = 0; i < structure.size(); ++i) {
    if (structure[i] < 0) frame[step.outputs[next++]] = std::move(stack[i]);
    else store_list(step, stack[i], static_cast<std::size_t>(structure[i]), next, frame);
  }
}

}  // namespace

ExecutionPlan make_plan(const Graph& graph, const ExecutorOptions& options, c10::Device device) {
  return Planner(graph, options, device).make();
}

// Own operators write statistics and ranges, which nothing else reads.
bool writes_operands(const Step& step) {
  return step.op && step.op->schema().is_mutable() && !step.node->target().starts_with("dscompress.");
}

void run_step(const Step& step, std::vector<c10::IValue>& frame, std::vector<c10::IValue>& stack) {
  try {
    fill_stack(step.stack, frame, stack);
    if (step.prepare) step.prepare(stack);
    if (step.builtin) step.builtin(stack);
    else step.op->callBoxed(stack);
    store_results(step, frame, stack);
  } catch (Error& error) {
    error.add_place({step.node->source_line(), 0, 0, "%" + step.node->name()});
    throw;
  } catch (const std::exception&) {  // e.g. sizes that do not fit, a number that overflows the element type
    const Error error = to_error(std::current_exception(), ErrorCode::data);
    node_failed(*step.node, error.code(), first_line(error.problems().front().message), error.problems().front().hint);
  }
}

}  // namespace dsc
