// Sub-graphs of wrap_with_autocast and wrap_with_set_grad_enabled have names of their own. They are read with a Scope
// of their own whose inputs stand for the operands, and their nodes go inline with a Region. The branches of `cond` are graphs
// of their own, and stay with their node as text.
#include "io/pt2_graph_read.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dscompress/error.h"
#include "io/pt2_schema.h"
#include "io/pt2_treespec.h"
#include "io/pt2_type_read.h"
#include "ir/text.h"

namespace dsc::pt2 {
namespace {

using Json = nlohmann::json;

// The names of one graph or sub-graph.
struct Scope {
  const Json& graph;
  const Region* region = nullptr;
  std::unordered_map<std::string, Value*> values = {};
};

class GraphReader {
 public:
  explicit GraphReader(const std::string& file) : file_(file) {}

  Graph read(const Json& module) {
    Scope scope{module.at("graph")};
    read_inputs(module, scope);
    read_nodes(scope);
    if (problems_.empty()) read_outputs(module.at("signature").at("output_specs"), scope);
    if (!problems_.empty()) throw Error(ErrorCode::unsupported, std::move(problems_));
    return std::move(graph_);
  }

  // A branch of control flow: all its inputs and outputs are the node's.
  Graph read_branch(const Json& branch) {
    Scope scope{branch};
    for (const auto& input : branch.at("inputs")) {
      auto named = read_named(scope, input);
      if (named) scope.values[named->name] = graph_.add_input(InputKind::user, named->name, named->name, named->type);
      else refuse_input("an input of a branch is of kind `" + only_member(input).first + "`");
    }
    read_nodes(scope);
    for (const auto& output : branch.at("outputs")) {
      if (!problems_.empty()) break;
      if (auto value = argument(scope, output)) graph_.add_output(OutputKind::user, std::move(*value));
      else refuse_input("an output of a branch is of kind `" + only_member(output).first + "`");
    }
    if (!problems_.empty()) throw Error(ErrorCode::unsupported, std::move(problems_));
    return std::move(graph_);
  }

 private:
  // --- problems ---

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::model_file, what, {.file = file_, .pointer = "models/model.json"},
                "the archive contradicts itself: export the model again");
  }

  void refuse(const Node* node, const std::string& what, std::string hint) {
    const auto line = node->source_line();
    problems_.push_back({what + (line.empty() ? "" : ", from " + line), {.file = file_, .pointer = "%" + node->name()}, std::move(hint)});
  }

  void refuse_input(const std::string& what) {
    problems_.push_back(
        {what, {.file = file_, .pointer = "models/model.json"}, "export a model whose inputs and outputs are tensors, numbers and strings"});
  }

  // --- types ---

  TensorType tensor_named(const Scope& scope, const std::string& name) {
    std::vector<std::string> odd;
    auto type = read_tensor(scope.graph.at("tensor_values").at(name), odd);
    for (const auto& what : odd) refuse_input("tensor %" + name + " " + what);
    return type;
  }

  struct Named {
    std::string name;
    Type type;
  };
  // The name and type behind as_tensor, as_sym_int, as_sym_float or as_sym_bool; none for anything else.
  std::optional<Named> read_named(const Scope& scope, const Json& json) {
    const auto [kind, content] = only_member(json);
    if (kind == "as_tensor") {
      auto name = content.at("name").get<std::string>();
      auto type = tensor_named(scope, name);
      return Named{std::move(name), std::move(type)};
    }
    static constexpr std::pair<std::string_view, ScalarKind> kKinds[] = {
        {"as_sym_int", ScalarKind::sym_int}, {"as_sym_float", ScalarKind::sym_float}, {"as_sym_bool", ScalarKind::sym_bool}};
    for (const auto& [member, scalar] : kKinds) {
      if (kind != member || !content.contains("as_name")) continue;
      auto name = content.at("as_name").get<std::string>();
      auto type = read_symbol(scalar, scope.graph.at(kind.substr(3) + "_values").at(name));
      return Named{std::move(name), std::move(type)};
    }
    return std::nullopt;
  }

  // --- arguments ---

  Value* value_named(const Scope& scope, const std::string& name) const {
    const auto found = scope.values.find(name);
    if (found == scope.values.end()) fail("%" + name + " is used before it is defined");
    return found->second;
  }

  std::optional<Argument> argument(const Scope& scope, const Json& json) const {
    return read_argument(json, [&](const std::string& name) { return value_named(scope, name); });
  }

  // --- graph inputs and outputs ---

  void read_inputs(const Json& module, Scope& scope) {
    const auto& specs = module.at("signature").at("input_specs");
    const auto names = user_input_names(module);
    std::size_t user_inputs = 0;
    for (const auto& spec : specs) {
      const auto [kind, content] = only_member(spec);
      if (kind == "parameter") {
        add_weight(scope, InputKind::parameter, content, "parameter_name");
      } else if (kind == "buffer") {
        add_weight(scope, InputKind::buffer, content, "buffer_name", content.at("persistent").get<bool>());
      } else if (kind == "tensor_constant") {
        add_weight(scope, InputKind::constant, content, "tensor_constant_name");
      } else if (kind == "user_input" || kind == "constant_input") {
        add_user_input(scope, kind, content, user_inputs < names.size() ? names[user_inputs] : "");
        ++user_inputs;
      } else if (kind == "custom_obj") {
        refuse_input("custom object `" + content.at("custom_obj_name").get<std::string>() + "` of class " +
                     content.at("arg").at("class_fqn").get<std::string>());
      } else {
        refuse_input("graph input of kind `" + kind + "`");
      }
    }
  }

  static std::vector<std::string> user_input_names(const Json& module) {
    for (const auto& entry : module.at("module_call_graph")) {
      if (entry.at("fqn") != "" || entry.at("signature").is_null()) continue;
      const auto& signature = entry.at("signature");
      std::vector<std::string> forward_names;
      const auto names = signature.find("forward_arg_names");
      if (names != signature.end() && !names->is_null()) forward_names = names->get<std::vector<std::string>>();
      return leaf_names(signature.at("in_spec").get<std::string>(), forward_names).value_or(std::vector<std::string>{});
    }
    return {};
  }

  void add_weight(Scope& scope, InputKind kind, const Json& spec, const char* target, bool persistent = true) {
    const auto name = spec.at("arg").at("name").get<std::string>();
    scope.values[name] = graph_.add_input(kind, name, spec.at(target).get<std::string>(), tensor_named(scope, name), persistent);
  }

  void add_user_input(Scope& scope, const std::string& kind, const Json& spec, const std::string& argument_name) {
    if (kind == "user_input") {
      if (auto named = read_named(scope, spec.at("arg"))) {
        auto* value = graph_.add_input(InputKind::user, named->name, argument_name.empty() ? named->name : argument_name, named->type);
        scope.values[named->name] = value;
        return;
      }
    }
    const auto& literal = kind == "user_input" ? spec.at("arg") : spec.at("value");
    auto name = kind == "constant_input" ? spec.at("name").get<std::string>() : argument_name;
    if (auto value = argument(scope, literal))
      graph_.add_literal_input(std::move(name), std::move(*value));
    else
      refuse_input("input `" + name + "` is of kind `" + only_member(literal).first + "`");
  }

  void read_outputs(const Json& specs, const Scope& scope) {
    for (const auto& spec : specs) {
      const auto [kind, content] = only_member(spec);
      if (kind == "user_output") {
        if (auto value = argument(scope, content.at("arg")))
          graph_.add_output(OutputKind::user, std::move(*value));
        else
          refuse_input("an output is of kind `" + only_member(content.at("arg")).first + "`");
      } else if (kind == "loss_output") {
        graph_.add_output(OutputKind::loss, named_output(scope, content));
      } else if (kind == "buffer_mutation") {
        graph_.add_output(OutputKind::buffer_mutation, named_output(scope, content), content.at("buffer_name").get<std::string>());
      } else if (kind == "parameter_mutation") {
        graph_.add_output(OutputKind::parameter_mutation, named_output(scope, content), content.at("parameter_name").get<std::string>());
      } else if (kind == "user_input_mutation") {
        const auto* input = value_named(scope, content.at("user_input_name").get<std::string>());
        graph_.add_output(OutputKind::input_mutation, named_output(scope, content), input->name());
      } else {
        refuse_input("graph output of kind `" + kind + "`");
      }
    }
  }

  Value* named_output(const Scope& scope, const Json& spec) const { return value_named(scope, spec.at("arg").at("name").get<std::string>()); }

  // --- nodes ---

  void read_nodes(Scope& scope) {
    for (const auto& node : scope.graph.at("nodes")) {
      const auto& target = node.at("target").get_ref<const std::string&>();
      if (target == kAutocast || target == kSetGrad)
        read_region(scope, node, target == kAutocast ? Region::Kind::autocast : Region::Kind::set_grad);
      else
        read_node(scope, node, target);
    }
  }

  struct NodeOutputs {
    std::vector<std::string> names;  // of the values
    std::vector<OutputSpec> specs;
    std::vector<int> structure;      // -1: one value; else the length of a list
    std::vector<std::string> odd;    // kinds that are not known
  };
  NodeOutputs node_outputs(Scope& scope, const Json& json) {
    NodeOutputs made;
    for (const auto& output : json) {
      const auto [kind, content] = only_member(output);
      if (kind == "as_tensors") {
        made.structure.push_back(static_cast<int>(content.size()));
        for (const auto& item : content) add_output(scope, {{"as_tensor", item}}, made.names, made.specs);
      } else if (add_output(scope, output, made.names, made.specs)) {
        made.structure.push_back(-1);
      } else if (kind != "as_none" || json.size() > 1) {
        made.odd.push_back(kind);
      }
    }
    return made;
  }

  void read_node(Scope& scope, const Json& json, const std::string& target) {
    auto made = node_outputs(scope, json.at("outputs"));
    const bool is_known = is_operator(target);
    std::vector<NamedArgument> arguments;
    std::vector<std::string> odd_arguments;
    for (const auto& input : json.at("inputs")) {
      auto name = input.at("name").get<std::string>();
      auto value = is_known ? argument(scope, input.at("arg")) : std::nullopt;
      if (target == kCond && input.at("arg").contains("as_graph")) {
        name = input.at("arg").at("as_graph").at("name").get<std::string>();
        value = branch_text(input.at("arg").at("as_graph").at("graph"));
      }
      if (!value) {
        if (is_known) odd_arguments.push_back("`" + name + "` of kind " + only_member(input.at("arg")).first);
        continue;
      }
      const auto kind = input.find("kind");
      arguments.push_back({std::move(name), std::move(*value), kind != input.end() && kind->is_number() && kind->get<int>() == 2});
    }
    auto* node = graph_.insert(nullptr, std::string(short_target(target)), std::move(arguments), std::move(made.specs), made.structure, node_name(json));
    graph_.set_metadata(node, json.at("metadata").get<std::map<std::string, std::string>>());
    graph_.set_region(node, scope.region);
    for (std::size_t i = 0; i < made.names.size(); ++i) scope.values[made.names[i]] = node->output(i);
    if (!is_known)
      refuse(node, "operator `" + std::string(short_target(target)) + "`",
             "of control flow only torch.cond is taken, and no Python callables: export the model without this call");
    for (const auto& kind : made.odd)
      refuse(node, "`" + node->target() + "` returns a value of kind `" + kind + "`", "export the model without this call");
    for (const auto& what : odd_arguments) refuse(node, "`" + node->target() + "` has an argument " + what, "export the model without this call");
  }

  static std::string node_name(const Json& json) {
    const auto name = json.find("name");
    return name == json.end() || name->is_null() ? std::string() : name->get<std::string>();
  }

  static bool is_operator(const std::string& target) {
    if (target == kCond) return true;
    if (target.starts_with("torch.ops.")) return !target.starts_with("torch.ops.higher_order.");
    return target.starts_with("_operator.") || target.starts_with("math.") || target.starts_with("torch.sym_");
  }

  bool add_output(const Scope& scope, const Json& output, std::vector<std::string>& names, std::vector<OutputSpec>& outputs) {
    auto named = read_named(scope, output);
    if (!named) return false;
    outputs.push_back({named->name, std::move(named->type)});
    names.push_back(std::move(named->name));
    return true;
  }

  // --- sub-graphs ---

  void read_region(Scope& scope, const Json& json, Region::Kind kind) {
    const auto& inputs = json.at("inputs");
    std::size_t graph_at = 0;
    while (graph_at < inputs.size() && !inputs[graph_at].at("arg").contains("as_graph")) ++graph_at;
    if (graph_at == inputs.size()) fail("`" + node_name(json) + "` has no sub-graph");
    const auto& wrapped = inputs[graph_at].at("arg").at("as_graph");
    Region region{kind, {}, scope.region, wrapped.at("name").get<std::string>()};
    for (std::size_t i = 0; i < graph_at; ++i) {
      auto value = argument(scope, inputs[i].at("arg"));
      if (!value) fail("`" + node_name(json) + "` has an argument that is no plain value");
      region.arguments.push_back(std::move(*value));
    }
    Scope inner{wrapped.at("graph"), graph_.add_region(std::move(region))};
    const auto& inner_inputs = inner.graph.at("inputs");
    if (inner_inputs.size() != inputs.size() - graph_at - 1) fail("`" + node_name(json) + "` and its sub-graph differ in the number of inputs");
    for (std::size_t i = 0; i < inner_inputs.size(); ++i) {
      const auto name = reference(inner_inputs[i]);
      const auto outer = reference(inputs[graph_at + 1 + i].at("arg"));
      if (name && outer) inner.values[*name] = value_named(scope, *outer);
    }
    const auto& outputs = json.at("outputs");
    const auto& inner_outputs = inner.graph.at("outputs");
    if (outputs.size() != inner_outputs.size()) fail("`" + node_name(json) + "` and its sub-graph differ in the number of outputs");
    read_nodes(inner);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const auto name = reference(inner_outputs[i]), outer = reference(outputs[i]);
      if (name && outer) scope.values[*outer] = value_named(inner, *name);
    }
  }

  std::string branch_text(const Json& branch) {
    try {
      return print_graph(GraphReader(file_).read_branch(branch));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unsupported) throw;
      problems_.insert(problems_.end(), error.problems().begin(), error.problems().end());
      return {};
    }
  }

  // The name that a tensor or symbolic argument refers to.
  static std::optional<std::string> reference(const Json& json) {
    const auto [kind, content] = only_member(json);
    if (!content.is_object()) return std::nullopt;
    const auto name = content.find(kind == "as_tensor" ? "name" : "as_name");
    return name == content.end() ? std::nullopt : std::optional(name->get<std::string>());
  }

  std::string file_;
  Graph graph_;
  std::vector<Problem> problems_;
};

}  // namespace

Graph read_graph(const Json& graph_module, const std::string& file) { return GraphReader(file).read(graph_module); }

}  // namespace dsc::pt2
