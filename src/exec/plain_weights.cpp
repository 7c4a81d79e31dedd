#include "exec/plain_weights.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "exec/executor.h"
#include "ir/copy_part.h"
#include "ops/arguments.h"
#include "ops/op_traits.h"
#include "ops/quantization.h"
#include "ops/random_mask.h"
#include "ops/writes.h"

namespace dsc {
namespace {

bool takes_weights(const Node& node, std::string_view argument) {
  const auto names = traits_of(node).weights;
  return std::find(names.begin(), names.end(), argument) != names.end();
}

bool only_moves(const Node& node) { return only_moves_elements(node) || traits_of(node).keeps_tensor; }

// What weights alone decide in a graph.
class Expressions {
 public:
  explicit Expressions(const Graph& graph) : graph_(graph), random_(names_of_random(graph)) {
    const auto written = written_in_place(graph);
    for (const GraphInput& input : graph.inputs()) {
      if (input.value && input.is_weight() && !written.contains(input.value)) sources_[input.value] = {input.value};
    }
    for (const Node* node : graph.nodes()) follow(*node);
  }

  // Whether the value is computed, and by more than moves.
  bool is_computed(const Value* value) const { return computed_.contains(value); }
  bool is_decided(const Value* value) const { return sources_.contains(value); }
  const std::set<const Value*>& sources(const Value* value) const { return sources_.at(value); }
  // The first value that the same operators compute from the same weights: of a layer that is called twice, the first call's.
  const Value* first_of(const Value* value) const {
    const auto found = first_.find(value);
    return found == first_.end() ? value : found->second;
  }

 private:
  static std::set<std::string> names_of_random(const Graph& graph) {
    const auto names = random_nodes(graph);
    return {names.begin(), names.end()};
  }

  // A declared mutation stores its result after the run; what reads the input reads what the model has.
  static std::set<const Value*> written_in_place(const Graph& graph) {
    auto written = written_inputs(graph);
    for (const GraphOutput& output : graph.outputs()) {
      if (output.kind == OutputKind::buffer_mutation || output.kind == OutputKind::parameter_mutation) written.erase(graph.find_weight(output.target));
    }
    return written;
  }

  void follow(const Node& node) {
    if (has_side_effect(node) || is_fake_quantize(node) || node.target().find("quantize") != std::string::npos || random_.contains(node.name())) return;
    std::set<const Value*> sources;
    bool computes = !only_moves(node);
    for (const NamedArgument& argument : node.arguments()) {
      for (const Value* value : values_of(argument.value)) {
        const auto found = sources_.find(value);
        if (found == sources_.end()) return;
        sources.insert(found->second.begin(), found->second.end());
        computes = computes || computed_.contains(value);
      }
    }
    if (sources.empty()) return;
    for (const Value* output : node.outputs()) {
      sources_[output] = sources;
      if (computes) computed_.insert(output);
    }
    find_first(node);
  }

  // A node with its arguments' values as the first that compute the same.
  struct Expression {
    const Node* node = nullptr;
    std::vector<Argument> arguments;
    bool operator==(const Expression& other) const { return arguments == other.arguments; }
  };

  void find_first(const Node& node) {
    Expression expression{.node = &node, .arguments = {}};
    const Value* operand = nullptr;
    for (const NamedArgument& argument : node.arguments()) {
      Argument given = argument.value;
      if (auto* value = std::get_if<Value*>(&given)) *value = const_cast<Value*>(first_of(*value));
      if (auto* list = std::get_if<ValueList>(&given)) {
        for (Value*& value : *list) value = value ? const_cast<Value*>(first_of(value)) : nullptr;
      }
      for (const Value* value : values_of(given)) operand = operand ? operand : value;
      expression.arguments.push_back(std::move(given));
    }
    auto& known = expressions_[{node.target(), operand}];
    const auto same = std::find(known.begin(), known.end(), expression);
    if (same == known.end()) return known.push_back(std::move(expression));
    for (std::size_t i = 0; i < node.outputs().size(); ++i) first_[node.outputs()[i]] = same->node->outputs()[i];
  }

  const Graph& graph_;
  std::set<std::string> random_;
  std::unordered_map<const Value*, std::set<const Value*>> sources_;  // of values that weights alone decide
  std::set<const Value*> computed_;
  std::map<std::pair<std::string, const Value*>, std::vector<Expression>> expressions_;  // by target and first operand
  std::unordered_map<const Value*, const Value*> first_;
};

// "up.weight" of "up.weight_g" and "up.weight_v", "pre.weight" of "pre.parametrizations.weight.original0"; otherwise the
// layer's module and the argument.
std::string plain_name(const std::vector<std::string>& sources, const Node& layer, std::string_view argument, const Value& value) {
  constexpr std::string_view kParametrizations = "parametrizations.";
  for (const std::string& source : sources) {
    const auto at = source.find(kParametrizations);
    if (at != std::string::npos) {
      const std::string rest = source.substr(at + kParametrizations.size());
      return source.substr(0, at) + rest.substr(0, rest.find('.'));
    }
    for (const std::string_view end : {"_orig", "_g"}) {
      if (sources.size() > 1 && source.ends_with(end)) return source.substr(0, source.size() - end.size());
    }
  }
  if (layer.module_path().empty()) return value.name();
  return layer.module_path() + "." + (argument == "weight" || argument == "bias" ? std::string(argument) : value.name());
}

std::vector<std::string> names_of(const Graph& graph, const std::set<const Value*>& sources) {
  std::vector<std::string> names;
  for (const GraphInput& input : graph.inputs()) {
    if (input.value && sources.contains(input.value)) names.push_back(input.target);
  }
  return names;
}

struct Found {
  Value* value = nullptr;
  const Node* layer = nullptr;
  std::string argument;
};

// Filters that are made of buffers alone are not trained, and stay as they are.
bool has_parameter(const Graph& graph, const std::set<const Value*>& sources) {
  return std::any_of(sources.begin(), sources.end(), [&](const Value* source) { return graph.find_input(source)->kind == InputKind::parameter; });
}

std::vector<Found> find_computed_weights(const Graph& graph, const Expressions& expressions) {
  std::vector<Found> list;
  std::set<const Value*> seen;
  for (const Node* node : graph.nodes()) {
    for (const NamedArgument& argument : node->arguments()) {
      if (!takes_weights(*node, argument.name)) continue;
      for (Value* value : values_of(argument.value)) {
        const bool is_weight = value->is_tensor() && is_floating(value->tensor().dtype) && expressions.is_computed(value);
        if (is_weight && has_parameter(graph, expressions.sources(value)) && seen.insert(value).second) list.push_back({value, node, argument.name});
      }
    }
  }
  return list;
}

// The values of expressions, in their order.
std::vector<at::Tensor> evaluate(const Model& model, const Expressions& expressions, const std::vector<Found>& found) {
  std::vector<GraphOutput> outputs;
  for (const Found& one : found) outputs.push_back({OutputKind::user, one.value, {}});
  const auto is_decided = [&](const Node& node) { return !node.outputs().empty() && expressions.is_decided(node.output()); };
  const Graph part = copy_part(model.graph, [](const GraphInput& input) { return input.is_weight(); }, is_decided, outputs);
  return Executor(part, model.weights, {}).run({});
}

Value* add_plain(Model& model, const std::string& wish, const at::Tensor& tensor, const Value* like) {
  std::string name = wish;
  for (int i = 1; model.weights.has(name); ++i) name = wish + "_" + std::to_string(i);
  std::string value_name = "p_" + name;
  std::replace(value_name.begin(), value_name.end(), '.', '_');
  TensorType type{.dtype = like->tensor().dtype, .device = like->tensor().device, .requires_grad = true};
  for (const std::int64_t size : tensor.sizes()) type.sizes.push_back({.size = size});
  model.weights.set(name, tensor.detach().contiguous().clone());
  return model.graph.add_input(InputKind::parameter, model.graph.unique_name(value_name), name, std::move(type));
}

// Buffers whose update these weights decide, as spectral norm's power iteration does; a counter has its own value alone.
std::vector<std::string> updated_from(const Graph& graph, const Expressions& expressions, const std::set<std::string>& sources) {
  std::vector<std::string> names;
  for (const GraphOutput& output : graph.outputs()) {
    const auto* value = output.kind == OutputKind::buffer_mutation ? std::get_if<Value*>(&output.value) : nullptr;
    if (!value || !expressions.is_decided(*value)) continue;
    const auto& decided_by = expressions.sources(*value);
    const bool is_ours = std::any_of(decided_by.begin(), decided_by.end(), [&](const Value* source) { return sources.contains(graph.find_input(source)->target); });
    if (is_ours) names.push_back(output.target);
  }
  return names;
}

// Updates of tensors that nothing else reads any more, and then those tensors.
void drop_sources(Model& model, const std::set<std::string>& sources) {
  Graph& graph = model.graph;
  const auto state = state_inputs(graph);
  drop_outputs(graph, [&](const GraphOutput& output) {
    return output.kind == OutputKind::buffer_mutation && sources.contains(output.target) && !state.contains(graph.find_weight(output.target));
  });
  graph.erase_dead_code(false);
  for (const std::string& name : sources) {
    const Value* value = graph.find_weight(name);
    const auto outputs = graph.outputs();
    const bool is_stored = std::any_of(outputs.begin(), outputs.end(), [&](const GraphOutput& output) { return output.kind != OutputKind::user && output.target == name; });
    if (!value->uses().empty() || is_stored) continue;
    graph.remove_input(value);
    model.weights.erase(name);
  }
}

}  // namespace

std::vector<PlainWeight> make_weights_plain(Model& model) {
  const Expressions expressions(model.graph);
  const auto found = find_computed_weights(model.graph, expressions);
  if (found.empty()) return {};
  const auto tensors = evaluate(model, expressions, found);
  std::vector<PlainWeight> made;
  std::set<std::string> sources;
  std::unordered_map<const Value*, Value*> plain_values;
  for (std::size_t i = 0; i < found.size(); ++i) {
    // One parameter for one expression. Values that happen to be equal, as the zeros of biases, are trained apart.
    Value*& value = plain_values[expressions.first_of(found[i].value)];
    if (value) {
      model.graph.replace_uses(found[i].value, value);
      continue;
    }
    PlainWeight plain{.name = {}, .sources = names_of(model.graph, expressions.sources(found[i].value))};
    value = add_plain(model, plain_name(plain.sources, *found[i].layer, found[i].argument, *found[i].value), tensors.at(i), found[i].value);
    plain.name = model.graph.find_input(value)->target;
    model.graph.replace_uses(found[i].value, value);
    sources.insert(plain.sources.begin(), plain.sources.end());
    made.push_back(std::move(plain));
  }
  for (const std::string& name : updated_from(model.graph, expressions, sources)) sources.insert(name);
  drop_sources(model, sources);
  return made;
}

}  // namespace dsc
