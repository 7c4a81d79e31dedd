#include "train/parallel.h"

#include <algorithm>
#include <string>

#include "exec/kernels/fake_quant.h"
#include "ir/dim_expression.h"
#include "ops/op_traits.h"

namespace dsc {
namespace {

constexpr const char* kOneProcess = "train in one process: leave out --processes";

// The symbols of dimension 0 of the inputs: how many examples there are.
std::vector<std::string> batch_symbols(const Graph& graph) {
  std::vector<std::string> symbols;
  for (const GraphInput& input : graph.inputs()) {
    if (input.kind != InputKind::user || !input.value || !input.value->is_tensor() || input.value->tensor().rank() == 0) continue;
    const Dim& dim = input.value->tensor().sizes.front();
    if (!dim.is_fixed()) symbols.push_back(symbol_of(dim.expression).empty() ? dim.expression : symbol_of(dim.expression));
  }
  return symbols;
}

bool has_examples(const Value& value, const std::vector<std::string>& symbols) {
  if (!value.is_tensor()) return false;
  return std::ranges::any_of(value.tensor().sizes, [&](const Dim& dim) {
    return !dim.is_fixed() && std::ranges::any_of(symbols, [&](const auto& symbol) { return names_symbol(dim.expression, symbol); });
  });
}

bool reads_examples(const Node& node, const std::vector<std::string>& symbols) {
  return std::ranges::any_of(node.arguments(), [&](const NamedArgument& argument) {
    return std::ranges::any_of(values_of(argument.value), [&](const Value* value) { return value && has_examples(*value, symbols); });
  });
}

std::string place_of_node(const Node& node) { return "%" + node.name() + " (" + std::string(node.op()) + ")"; }

// Why a node's result would not be the rows of the whole batch's result; empty: it would.
std::string obstacle(const Node& node, const std::vector<std::string>& symbols) {
  if (node.is(kLearnedFakeQuant)) return "steps of quantisers are learned from whole batches (learned_steps)";
  if (traits_of(node).is_batch_norm && node.op() != "aten.batch_norm") return "the batch norm " + place_of_node(node) + " is not in training form";
  if (!reads_examples(node, symbols)) return {};
  for (const Value* output : node.outputs()) {
    if (output->is_tensor() && !has_examples(*output, symbols)) return "the node " + place_of_node(node) + " mixes the examples of a batch";
  }
  return {};
}

}  // namespace

Ranks& ranks_of(PassContext& context) {
  auto* ranked = dynamic_cast<RankedContext*>(&context);
  return ranked ? ranked->ranks() : alone();
}

std::int64_t processes_of(PassContext& context) {
  const auto* ranked = dynamic_cast<RankedContext*>(&context);
  return ranked ? ranked->processes() : 1;
}

std::vector<Problem> check_parallel(const Model& model, std::int64_t batch, std::int64_t processes) {
  std::vector<Problem> problems;
  if (processes == 1) return problems;
  if (batch < processes) {
    problems.push_back({"batches of " + std::to_string(batch) + " examples cannot be cut into parts for " + std::to_string(processes) + " processes", {},
                        "use a larger batch, more examples, or fewer processes"});
  }
  const auto symbols = batch_symbols(model.graph);
  if (symbols.empty()) {
    problems.push_back({"the model takes batches of a fixed size, which cannot be cut into parts for " + std::to_string(processes) + " processes", {},
                        "export the model with a dynamic batch: dynamic_shapes={0: Dim.AUTO}, as scripts/export_model.py does"});
    return problems;
  }
  for (const Node* node : model.graph.nodes()) {
    if (auto what = obstacle(*node, symbols); !what.empty()) {
      problems.push_back({what + ", and each of " + std::to_string(processes) + " processes has only a part of it", {}, kOneProcess});
      break;  // one shows what kind of model it is
    }
  }
  return problems;
}

}  // namespace dsc
