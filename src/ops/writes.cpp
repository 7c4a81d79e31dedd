#include "ops/writes.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ir/schema.h"

namespace dsc {
namespace {

using Inputs = std::set<const Value*>;

// Whether it writes into its arguments in training alone: statistics of norms, ranges of quantisers.
bool writes_in_training_alone(const c10::FunctionSchema& schema) {
  return schema.argumentIndexWithName("training") || schema.argumentIndexWithName("train");
}

// Operators that may return a tensor they were given, or a view of it, although their schemas do not say so.
bool may_return_its_input(std::string_view op) {
  static const std::set<std::string_view> kWritesOps = {
      "aten.dropout",         "aten.feature_dropout", "aten.alpha_dropout", "aten.feature_alpha_dropout", "aten.native_dropout",
      "aten.atleast_1d",      "aten.atleast_2d",      "aten.atleast_3d",    "aten.broadcast_tensors",     "aten.meshgrid",
      "aten.einsum",          "aten.type_as",         "_operator.getitem"};
  return kWritesOps.contains(op);
}

class Writes {
 public:
  explicit Writes(const Graph& graph) : graph_(graph) {
    for (const GraphInput& input : graph.inputs()) {
      if (input.value) memory_[input.value] = {input.value};
    }
    for (const Node* node : graph.nodes()) follow(*node);
    for (const GraphOutput& output : graph.outputs()) add_declared(output);
  }

  const Inputs& written() const { return written_; }

  // Inputs that outputs of the graph are computed from, those included that a node before wrote into.
  Inputs read_by_outputs() const {
    std::set<const Node*> needed;
    Inputs read;
    std::vector<const Value*> open;
    for (const GraphOutput& output : graph_.outputs()) {
      if (output.kind != OutputKind::user && output.kind != OutputKind::loss) continue;
      for (const Value* value : values_of(output.value)) open.push_back(value);
    }
    while (!open.empty()) {
      const Value* value = open.back();
      open.pop_back();
      for (const Value* input : memory_of(value)) {
        if (!read.insert(input).second) continue;
        // What was written into the input may be read with it.
        for (const Node* node : writers(input)) add_operands(*node, needed, open);
      }
      if (value->producer()) add_operands(*value->producer(), needed, open);
    }
    return read;
  }

 private:
  static void add_operands(const Node& node, std::set<const Node*>& done, std::vector<const Value*>& open) {
    if (!done.insert(&node).second) return;
    for (const NamedArgument& argument : node.arguments()) {
      for (const Value* value : values_of(argument.value)) open.push_back(value);
    }
  }

  const Inputs& memory_of(const Value* value) const {
    static const Inputs kNone;
    const auto found = memory_.find(value);
    return found == memory_.end() ? kNone : found->second;
  }

  std::vector<const Node*> writers(const Value* input) const {
    const auto found = writers_.find(input);
    return found == writers_.end() ? std::vector<const Node*>{} : found->second;
  }

  // Which inputs' memory the node's outputs may share, and which it writes into.
  void follow(const Node& node) {
    const c10::FunctionSchema* schema = find_schema(node);
    const bool returns_view = schema && std::any_of(schema->returns().begin(), schema->returns().end(), [](const c10::Argument& result) { return result.alias_info(); });
    Inputs shared;
    for (std::size_t i = 0; i < node.arguments().size(); ++i) {
      const auto* alias = schema ? alias_of(*schema, node.arguments()[i], i) : nullptr;
      if (!alias && !may_return_its_input(node.op())) continue;
      for (const Value* value : values_of(node.arguments()[i].value)) {
        const Inputs& memory = memory_of(value);
        shared.insert(memory.begin(), memory.end());
        if (!alias || !alias->isWrite() || writes_in_training_alone(*schema)) continue;
        written_.insert(memory.begin(), memory.end());
        for (const Value* input : memory) writers_[input].push_back(&node);
      }
    }
    if (!returns_view && !may_return_its_input(node.op())) return;
    for (const Value* output : node.outputs()) memory_[output] = shared;
  }

  static const c10::AliasInfo* alias_of(const c10::FunctionSchema& schema, const NamedArgument& argument, std::size_t position) {
    const auto named = argument.name.empty() ? std::nullopt : schema.argumentIndexWithName(argument.name);
    const std::size_t index = named ? static_cast<std::size_t>(*named) : position;
    return index < schema.arguments().size() ? schema.arguments()[index].alias_info() : nullptr;
  }

  void add_declared(const GraphOutput& output) {
    if (output.kind == OutputKind::user || output.kind == OutputKind::loss) return;
    for (const GraphInput& input : graph_.inputs()) {
      const bool is_meant = input.value && input.target == output.target && input.is_weight() == (output.kind != OutputKind::input_mutation);
      if (!is_meant) continue;
      written_.insert(input.value);
    }
  }

  const Graph& graph_;
  std::unordered_map<const Value*, Inputs> memory_;  // inputs whose memory a value may be in
  std::unordered_map<const Value*, std::vector<const Node*>> writers_;
  Inputs written_;
};

}  // namespace

std::set<const Value*> written_inputs(const Graph& graph) { return Writes(graph).written(); }

std::set<const Value*> state_inputs(const Graph& graph) {
  const Writes writes(graph);
  const Inputs read = writes.read_by_outputs();
  Inputs state;
  for (const Value* value : writes.written()) {
    const GraphInput* input = graph.find_input(value);
    if (input->is_weight() && read.contains(value)) state.insert(value);
  }
  return state;
}

}  // namespace dsc
