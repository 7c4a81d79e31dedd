#include "ops/evaluation_form.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "ir/copy_part.h"
#include "ops/arguments.h"
#include "ops/op_traits.h"
#include "ops/random_mask.h"

namespace dsc {
namespace {

// Batch norms of the core vocabulary, which return statistics beside their result.
bool is_core_batch_norm(const Node& node) { return traits_of(node).is_batch_norm && node.op() != "aten.batch_norm"; }

bool has_running_statistics(const Node& node) { return node.find_value("running_mean") && node.find_value("running_var"); }

// Whether the norm goes by the batch's statistics although there are running ones.
bool is_norm_in_training(const Node& node) {
  if (!has_running_statistics(node)) return false;
  if (node.op() == "aten.instance_norm") return bool_or(node, "use_input_stats", false);
  return traits_of(node).is_batch_norm && bool_or(node, "training", node.op().starts_with("aten._batch_norm_with_update"));
}

bool is_counter(const std::string& target) { return target == "num_batches_tracked" || target.ends_with(".num_batches_tracked"); }

// Everything computed from the statistics that training norms return, as the functional form stores them.
std::set<const Value*> computed_from_statistics(const Graph& graph) {
  std::set<const Value*> reached;
  for (const Node* node : graph.nodes()) {
    const bool starts = is_core_batch_norm(*node) && is_norm_in_training(*node);
    bool follows = false;
    for (const NamedArgument& argument : node->arguments()) {
      const auto values = values_of(argument.value);
      follows = follows || std::any_of(values.begin(), values.end(), [&](const Value* value) { return reached.contains(value); });
    }
    for (std::size_t i = 0; i < node->outputs().size(); ++i) {
      if (follows || (starts && i > 0)) reached.insert(node->output(i));
    }
  }
  return reached;
}

// What only training leaves behind: new statistics, and counters of batches.
void drop_updates(Graph& graph) {
  const auto statistics = computed_from_statistics(graph);
  drop_outputs(graph, [&](const GraphOutput& output) {
    const auto* value = std::get_if<Value*>(&output.value);
    return output.kind == OutputKind::buffer_mutation && (is_counter(output.target) || (value && statistics.contains(*value)));
  });
  for (Node* node : graph.nodes()) {
    const GraphInput* input = node->is("aten.add_.Tensor") ? graph.find_input(node->find_value("self")) : nullptr;
    if (input && input->is_weight() && is_counter(input->target) && node->output()->uses().empty()) graph.erase(node);
  }
}

// Sets a flag that is on to off. returns: whether it was on.
bool switch_off(Graph& graph, Node* node, std::string_view flag) {
  const bool was_on = bool_or(*node, flag, false);
  if (was_on) graph.set_argument(node, flag, false);
  return was_on;
}

// Dropout, on its own or inside an attention or a recurrent layer, and randomised leaky relu.
bool switch_off_dropout(Graph& graph, Node* node) {
  if (number_of(*node, "dropout_p").value_or(0) > 0) {
    graph.set_argument(node, "dropout_p", 0.0);
    return true;
  }
  const bool is_rrelu = plain_op(*node).starts_with("aten.rrelu");
  return switch_off(graph, node, "train") || (is_rrelu && switch_off(graph, node, "training"));
}

// A node with other target and arguments and one result, in the place of one whose further results nothing uses.
void replace_by_one_result(Graph& graph, Node* node, std::string target, const std::string& name, std::vector<NamedArgument> arguments) {
  Node* made = graph.insert(node, std::move(target), std::move(arguments), {{graph.unique_name(name), node->output(0)->type()}});
  graph.copy_origin(made, node);
  const std::string result = node->output(0)->name();
  graph.replace_uses(node->output(0), made->output());
  graph.erase(node);
  graph.rename(made->output(), result);
}

std::vector<NamedArgument> batch_norm_arguments(const Node& node) {
  const auto given = [&](std::string_view name) { return is_given(node, name) ? *node.find_argument(name) : Argument{NoneArgument{}}; };
  const bool is_cudnn = node.op() == "aten.cudnn_batch_norm";
  const Argument* momentum = node.find_argument(is_cudnn ? "exponential_average_factor" : "momentum");
  const Argument* eps = node.find_argument(is_cudnn ? "epsilon" : "eps");
  return {{"input", node.find_value("input")}, {"weight", given("weight")}, {"bias", given("bias")},
          {"running_mean", given("running_mean")}, {"running_var", given("running_var")}, {"training", is_norm_in_training(node)},
          {"momentum", momentum ? *momentum : Argument{0.1}}, {"eps", eps ? *eps : Argument{1e-5}}, {"cudnn_enabled", false}};
}

bool has_one_used_result(const Node& node) {
  const auto& outputs = node.outputs();
  return !outputs.empty() && std::all_of(outputs.begin() + 1, outputs.end(), [](const Value* value) { return value->uses().empty(); });
}

// Statistics that the caller gives, and nothing else reads, are not the network's: in training such a norm goes by the batch, and
// what it leaves behind in them is the caller's.
void forget_given_statistics(Graph& graph, Node* node) {
  if (!is_norm_in_training(*node) || is_core_batch_norm(*node)) return;
  for (const char* name : {"running_mean", "running_var"}) {
    const GraphInput* input = graph.find_input(node->find_value(name));
    if (!input || input->kind != InputKind::user || input->value->uses().size() != 1) return;
  }
  for (const char* name : {"running_mean", "running_var"}) graph.set_argument(node, name, NoneArgument{});
}

std::string counted(std::int64_t count, const std::string& what) { return std::to_string(count) + " " + what + (count == 1 ? "" : "s"); }

}  // namespace

void recompose_norms_and_dropout(Graph& graph) {
  for (Node* node : graph.nodes()) {
    if (!has_one_used_result(*node)) continue;
    if (is_core_batch_norm(*node) && has_running_statistics(*node)) {
      replace_by_one_result(graph, node, "aten.batch_norm.default", "batch_norm", batch_norm_arguments(*node));
    } else if (node->op() == "aten.native_dropout") {
      replace_by_one_result(graph, node, "aten.dropout.default", "dropout",
                            {{"input", node->find_value("input")}, {"p", *node->find_argument("p")}, {"train", bool_or(*node, "train", false)}});
    }
  }
}

EvaluationForm put_into_evaluation_form(Model& model) {
  Graph& graph = model.graph;
  EvaluationForm form;
  for (Node* node : graph.nodes()) forget_given_statistics(graph, node);
  const auto count_norms = [&] {
    const auto nodes = graph.nodes();
    return std::count_if(nodes.begin(), nodes.end(), [](const Node* node) { return is_norm_in_training(*node); });
  };
  form.norms = count_norms();
  if (form.norms > 0) {
    drop_updates(graph);
    graph.erase_dead_code(false);
    recompose_norms_and_dropout(graph);
  }
  for (Node* node : graph.nodes()) {
    const std::string_view flag = node->op() == "aten.instance_norm" ? "use_input_stats" : "training";
    if (is_norm_in_training(*node) && is_given(*node, flag)) graph.set_argument(node, flag, false);
    if (switch_off_dropout(graph, node)) ++form.dropouts;
  }
  form.norms -= count_norms();  // those whose new statistics are a result of the model stay
  form.masks = remove_random_masks(graph);
  if (form.changed()) form.random = random_nodes(graph);
  return form;
}

std::vector<std::string> notes_of(const EvaluationForm& form) {
  if (!form.changed()) return {};
  std::string what;
  const auto add = [&](std::int64_t count, const char* name) {
    if (count > 0) what += (what.empty() ? "" : ", ") + counted(count, name);
  };
  add(form.norms, "norm");
  add(form.dropouts, "dropout");
  add(form.masks, "random mask");
  std::vector<std::string> notes = {"the model was exported in training mode, without model.eval(): " + what + " put into evaluation form"};
  for (const std::string& node : form.random) notes.push_back("%" + node + " still makes the outputs random: export the model after model.eval()");
  return notes;
}

}  // namespace dsc
