#include "passes/quantize/run_time.h"

#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "ops/arguments.h"

namespace dsc::quantize {
namespace {

std::optional<Use> input_of(const Graph& graph, Node* layer) {
  const auto activations = find_quant_layer(graph, layer)->activations;
  return activations.empty() ? std::nullopt : std::optional(activations.front().use);
}

const Dim& row_of(const Value* value) { return value->tensor().sizes.back(); }

// Builds the chain before one node, with that node's origin.
class Chain {
 public:
  Chain(Graph& graph, Node* before) : graph_(graph), before_(before) {}

  Value* quantize(Value* x, std::int64_t group) {
    const std::int64_t row = row_of(x).size;
    const std::string name = x->name();
    Value* rows = x;
    if (group != row) {
      TensorType split = x->tensor();
      split.strides.clear();
      split.sizes.back() = {.size = row / group};
      split.sizes.push_back({.size = group});
      rows = add("aten.unflatten.int", {{"self", x}, {"dim", std::int64_t{-1}}, {"sizes", IntList{row / group, group}}}, {{name + "_groups", split}})->output();
    }
    Value* on_grid = round(rows, name);
    if (rows == x) return on_grid;
    return add("aten.flatten.using_ints", {{"self", on_grid}, {"start_dim", std::int64_t{-2}}, {"end_dim", std::int64_t{-1}}},
               {{name + "_quantized", x->type()}})->output();
  }

 private:
  Value* round(Value* rows, const std::string& name) {
    constexpr std::int64_t kLow = -128, kHigh = 127;
    TensorType scales = rows->tensor(), integers = rows->tensor();
    scales.strides.clear();
    scales.sizes.back() = {.size = 1};
    integers.dtype = ScalarType::i8;
    const Node* chosen = add("quantized_decomposed.choose_qparams_per_token.default", {{"input", rows}, {"dtype", ScalarType::i8}},
                             {{name + "_scale", scales}, {name + "_zero_point", scales}});
    const std::vector<NamedArgument> grid{{"scales", chosen->output(0)}, {"zero_points", chosen->output(1)}, {"quant_min", kLow},
                                          {"quant_max", kHigh}, {"dtype", ScalarType::i8}};
    const auto with = [&](Value* input) {
      std::vector<NamedArgument> arguments{{"input", input}};
      arguments.insert(arguments.end(), grid.begin(), grid.end());
      return arguments;
    };
    Value* whole = add("quantized_decomposed.quantize_per_token.default", with(rows), {{name + "_integers", integers}})->output();
    auto arguments = with(whole);
    arguments.push_back({"output_dtype", rows->tensor().dtype});
    return add("quantized_decomposed.dequantize_per_token.default", std::move(arguments), {{name + "_quantized", rows->type()}})->output();
  }

  Node* add(std::string target, std::vector<NamedArgument> arguments, std::vector<OutputSpec> outputs) {
    for (OutputSpec& output : outputs) output.name = graph_.unique_name(output.name);
    Node* node = graph_.insert(before_, std::move(target), std::move(arguments), std::move(outputs));
    graph_.copy_origin(node, before_);
    return node;
  }

  Graph& graph_;
  Node* before_;
};

}  // namespace

std::vector<QuantizerRow> insert_run_time_quantizers(Model& model, const QuantPlacement& placement, std::int64_t multiple) {
  Graph& graph = model.graph;
  std::vector<std::pair<Node*, Use>> inputs;
  std::int64_t group = 0;
  for (Node* layer : placement.layers) {
    const auto use = input_of(graph, layer);
    if (!use) continue;
    const Dim& row = row_of(value_of(*use));
    if (!row.is_fixed() || row.size % multiple != 0) continue;
    inputs.emplace_back(layer, *use);
    group = std::gcd(group, row.size);
  }
  std::vector<QuantizerRow> rows;
  std::map<const Value*, Value*> quantized;  // layers that read one value share its quantised form
  for (const auto& [layer, use] : inputs) {
    Value* value = value_of(use);
    const auto [entry, added] = quantized.try_emplace(value, nullptr);
    if (added) {
      entry->second = Chain(graph, layer).quantize(value, group);
      rows.push_back({.module = place_of(*layer), .tensor = value->name(), .kind = "activation", .bits = 8, .range = {},
                      .granularity = row_of(value).size == group ? "token" : "group " + std::to_string(group)});
    }
    graph.replace_use(use, entry->second);
  }
  return rows;
}

}  // namespace dsc::quantize
