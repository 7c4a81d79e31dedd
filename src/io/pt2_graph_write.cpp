// Nodes of one Region in a row become the sub-graph of a wrap_with_* call again: values made outside are its operands,
// values used outside its outputs (always a tuple, also of one). The branches of `cond` are graphs of their own.
#include "io/pt2_graph_write.h"

#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "dscompress/error.h"
#include "io/pt2_schema.h"
#include "io/pt2_type_write.h"
#include "ir/control_flow.h"
#include "ir/schema.h"
#include "ir/text.h"

namespace dsc::pt2 {
namespace {

using Json = nlohmann::json;

constexpr int kPositional = 1, kKeyword = 2;

std::string_view member_for(const Value* value) {
  if (value->is_tensor()) return "tensor_values";
  switch (std::get<SymbolType>(value->type()).kind) {
    case ScalarKind::sym_int:
      return "sym_int_values";
    case ScalarKind::sym_float:
      return "sym_float_values";
    default:
      return "sym_bool_values";
  }
}

Json empty_graph() {
  return {{"inputs", Json::array()},
          {"outputs", Json::array()},
          {"nodes", Json::array()},
          {"tensor_values", Json::object()},
          {"sym_int_values", Json::object()},
          {"sym_bool_values", Json::object()},
          {"sym_float_values", Json::object()},
          {"custom_obj_values", Json::object()},
          {"is_single_tensor_return", false}};
}

class GraphWriter {
 public:
  explicit GraphWriter(const Graph& graph) : graph_(graph), nodes_(graph.nodes()) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) position_.emplace(nodes_[i], i);
    for (const auto& input : graph.inputs()) {
      if (input.value) name_value(input.value);
    }
    for (const auto* node : nodes_) {
      for (const auto* output : node->outputs()) name_value(output);
    }
  }

  WrittenGraph write() {
    auto inputs = Json::array(), outputs = Json::array();
    for (const auto& input : graph_.inputs()) inputs.push_back(input_spec(input));
    const auto written = write_body();
    for (const auto& output : graph_.outputs()) outputs.push_back(output_spec(output));
    std::set<std::string> names;
    for (const char* member : {"tensor_values", "sym_int_values", "sym_bool_values", "sym_float_values"}) {
      for (const auto& [name, type] : written[member].items()) names.insert(name);
    }
    const Json signature{{"input_specs", std::move(inputs)}, {"output_specs", std::move(outputs)}};
    return {written.dump(-1, ' ', true), signature.dump(-1, ' ', true), std::move(names), std::move(expressions_)};
  }

 private:
  Json write_body() {
    auto written = empty_graph();
    for (const auto& input : graph_.inputs()) {
      written["inputs"].push_back(input.value ? reference_json(input.value, name_of_) : argument_json(input.literal, name_of_));
      if (input.value) note_type(written, input.value);
    }
    write_nodes(0, nodes_.size(), nullptr, written);
    for (const auto& output : graph_.outputs()) written["outputs"].push_back(argument_json(output.value, name_of_));
    return written;
  }

  // --- names ---

  void name_value(const Value* value) { names_.emplace(value, unique(identifier(value->name()))); }

  static std::string unique_in(std::unordered_set<std::string>& taken, const std::string& wish) {
    auto name = wish;
    for (int i = 1; !taken.insert(name).second; ++i) name = wish + "_" + std::to_string(i);
    return name;
  }
  std::string unique(const std::string& wish) { return unique_in(taken_, wish); }

  // A node of one plain output is called like it; others must not be called like any value.
  std::string node_name(const Node* node) {
    if (node->output_structure().size() == 1 && node->output_structure()[0] == -1) return names_.at(node->output());
    return unique(identifier(node->name()));
  }

  void note_type(Json& written, const Value* value) {
    written[std::string(member_for(value))][names_.at(value)] =
        value->is_tensor() ? tensor_json(value->tensor(), expressions_) : symbol_json(std::get<SymbolType>(value->type()), expressions_);
  }

  // --- signature ---

  Json input_spec(const GraphInput& input) {
    const auto weight = [&](const char* kind, const char* member) -> Json {
      return {{kind, {{"arg", {{"name", names_.at(input.value)}}}, {member, input.target}}}};
    };
    switch (input.kind) {
      case InputKind::parameter:
        return weight("parameter", "parameter_name");
      case InputKind::constant:
        return weight("tensor_constant", "tensor_constant_name");
      case InputKind::user:
        return {{"user_input", {{"arg", reference_json(input.value, name_of_)}}}};
      case InputKind::literal:
        return {{"constant_input", {{"name", unique(identifier(input.target))}, {"value", argument_json(input.literal, name_of_)}}}};
      case InputKind::buffer:
        break;
    }
    auto spec = weight("buffer", "buffer_name");
    spec["buffer"]["persistent"] = input.persistent;
    return spec;
  }

  Json output_spec(const GraphOutput& output) const {
    if (output.kind == OutputKind::user) return {{"user_output", {{"arg", argument_json(output.value, name_of_)}}}};
    const auto* value = std::get_if<Value*>(&output.value);
    if (!value || !*value) throw Error(ErrorCode::internal, "a mutation of `" + output.target + "` has no value");
    const Json name{{"name", names_.at(*value)}};
    switch (output.kind) {
      case OutputKind::loss:
        return {{"loss_output", {{"arg", name}}}};
      case OutputKind::buffer_mutation:
        return {{"buffer_mutation", {{"arg", name}, {"buffer_name", output.target}}}};
      case OutputKind::parameter_mutation:
        return {{"parameter_mutation", {{"arg", name}, {"parameter_name", output.target}}}};
      default:
        break;
    }
    const auto* input = graph_.find_value(output.target);
    if (!input) throw Error(ErrorCode::internal, "input %" + output.target + " is mutated but is not there", {.pointer = "%" + output.target});
    return {{"user_input_mutation", {{"arg", name}, {"user_input_name", names_.at(input)}}}};
  }

  // --- nodes ---

  // The region just inside `outer` that holds the node; null: the node is in `outer` itself.
  static const Region* region_below(const Node* node, const Region* outer) {
    const Region* below = nullptr;
    for (const auto* region = node->region(); region != outer; region = region->parent) {
      if (!region) throw Error(ErrorCode::internal, "the regions of the graph are not nested", {.pointer = "%" + node->name()});
      below = region;
    }
    return below;
  }

  void write_nodes(std::size_t begin, std::size_t end, const Region* outer, Json& written) {
    std::unordered_set<std::string> submodules;  // sub-graphs are submodules of this graph's module
    for (auto at = begin; at < end;) {
      const auto* inner = region_below(nodes_[at], outer);
      auto next = at + 1;
      if (inner) {
        while (next < end && region_below(nodes_[next], outer) == inner) ++next;
        write_region(at, next, *inner, unique_in(submodules, identifier(inner->name.empty() ? "submod" : inner->name)), written);
      } else {
        write_node(nodes_[at], written);
      }
      at = next;
    }
  }

  void write_node(const Node* node, Json& written) {
    auto outputs = Json::array();
    std::size_t next = 0;
    for (const auto size : node->output_structure()) {
      if (size < 0) {
        outputs.push_back(reference_json(node->output(next++), name_of_));
        continue;
      }
      auto list = Json::array();
      for (int i = 0; i < size; ++i) list.push_back({{"name", names_.at(node->output(next++))}});
      outputs.push_back({{"as_tensors", std::move(list)}});
    }
    for (const auto* output : node->outputs()) note_type(written, output);
    const bool is_cond = is_control_flow(*node);  // whose outputs are a tuple, also of one
    written["nodes"].push_back({{"name", is_cond ? unique(identifier(node->name())) : node_name(node)},
                                {"target", full_target(node->target())},
                                {"inputs", is_cond ? cond_inputs(node) : inputs_of(node)},
                                {"outputs", std::move(outputs)},
                                {"metadata", node->metadata()},
                                {"is_hop_single_tensor_return", is_cond ? Json(false) : Json(nullptr)}});
  }

  Json cond_inputs(const Node* node) {
    auto inputs = Json::array();
    for (const auto& [name, value, is_keyword] : node->arguments()) {
      const auto* branch = std::get_if<std::string>(&value);
      if (!branch) {
        inputs.push_back(hop_input(argument_json(value, name_of_)));
        continue;
      }
      const Graph graph = parse_graph(*branch);
      GraphWriter writer(graph);
      inputs.push_back(hop_input({{"as_graph", {{"name", name}, {"graph", writer.write_body()}}}}));
      expressions_.merge(writer.expressions_);
    }
    return inputs;
  }

  // Arguments are positional only as long as none before them is left out.
  Json inputs_of(const Node* node) const {
    const auto* schema = find_schema(node->target());
    std::size_t next = 0;
    auto inputs = Json::array();
    for (const auto& [name, value, is_keyword] : node->arguments()) {
      bool is_positional = !is_keyword;
      if (schema && is_positional) {
        is_positional = next < schema->arguments().size() && schema->arguments()[next].name() == name && !schema->arguments()[next].kwarg_only();
      }
      next += is_positional;
      inputs.push_back({{"name", name}, {"arg", argument_json(value, name_of_)}, {"kind", is_positional ? kPositional : kKeyword}});
    }
    return inputs;
  }

  // --- sub-graphs ---

  void write_region(std::size_t begin, std::size_t end, const Region& region, const std::string& name, Json& written) {
    auto inner = empty_graph();
    auto inputs = Json::array(), outputs = Json::array();
    for (const auto& argument : region.arguments) inputs.push_back(hop_input(argument_json(argument, name_of_)));
    const auto graph_at = inputs.size();
    inputs.push_back(nullptr);  // the sub-graph goes between arguments and operands
    for (const auto* operand : operands_of(begin, end)) {
      inner["inputs"].push_back(reference_json(operand, name_of_));
      note_type(inner, operand);
      inputs.push_back(hop_input(reference_json(operand, name_of_)));
    }
    write_nodes(begin, end, &region, inner);
    for (const auto* result : results_of(begin, end)) {
      inner["outputs"].push_back(reference_json(result, name_of_));
      outputs.push_back(reference_json(result, name_of_));
      note_type(written, result);
    }
    inputs[graph_at] = hop_input({{"as_graph", {{"name", name}, {"graph", std::move(inner)}}}});
    const bool is_autocast = region.kind == Region::Kind::autocast;
    std::map<std::string, std::string> metadata;
    if (const auto stack = nodes_[begin]->metadata().find("nn_module_stack"); stack != nodes_[begin]->metadata().end()) metadata.insert(*stack);
    written["nodes"].push_back({{"name", unique(is_autocast ? "wrap_with_autocast" : "wrap_with_set_grad_enabled")},
                                {"target", is_autocast ? kAutocast : kSetGrad},
                                {"inputs", std::move(inputs)},
                                {"outputs", std::move(outputs)},
                                {"metadata", std::move(metadata)},
                                {"is_hop_single_tensor_return", false}});
  }

  static Json hop_input(Json argument) { return {{"name", ""}, {"arg", std::move(argument)}, {"kind", kPositional}}; }

  bool is_inside(const Node* node, std::size_t begin, std::size_t end) const {
    if (!node) return false;
    const auto at = position_.at(node);
    return begin <= at && at < end;
  }

  std::vector<const Value*> operands_of(std::size_t begin, std::size_t end) const {
    std::vector<const Value*> operands;
    std::unordered_set<const Value*> seen;
    for (auto at = begin; at < end; ++at) {
      for (const auto& argument : nodes_[at]->arguments()) {
        for (const auto* value : values_of(argument.value)) {
          if (!is_inside(value->producer(), begin, end) && seen.insert(value).second) operands.push_back(value);
        }
      }
    }
    return operands;
  }

  std::vector<const Value*> results_of(std::size_t begin, std::size_t end) const {
    std::vector<const Value*> results;
    for (auto at = begin; at < end; ++at) {
      for (const auto* value : nodes_[at]->outputs()) {
        const auto& uses = value->uses();
        if (std::any_of(uses.begin(), uses.end(), [&](const Use& use) { return !is_inside(use.node, begin, end); })) results.push_back(value);
      }
    }
    return results;
  }

  const Graph& graph_;
  std::vector<Node*> nodes_;
  std::unordered_map<const Node*, std::size_t> position_;
  std::unordered_map<const Value*, std::string> names_;
  std::unordered_set<std::string> taken_;
  std::set<std::string> expressions_;
  const NameOf name_of_ = [this](const Value* value) { return names_.at(value); };
};

}  // namespace

WrittenGraph write_graph(const Graph& graph) { return GraphWriter(graph).write(); }

std::string describe_user_inputs(const Graph& graph) {
  auto list = Json::array();
  std::set<std::string> expressions;
  const NameOf name_of = [](const Value* value) { return value->name(); };
  for (const auto& input : graph.inputs()) {
    if (input.kind == InputKind::literal) list.push_back({input.target, argument_json(input.literal, name_of)});
    if (input.kind != InputKind::user) continue;
    const auto& type = input.value->type();
    list.push_back({input.target, input.value->is_tensor() ? tensor_json(std::get<TensorType>(type), expressions)
                                                           : symbol_json(std::get<SymbolType>(type), expressions)});
  }
  return list.dump();
}

std::vector<std::string> user_input_targets(const Graph& graph) {
  std::vector<std::string> targets;
  for (const auto& input : graph.inputs()) {
    if (input.kind == InputKind::user || input.kind == InputKind::literal) targets.push_back(input.target);
  }
  return targets;
}

std::string identifier(const std::string& wish) {
  std::string name;
  for (const char c : wish) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) name.insert(name.begin(), '_');
  return name;
}

}  // namespace dsc::pt2
