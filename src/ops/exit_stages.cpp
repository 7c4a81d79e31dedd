#include "ops/exit_stages.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "dscompress/error.h"
#include "ir/copy_part.h"
#include "ir/dim_expression.h"
#include "ops/stretches.h"
#include "ops/writes.h"

namespace dsc {
namespace {

[[noreturn]] void refuse(const Model& model, const std::string& why, const std::string& hint) {
  throw Error(ErrorCode::unsupported, "the stages between exits cannot run apart: " + why, {.file = model.source}, hint);
}

std::vector<Value*> user_inputs(const Graph& graph) {
  std::vector<Value*> inputs;
  for (const GraphInput& input : graph.inputs()) {
    if (input.kind == InputKind::user && input.value) inputs.push_back(input.value);
  }
  return inputs;
}

// Of each input; an exporter may give one size several symbols.
std::set<std::string> batch_symbols(const Model& model) {
  std::set<std::string> symbols;
  for (const Value* input : user_inputs(model.graph)) {
    if (!input->is_tensor() || input->tensor().sizes.empty()) continue;
    const Dim& rows = input->tensor().sizes.front();
    if (rows.is_fixed())
      refuse(model, "the model was exported for " + std::to_string(rows.size) + " examples at a time",
             "export it with a dynamic batch, as scripts/export_model.py does");
    symbols.insert(rows.expression);
  }
  return symbols;
}

// Whether a value has a row for each example; none of its other sizes may depend on how many there are.
bool has_rows(const Model& model, const Value& value, const std::set<std::string>& batch) {
  const auto& sizes = value.tensor().sizes;
  const bool is_row = !sizes.empty() && batch.contains(sizes.front().expression);
  const auto mixes = [&](const Dim& dim) {
    return std::ranges::any_of(batch, [&](const std::string& symbol) { return names_symbol(dim.expression, symbol); });
  };
  if (std::any_of(sizes.begin() + (is_row ? 1 : 0), sizes.end(), mixes))
    refuse(model, "`" + value.name() + "` mixes examples, and crosses from one to the next", "choose other blocks for the exits");
  return is_row;
}

Stretches cut_at_exits(const Model& model, const std::vector<Value*>& scores) {
  std::unordered_set<const Node*> ends;
  for (std::size_t i = 1; i < scores.size(); ++i) ends.insert(scores[i]->producer());
  Stretches cut = cut_behind(model.graph, ends);
  if (!state_inputs(model.graph).empty()) refuse(model, "the model remembers something from run to run", "export it without a cache");
  if (writes_across(model.graph, cut)) refuse(model, "an operator writes in place into what crosses", "choose other blocks for the exits");
  bool is_in_order = cut.all.size() == scores.size();
  for (std::size_t i = 1; i < scores.size(); ++i) is_in_order = is_in_order && cut.places.at(scores[i]->producer()) == i - 1;
  if (!is_in_order) refuse(model, "the exits are not one behind the other", "let early_exit be the last step that changes the network's layers");
  return cut;
}

// The inputs of the whole are those of its first stage, whether it reads them or not.
Graph first_graph(const Graph& graph, const Stretch& stretch, const std::vector<GraphOutput>& outputs) {
  const Graph alone = graph_of(graph, stretch);
  const std::unordered_set<const Node*> nodes(stretch.nodes.begin(), stretch.nodes.end());
  return copy_part(
      graph, [&](const GraphInput& input) { return !input.is_weight() || alone.find_weight(input.target); },
      [&](const Node& node) { return nodes.contains(&node); }, outputs);
}

Model model_of(const Model& model, const Stretch& stretch, bool is_first) {
  std::vector<GraphOutput> outputs;
  for (Value* value : stretch.gives) outputs.push_back({OutputKind::user, value, {}});
  Model part{.graph = is_first ? first_graph(model.graph, stretch, outputs) : graph_of(model.graph, stretch),
             .weights = {},
             .archive = model.archive,
             .source = model.source};
  part.archive.extra_files.clear();
  part.archive.sample_inputs.clear();
  for (const GraphInput& input : part.graph.inputs()) {
    if (input.is_weight()) part.weights.set(input.target, model.weights.get(input.target));
  }
  return part;
}

std::vector<std::string> names_of(const std::vector<Value*>& values) {
  std::vector<std::string> names;
  for (const Value* value : values) names.push_back(value->name());
  return names;
}

}  // namespace

void ExitStage::fields(FieldVisitor& visit) {
  visit("block", block, {.text = "Behind which it ends; empty: the network's end."});
  visit("takes", takes, {.text = "What its network takes, in order."});
  visit("gives", gives, {.text = "What its network gives behind the scores, in order."});
}

void ExitChainPlan::fields(FieldVisitor& visit) {
  rule.fields(visit);
  visit("shared", shared, {.text = "What is handed on and has no row for each example."});
  visit("stages", stages, {.text = "The networks, in order."});
}

ExitStages exit_stages(const Model& model) {
  const Exits exits = exits_of(model).value();
  const auto batch = batch_symbols(model);
  const auto scores = shown_outputs(model.graph);
  Stretches cut = cut_at_exits(model, scores);
  ExitStages made{.plan = {.rule = exits.rule, .shared = {}, .stages = {}}, .models = {}};
  std::set<std::string> shared;
  for (std::size_t i = 0; i < cut.all.size(); ++i) {
    Stretch& stretch = cut.all[i];
    const bool is_last = i + 1 == cut.all.size();
    if (i == 0) stretch.takes = user_inputs(model.graph);
    for (const Value* value : stretch.takes) {
      if (i > 0 && !has_rows(model, *value, batch)) shared.insert(value->name());
    }
    made.plan.stages.push_back({is_last ? "" : exits.blocks[i], names_of(stretch.takes), names_of(stretch.gives)});
    stretch.gives.insert(stretch.gives.begin(), scores[is_last ? 0 : i + 1]);
    made.models.push_back(model_of(model, stretch, i == 0));
  }
  made.plan.shared.assign(shared.begin(), shared.end());
  return made;
}

}  // namespace dsc
