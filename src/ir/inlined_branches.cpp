#include "ir/inlined_branches.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "ir/control_flow.h"
#include "ir/copy_part.h"
#include "ir/shared_copy.h"
#include "ir/text.h"

namespace dsc {
namespace {

// "cond;if_true;if_false" on a choice, "cond;0" and "cond;1" on the nodes of its branches. A branch inside a branch has its own
// choice's mark in front of the outer one: "inner;0 outer;1".
constexpr const char *kChoice = "dscompress.choice", *kBranch = "dscompress.branch";

std::string mark_of(const Node& node, const char* key) {
  const auto found = node.metadata().find(key);
  return found == node.metadata().end() ? "" : found->second;
}

void set_mark(Graph& graph, Node* node, const char* key, const std::string& mark) {
  auto metadata = node->metadata();
  if (mark.empty())
    metadata.erase(key);
  else
    metadata[key] = mark;
  graph.set_metadata(node, std::move(metadata));
}

bool makes_tensors_alone(const Graph& branch) {
  return std::ranges::all_of(branch.outputs(), [](const GraphOutput& output) {
    const auto* value = std::get_if<Value*>(&output.value);
    return value && (*value)->is_tensor();
  });
}

// The nodes between the two get the mark of their branch.
std::vector<Argument> insert_branch(Graph& graph, Node* cond, const Graph& branch, const ValueList& operands, const std::string& mark) {
  const auto before = graph.nodes();
  const std::set<const Node*> known(before.begin(), before.end());
  auto results = insert_part(graph, cond, branch, operands);
  const std::string outer = mark_of(*cond, kBranch);
  for (Node* node : graph.nodes()) {
    if (!known.contains(node)) set_mark(graph, node, kBranch, outer.empty() ? mark : mark + " " + outer);
  }
  return results;
}

struct Choice {
  std::string name, if_true, if_false;
  std::vector<Node*> nodes;  // an aten.where for each output
};

std::vector<Choice> find_choices(const Graph& graph) {
  std::vector<Choice> choices;
  for (Node* node : graph.nodes()) {
    const std::string mark = mark_of(*node, kChoice);
    if (mark.empty() || !node->is("aten.where.self")) continue;
    const auto first = mark.find(';'), second = mark.find(';', first + 1);
    const std::string name = mark.substr(0, first);
    auto found = std::ranges::find(choices, name, &Choice::name);
    if (found == choices.end())
      found = choices.insert(choices.end(), {name, mark.substr(first + 1, second - first - 1), mark.substr(second + 1), {}});
    found->nodes.push_back(node);
  }
  return choices;
}

std::size_t depth_of(const Choice& choice) { return static_cast<std::size_t>(std::ranges::count(mark_of(*choice.nodes.front(), kBranch), ';')); }

class Outlining {
 public:
  Outlining(Graph& graph, const Choice& choice) : graph_(graph), choice_(choice) {}

  void run() {
    Node* first = choice_.nodes.front();
    Value* condition = first->find_value("condition");
    if (!condition || !std::ranges::all_of(choice_.nodes, [&](const Node* node) { return node->find_value("condition") == condition; })) return;
    for (const std::size_t branch : {0U, 1U}) collect(branch);
    for (const std::size_t branch : {0U, 1U}) add_operands(branch);
    std::vector<OutputSpec> outputs;
    for (const Node* node : choice_.nodes) outputs.push_back({node->output()->name(), node->output()->type()});
    const std::vector<int> structure(outputs.size(), -1);
    Node* cond =
        graph_.insert(first, "higher_order.cond", {{"", condition}, {choice_.if_true, text_of(0)}, {choice_.if_false, text_of(1)}, {"", operands_}},
                      std::move(outputs), structure, choice_.name);
    graph_.copy_origin(cond, first);
    set_mark(graph_, cond, kChoice, "");
    for (std::size_t i = 0; i < choice_.nodes.size(); ++i) {
      const std::string name = choice_.nodes[i]->output()->name();
      graph_.replace_uses(choice_.nodes[i]->output(), cond->output(i));
      graph_.erase(choice_.nodes[i]);
      graph_.rename(cond->output(i), name);
    }
    for (Node* node : backwards()) {
      if (branches_[0].contains(node) || branches_[1].contains(node)) graph_.erase(node);
    }
  }

 private:
  static constexpr std::array<const char*, 2> kSides{"self", "other"};  // of aten.where, by branch

  std::vector<Node*> backwards() const {
    auto nodes = graph_.nodes();
    std::ranges::reverse(nodes);
    return nodes;
  }

  // What was inserted since belongs to the branch when it lies on the way from one of its nodes to another, or to its results.
  // What another branch reads too lies outside, and so does what is made of weights alone, as their quantisers are.
  void collect(std::size_t branch) {
    const std::string mark = choice_.name + ";" + std::to_string(branch);
    std::set<const Node*> reached, of_weights;
    for (const Node* node : graph_.nodes()) {
      if (is_of_weights(*node, of_weights)) of_weights.insert(node);
      const std::string own = mark_of(*node, kBranch);
      if (own == mark || own.starts_with(mark + " ") || (own.empty() && reads_any(*node, reached))) reached.insert(node);
    }
    for (const Node* node : backwards()) {  // those later in the branch are known then
      if (reached.contains(node) && !of_weights.contains(node) && is_used_inside(*node, branch)) branches_[branch].insert(node);
    }
  }

  static std::vector<Value*> read_by(const Node& node) {
    std::vector<Value*> values;
    for (const NamedArgument& argument : node.arguments()) {
      for (Value* value : values_of(argument.value)) {
        if (value) values.push_back(value);
      }
    }
    return values;
  }
  static bool reads_any(const Node& node, const std::set<const Node*>& nodes) {
    return std::ranges::any_of(read_by(node), [&](const Value* value) { return nodes.contains(value->producer()); });
  }
  bool is_of_weights(const Node& node, const std::set<const Node*>& others) const {
    const auto values = read_by(node);
    return !values.empty() && std::ranges::all_of(values, [&](const Value* value) {
      const GraphInput* input = graph_.find_input(value);
      return input ? input->is_weight() : others.contains(value->producer());
    });
  }

  bool is_used_inside(const Node& node, std::size_t branch) const {
    return std::ranges::all_of(node.outputs(), [&](const Value* output) {
      return std::ranges::all_of(output->uses(), [&](const Use& use) { return is_inside(use, branch); });
    });
  }

  bool is_inside(const Use& use, std::size_t branch) const {
    if (!use.node) return false;
    if (std::ranges::find(choice_.nodes, use.node) == choice_.nodes.end()) return branches_[branch].contains(use.node);
    return use.node->arguments()[use.argument].name == kSides[branch];
  }

  // What a branch takes from outside; both take the operands of both.
  void add_operands(std::size_t branch) {
    const auto add = [&](Value* value) {
      if (branches_[branch].contains(value->producer()) || std::ranges::find(operands_, value) != operands_.end()) return;
      operands_.push_back(value);
    };
    for (const Node* node : graph_.nodes()) {
      if (branches_[branch].contains(node)) std::ranges::for_each(read_by(*node), add);
    }
    for (const Node* choice : choice_.nodes) add(choice->find_value(kSides[branch]));
  }

  std::string text_of(std::size_t branch) const {
    std::vector<GraphOutput> outputs;
    for (const Node* choice : choice_.nodes) outputs.push_back({OutputKind::user, choice->find_value(kSides[branch]), {}});
    const auto has_node = [&](const Node& node) { return branches_[branch].contains(&node); };
    Graph part = copy_part(graph_, [](const GraphInput&) { return false; }, has_node, outputs, operands_);
    for (Node* node : part.nodes()) {
      set_mark(part, node, kBranch, "");
      part.set_region(node, nullptr);
    }
    return print_graph(part);
  }

  Graph& graph_;
  const Choice& choice_;
  std::array<std::set<const Node*>, 2> branches_;
  ValueList operands_;
};

}  // namespace

bool inline_branches(Graph& graph, Node* cond) {
  const auto branches = read_branches(*cond);
  const auto arguments = cond->arguments();
  const auto* condition = std::get_if<Value*>(&arguments.front().value);
  const auto operands = std::get<ValueList>(arguments.back().value);
  const auto fits = [&](const Graph& branch) {
    return branch.inputs().size() == operands.size() && branch.outputs().size() == cond->outputs().size() && makes_tensors_alone(branch);
  };
  if (!condition || !std::ranges::all_of(branches, fits)) return false;
  const auto taken = insert_branch(graph, cond, branches.front(), operands, cond->name() + ";0");
  const auto otherwise = insert_branch(graph, cond, branches.back(), operands, cond->name() + ";1");
  std::vector<std::pair<Value*, std::string>> names;
  for (std::size_t i = 0; i < cond->outputs().size(); ++i) {
    Node* choice = graph.insert(cond, "aten.where.self", {{"condition", *condition}, {"self", taken[i]}, {"other", otherwise[i]}},
                                {{cond->output(i)->name(), cond->output(i)->type()}});
    graph.copy_origin(choice, cond);
    set_mark(graph, choice, kChoice, cond->name() + ";" + arguments[1].name + ";" + arguments[2].name);
    graph.replace_uses(cond->output(i), choice->output());
    names.emplace_back(choice->output(), cond->output(i)->name());
  }
  graph.erase(cond);
  for (const auto& [value, name] : names) graph.rename(value, name);
  return true;
}

bool inline_all_branches(Graph& graph) {
  bool any = false;
  for (bool again = true; again; any |= again) {
    again = false;
    for (Node* node : graph.nodes()) again |= is_control_flow(*node) && inline_branches(graph, node);
  }
  return any;
}

Model with_inlined_branches(const Model& model) {
  Model open = shared_copy(model);
  inline_all_branches(open.graph);
  return open;
}

void outline_branches(Graph& graph) {
  auto choices = find_choices(graph);
  std::ranges::stable_sort(choices, std::ranges::greater(), depth_of);  // inner ones first
  for (const Choice& choice : choices) Outlining(graph, choice).run();
}

}  // namespace dsc
