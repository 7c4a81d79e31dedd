#include "ir/verify.h"

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "core/names.h"
#include "dscompress/error.h"
#include "ir/control_flow.h"
#include "ir/describe.h"

namespace dsc {
namespace {

class Verifier {
 public:
  explicit Verifier(const Graph& graph) : graph_(graph) {}

  std::vector<Problem> check() {
    for (const auto& region : graph_.regions()) check_region(*region);
    for (const GraphInput& input : graph_.inputs()) check_input(input);
    for (const Node* node : graph_.nodes()) check_node(*node);
    for (std::size_t i = 0; i < graph_.outputs().size(); ++i) check_output(graph_.outputs()[i], i);
    check_uses();
    return std::move(problems_);
  }

 private:
  void report(std::string where, std::string message, std::string fix) {
    problems_.push_back({std::move(message), {.pointer = std::move(where)}, std::move(fix)});
  }

  void check_region(const Region& region) {
    const std::string where = "region " + region.name;
    if (region.parent && !regions_.contains(region.parent)) {
      report(where, "the enclosing region is not in the graph, or comes later", "add the outer region first");
    }
    const std::size_t expected = region.kind == Region::Kind::autocast ? 4 : 1;
    if (region.arguments.size() != expected) {
      report(where, "the region has " + std::to_string(region.arguments.size()) + " arguments, expected " + std::to_string(expected),
             expected == 4 ? "autocast: device type, dtype or None, enabled, cache_enabled or None" : "set_grad: enabled");
    }
    for (const Argument& argument : region.arguments) {
      if (!values_of(argument).empty()) report(where, "a region's argument is a value", "give it a literal");
    }
    regions_.insert(&region);
  }

  void define(const Value* value, const std::string& where) {
    if (graph_.find_value(value->name()) != value) {
      report(where, "%" + value->name() + " is not what the graph finds under this name", "rename it with Graph::rename");
    }
    order_.push_back(value);
    if (!defined_.insert(value).second) report(where, "%" + value->name() + " is defined twice", "give each node outputs of its own");
    check_type(*value, where);
  }

  void check_type(const Value& value, const std::string& where) {
    if (!value.is_tensor()) return;
    const TensorType& type = value.tensor();
    for (const Dim& dim : type.sizes) {
      if (dim.is_fixed() && dim.size < 0) {
        report(where, "%" + value.name() + " has a negative dimension: " + describe_sizes(type.sizes), "set its type from a run (refresh_types)");
        break;
      }
    }
    if (!type.strides.empty() && type.strides.size() != type.sizes.size()) {
      report(where, "%" + value.name() + " has " + std::to_string(type.strides.size()) + " strides for rank " + std::to_string(type.rank()),
             "one stride a dimension, or none for contiguous");
    }
  }

  void check_input(const GraphInput& input) {
    const std::string where = input.value ? "%" + input.value->name() : input.target;
    if (input.kind == InputKind::literal) {
      if (input.value) report(where, "a literal input has a value", "use add_literal_input");
      if (!values_of(input.literal).empty()) report(where, "a literal input refers to a value", "give it a literal");
      return;
    }
    if (!input.value) return report(where, "an input has no value", "use add_input");
    if (input.value->producer()) report(where, "an input is also the output of a node", "use a value of its own");
    define(input.value, where);
    if (input.is_weight() && !input.value->is_tensor()) report(where, "`" + input.target + "` is a weight but no tensor", "give it a tensor type");
    if (input.target.empty()) report(where, "the input does not say what it is fed with", "give its target, e.g. \"conv1.weight\"");
    auto& names = input.is_weight() ? weight_names_ : argument_names_;
    if (!names.insert(input.target).second) {
      report(where, "a second input is called `" + input.target + "`", "let the nodes share one input");
    }
  }

  void check_argument(const Argument& argument, const std::string& where, const std::string& name) {
    if (const auto* value = std::get_if<Value*>(&argument); value && !*value) {
      report(where, "argument " + name + " is a null value", "use NoneArgument for None");
    }
    if (const auto* list = std::get_if<IntList>(&argument)) {
      for (const IntOrValue& item : *list) {
        const auto* value = std::get_if<Value*>(&item);
        if (!value) continue;
        if (!*value) report(where, "argument " + name + " holds a null value", "a list of integers has no None");
        else if ((*value)->is_tensor()) {
          report(where, "argument " + name + " takes integers, found the tensor %" + (*value)->name(), "use a symbolic integer");
        }
      }
    }
    for (const Value* value : values_of(argument)) check_defined(value, where, name);
  }

  void check_defined(const Value* value, const std::string& where, const std::string& name) {
    if (!value || defined_.contains(value)) return;
    const bool known = graph_.find_value(value->name()) == value;
    report(where, "argument " + name + " uses %" + value->name() + (known ? " before it is defined" : ", which is not in the graph"),
           known ? "insert the node after the producer" : "the value was erased, or belongs to another graph: replace this use");
  }

  void check_node(const Node& node) {
    const std::string where = "%" + node.name();
    if (graph_.find_node(node.name()) != &node) report(where, "two nodes have this name", "give it another name");
    if (node.target().find('.') == std::string::npos) {
      report(where, "`" + node.target() + "` is no operator", "expected namespace.name.overload, e.g. aten.relu.default");
    }
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < node.arguments().size(); ++i) {
      const NamedArgument& argument = node.arguments()[i];
      const std::string name = argument.name.empty() ? std::to_string(i) : "`" + argument.name + "`";
      if (!argument.name.empty() && !names.insert(argument.name).second) {
        report(where, "argument " + name + " is given twice", "keep one");
      }
      check_argument(argument.value, where, name);
      for_each_use(argument.value, {const_cast<Node*>(&node), i, 0});
    }
    if (is_control_flow(node)) check_branches(node, where);
    check_place(node, where);
    check_outputs(node, where);
  }

  void check_branches(const Node& node, const std::string& where) {
    try {
      for (const Graph& branch : read_branches(node)) {
        const auto problems = Verifier(branch).check();
        for (const Problem& problem : problems) report(where, "in a branch, " + problem.place.pointer + ": " + problem.message, problem.hint);
        const auto operands = values_of(node.arguments().back().value).size();
        if (branch.inputs().size() != operands || branch.outputs().size() != node.outputs().size()) {
          report(where, "a branch has other inputs or outputs than the node", "give both branches all operands, and the node all results");
        }
      }
    } catch (const Error& error) {
      report(where, error.what(), "branches are whole graphs");
    }
  }

  // A region is one unbroken stretch of nodes, sub-regions included.
  void check_place(const Node& node, const std::string& where) {
    const Region* region = node.region();
    if (region && !regions_.contains(region)) {
      return report(where, "the node's region is not in the graph", "add it with Graph::add_region");
    }
    std::vector<const Region*> open;
    for (const Region* r = region; r; r = r->parent) open.push_back(r);
    for (const Region* r : open_) {
      if (std::find(open.begin(), open.end(), r) == open.end()) closed_.insert(r);
    }
    for (const Region* r : open) {
      if (closed_.erase(r)) {
        report(where, "region `" + r->name + "` is entered a second time here", "nodes put inside a region need it too (Graph::copy_origin)");
      }
    }
    open_ = std::move(open);
  }

  void check_outputs(const Node& node, const std::string& where) {
    std::size_t expected = 0;
    for (int size : node.output_structure()) expected += size < 0 ? 1 : static_cast<std::size_t>(size);
    if (expected != node.outputs().size()) {
      report(where, "the output structure has " + std::to_string(expected) + " values, the node " + std::to_string(node.outputs().size()),
             "make the node again with the right structure");
    }
    for (std::size_t i = 0; i < node.outputs().size(); ++i) {
      const Value* value = node.outputs()[i];
      if (!value) {
        report(where, "output " + std::to_string(i) + " is null", "every output is a value");
        continue;
      }
      if (value->producer() != &node || value->output_index() != i) {
        report(where, "%" + value->name() + " does not know this node as its producer", "make values with Graph::insert only");
      }
      define(value, where);
    }
  }

  void check_output(const GraphOutput& output, std::size_t index) {
    const std::string where = "output " + std::to_string(index);
    check_argument(output.value, where, "value");
    for_each_use(output.value, {nullptr, index, 0});
    if (output.kind == OutputKind::user || output.kind == OutputKind::loss) return;
    if (!std::holds_alternative<Value*>(output.value)) report(where, "a mutation's new content is no value", "give the value to store");
    const InputKind kind = output.kind == OutputKind::buffer_mutation      ? InputKind::buffer
                           : output.kind == OutputKind::parameter_mutation ? InputKind::parameter
                                                                           : InputKind::user;
    std::vector<std::string> names;
    for (const GraphInput& input : graph_.inputs()) {
      if (input.kind == kind) names.push_back(input.target);
    }
    if (std::find(names.begin(), names.end(), output.target) == names.end()) {
      report(where, "the mutated `" + output.target + "` is no input of that kind",
             names.empty() ? "the graph has no input of that kind: drop the output" : suggest(output.target, names));
    }
  }

  void for_each_use(const Argument& argument, Use use) {
    if (const auto* value = std::get_if<Value*>(&argument)) {
      if (*value) expected_uses_[*value].push_back(use);
    } else if (const auto* list = std::get_if<ValueList>(&argument)) {
      for (use.element = 0; use.element < list->size(); ++use.element) {
        if ((*list)[use.element]) expected_uses_[(*list)[use.element]].push_back(use);
      }
    } else if (const auto* ints = std::get_if<IntList>(&argument)) {
      for (use.element = 0; use.element < ints->size(); ++use.element) {
        if (const auto* value = std::get_if<Value*>(&(*ints)[use.element])) expected_uses_[*value].push_back(use);
      }
    }
  }

  void check_uses() {
    for (const Value* value : order_) {
      const auto& expected = expected_uses_[value];
      if (!std::is_permutation(expected.begin(), expected.end(), value->uses().begin(), value->uses().end())) {
        report("%" + value->name(), "the use list has " + std::to_string(value->uses().size()) + " entries, the arguments " +
               std::to_string(expected.size()), "edit arguments through Graph only");
      }
    }
  }

  const Graph& graph_;
  std::vector<Problem> problems_;
  std::unordered_set<const Region*> regions_, closed_;
  std::vector<const Region*> open_;
  std::unordered_set<const Value*> defined_;
  std::vector<const Value*> order_;
  std::unordered_map<const Value*, std::vector<Use>> expected_uses_;
  std::set<std::string> weight_names_, argument_names_;
};

bool same_shape(const TensorType& type, const at::Tensor& tensor) {
  if (tensor.dim() != type.rank()) return false;
  for (std::int64_t i = 0; i < type.rank(); ++i) {
    const Dim& dim = type.sizes[static_cast<std::size_t>(i)];
    if (dim.is_fixed() && dim.size != tensor.size(i)) return false;
  }
  return true;
}

// c10's number of each of our scalar types, in the order of the enum.
constexpr std::array kScalarTypes = {
    at::ScalarType::Byte, at::ScalarType::Char, at::ScalarType::Short, at::ScalarType::Int, at::ScalarType::Long,
    at::ScalarType::Half, at::ScalarType::Float, at::ScalarType::Double, at::ScalarType::ComplexHalf,
    at::ScalarType::ComplexFloat, at::ScalarType::ComplexDouble, at::ScalarType::Bool, at::ScalarType::BFloat16,
    at::ScalarType::Float8_e4m3fn, at::ScalarType::Float8_e5m2, at::ScalarType::Float8_e4m3fnuz,
    at::ScalarType::Float8_e5m2fnuz, at::ScalarType::UInt16, at::ScalarType::UInt32, at::ScalarType::UInt64,
    at::ScalarType::Float8_e8m0fnu};

}  // namespace

std::vector<Problem> verify(const Graph& graph) { return Verifier(graph).check(); }

std::vector<Problem> verify(const Model& model) {
  std::vector<Problem> problems = verify(model.graph);
  std::set<std::string> used;
  for (const GraphInput& input : model.graph.inputs()) {
    if (!input.is_weight() || !input.value) continue;
    used.insert(input.target);
    const Place place{.pointer = "%" + input.value->name()};
    if (!model.weights.has(input.target)) {
      problems.push_back({"`" + input.target + "` has no tensor", place, suggest(input.target, model.weights.names())});
      continue;
    }
    if (!input.value->is_tensor()) continue;
    const at::Tensor& tensor = model.weights.get(input.target);
    const TensorType& type = input.value->tensor();
    if (!same_shape(type, tensor)) {
      problems.push_back(
          {"`" + input.target + "` is a tensor of shape " + c10::str(tensor.sizes()) + ", the graph says " + describe_sizes(type.sizes), place,
           "set the input's type when the tensor changes (Graph::set_type)"});
    }
    if (tensor.scalar_type() != kScalarTypes.at(static_cast<std::size_t>(type.dtype))) {
      problems.push_back({"`" + input.target + "` is a tensor of " + c10::toString(tensor.scalar_type()) + ", the graph says " +
                              std::string(to_string(type.dtype)), place, "set the input's type when the tensor changes (Graph::set_type)"});
    }
  }
  for (const std::string& name : model.weights.names()) {
    if (!used.contains(name)) {
      problems.push_back({"the tensor `" + name + "` is no input of the graph", {.pointer = name}, "erase it, or add its input"});
    }
  }
  return problems;
}

void verify_or_throw(const Model& model, std::string_view after) {
  auto problems = verify(model);
  if (problems.empty()) return;
  for (Problem& problem : problems) problem.message = "after " + std::string(after) + ": " + problem.message;
  throw Error(ErrorCode::internal, std::move(problems));
}

}  // namespace dsc
