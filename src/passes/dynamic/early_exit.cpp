// early_exit: lets easy examples leave a classifier early, behind some of its blocks.
//
//   before  x -> block 0 ... block n -> head -> scores       after  also: block i -> head i -> scores i, for each exit
//
// Blocks are found from the graph (ops/blocks.h). An exit's head is the network's own once more, or a pooled one (exit_heads.h), and is
// trained on labels and towards the network's last scores; with `trunk: trained` the network trains with them. The threshold is given,
// or the one of the least mean cost that loses no more than `max_drop` on data.valid. Deployed, the network is a chain (ops/exit_stages.h).
// Leaves alone: the network's own scores, with `trunk: frozen`. Order: after what changes the network's layers, before quantisation.
// Sources: Teerapittayanon et al. 2016, arXiv:1709.01686 (BranchyNet); Zhang et al. 2019, arXiv:1905.08094 (self-distillation);
// Xin et al. 2020, arXiv:2004.12993 (DeeBERT); Zhou et al. 2020, arXiv:2006.04152 (patience).
#include <ATen/ops/full_like.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/fields_json.h"
#include "core/random.h"
#include "dscompress/pass.h"
#include "exec/executor.h"
#include "exec/exit_rule.h"
#include "ir/shared_copy.h"
#include "ops/blocks.h"
#include "ops/dropout.h"
#include "ops/exit_stages.h"
#include "ops/modules.h"
#include "passes/dynamic/exit_heads.h"
#include "passes/dynamic/exit_options.h"
#include "passes/dynamic/exit_study.h"
#include "train/distill/losses/scores.h"
#include "train/monitor.h"
#include "train/train.h"
#include "train/training_step.h"

namespace dsc {
namespace {

using namespace dynamic;

constexpr const char* kHeads = "exits";  // the module that all heads are in

struct Heads {
  Exits exits;
  std::vector<std::string> forms;
};

Heads add_heads(Model& model, const ExitOptions& options, std::uint64_t seed) {
  std::vector<Problem> none;
  const auto blocks = find_blocks(model.graph);
  Heads heads;
  for (const std::size_t i : choose_blocks(blocks, options, none)) {
    const std::string prefix = std::string(kHeads) + "." + std::to_string(heads.forms.size());
    const HeadForm form = add_exit_head(model, blocks[i], blocks.back(), prefix, derive_seed(seed, prefix));
    heads.exits.blocks.push_back(blocks[i].name);
    heads.forms.emplace_back(form == HeadForm::copied ? "a copy of the network's own" : "mean and linear layer");
  }
  refresh_types(model, example_inputs(model, 0, 1));
  heads.exits.rule = {options.criterion,
                      options.threshold.value_or(closed_threshold(options.criterion, static_cast<std::int64_t>(heads.forms.size())))};
  set_exits(model, heads.exits);
  return heads;
}

// Outputs: the network's own scores, then each exit's.
LossSum make_loss(const ExitOptions& options, std::size_t exits, const std::shared_ptr<double>& share) {
  std::vector<LossTerm> terms;
  const auto on_labels = supervised_objective(options.train.label_smoothing);
  const auto alone = [on_labels](std::size_t output) {
    return [=](const std::vector<at::Tensor>& outputs, const Batch& batch) { return on_labels({outputs.at(output)}, batch); };
  };
  if (options.trunk == Trunk::trained) terms.push_back({.name = "loss_end_labels", .weight = {1}, .loss = alone(0)});
  for (std::size_t i = 1; i <= exits; ++i) {
    const std::string name = "loss_exit" + std::to_string(i) + "_";
    terms.push_back({.name = name + "labels", .weight = options.labels.weight, .loss = alone(i)});
    terms.push_back(
        {.name = name + "kd", .weight = options.kd.weight, .loss = [kd = options.kd, share, i](const std::vector<at::Tensor>& outputs, const Batch&) {
           const at::Tensor end = outputs.at(0).detach();
           return kd.compare({.student = outputs.at(i),
                              .teacher = [end](double) { return end; },
                              .teacher_mean = [end] { return end; },
                              .labels = {},
                              .share = *share});
         }});
  }
  return LossSum(std::move(terms));
}

// In a copy of the graph where the frozen network drops nothing: it teaches what it would answer.
TrainResult train_heads(Model& model, const ExitOptions& options, std::size_t exits, TrainHooks hooks, PassContext& context) {
  Model trained = shared_copy(model);
  if (options.trunk == Trunk::frozen) {
    remove_dropout(trained.graph, [](const Node& node) { return !is_inside(node, kHeads); });
    for (const auto& name : select_parameters(trained, {"**"})) {
      if (!name.starts_with(std::string(kHeads) + ".")) hooks.frozen.push_back(name);
    }
  }
  const auto share = std::make_shared<double>(0);
  const LossSum loss = make_loss(options, exits, share);
  hooks.before_step = [loss, share](Executor&, std::int64_t step, std::int64_t steps) {
    *share = steps > 1 ? static_cast<double>(step) / static_cast<double>(steps - 1) : 0;
    loss.set_share(*share);
  };
  hooks.after_epoch = [loss](Executor&, std::int64_t) { return loss.take_means(); };
  auto result = train(trained, options.train, loss, hooks, context);
  if (context.dry_run() || options.train.epochs <= 0) return result;
  for (const auto& name : model.weights.names()) model.weights.set(name, trained.weights.get(name));
  return result;
}

// What is kept of the choice of the threshold.
struct Choice {
  double threshold = 0, top1 = 0, end_top1 = 0, before_top1 = 0, macs = 1;
  std::vector<Table> tables;
  bool keeps = true;  // what max_drop asks for

  void fields(FieldVisitor& visit) {
    visit("threshold", threshold, {});
    visit("top1", top1, {});
    visit("end_top1", end_top1, {});
    visit("before_top1", before_top1, {});
    visit("macs", macs, {});
    visit("keeps", keeps, {});
    std::vector<TableText> texts;
    for (const Table& table : tables) texts.push_back({table});
    visit("tables", texts, {});
    tables.clear();
    for (const TableText& text : texts) tables.push_back(text.table);
  }

 private:
  struct TableText {
    Table table;
    void fields(FieldVisitor& visit) {
      visit("name", table.name, {});
      visit("columns", table.columns, {});
      visit("rows", table.rows, {});
    }
  };
};

double top1_of_end(const Model& model, std::int64_t limit, PassContext& context) {
  const ExitScores alone = score_exits(model, Split::valid, limit, context);
  return alone.top1(at::zeros_like(alone.labels));
}

Choice choose(const Model& model, const Model& before, Exits exits, const ExitOptions& options, PassContext& context) {
  const ExitScores found = score_exits(model, Split::valid, options.examples, context);
  const ExitCosts macs = macs_of(model, before);
  const auto latencies = options.latency ? std::optional(latencies_of(model, before, context)) : std::nullopt;
  Choice choice;
  choice.before_top1 = top1_of_end(before, options.examples, context);
  choice.end_top1 = found.top1(at::full_like(found.labels, static_cast<std::int64_t>(found.scores.size()) - 1));
  const double reference = std::max(choice.before_top1, choice.end_top1);
  if (options.max_drop)
    exits.rule.threshold = choose_threshold(options.criterion, found, latencies ? *latencies : macs, {"top1", *options.max_drop}, reference);
  const at::Tensor taken = exits_taken(exits.rule, found.scores);
  choice.threshold = exits.rule.threshold;
  choice.top1 = found.top1(taken);
  choice.macs = macs.mean(taken) / macs.whole;
  const Drop drop{"top1", options.max_drop.value_or(Quantity{100, "pp"})};
  choice.keeps = drop.allows(drop.lost(reference, choice.top1));
  choice.tables = {thresholds_table(exits.rule, exits, found, macs, latencies ? &*latencies : nullptr, reference),
                   difficulty_table(exits, found, macs, latencies ? &*latencies : nullptr)};
  return choice;
}

void record(const Choice& choice, PassResult& result) {
  result.statistics.insert(result.statistics.end(), {{"threshold", choice.threshold, ""},
                                                     {"valid_top1_with_exits", choice.top1, "fraction"},
                                                     {"valid_top1_of_the_end", choice.end_top1, "fraction"},
                                                     {"valid_top1_before", choice.before_top1, "fraction"},
                                                     {"mean_macs", choice.macs, "fraction"}});
  result.tables.insert(result.tables.end(), choice.tables.begin(), choice.tables.end());
  if (!choice.keeps) result.notes.emplace_back("no threshold keeps max_drop on data.valid: every example goes to the network's end");
}

PassResult run(Model& model, const ExitOptions& options, PassContext& context) {
  if (auto problems = check_exits(model, options); !problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  if (options.max_drop) require_validation(context, "/max_drop");
  const Model before = shared_copy(model);
  Heads heads = add_heads(model, options, context.seed());
  exit_stages(model);  // what cannot run apart is an error before anything is trained
  const std::size_t exits = heads.forms.size();
  PassResult result =
      run_training_step(model, options.train, context, [&](const TrainHooks& hooks) { return train_heads(model, options, exits, hooks, context); });
  result.changed = true;
  set_exits(model, heads.exits);  // a resumed run's model comes from a checkpoint of before
  if (context.dry_run() && context.has_data(Split::valid)) score_exits(model, Split::valid, 1, context);
  if (!context.dry_run() && context.has_data(Split::valid)) {
    const auto choice = parse_json<Choice>(
        context.stage("threshold", model, [&] { return dump_json(choose(model, before, heads.exits, options, context)); }), "choice of a threshold");
    heads.exits.rule.threshold = choice.threshold;
    record(choice, result);
  }
  set_exits(model, heads.exits);
  Table table{"exits", {"behind", "head"}, {}};
  for (std::size_t i = 0; i < exits; ++i) table.rows.push_back({heads.exits.blocks[i], heads.forms[i]});
  result.tables.push_back(std::move(table));
  return result;
}

std::vector<Need> needs_of(const ExitOptions& options) {
  std::vector<Need> needs;
  if (options.train.epochs > 0) needs.push_back(Need::train_data);
  if (options.latency) needs.push_back(Need::latency);
  return needs;
}

}  // namespace

PassInfo make_dynamic_early_exit() {
  return make_pass<ExitOptions>({.id = "early_exit",
                                 .summary = "Lets easy examples leave a classifier early: heads behind some blocks, trained by self-distillation.",
                                 .changes = {Change::weights, Change::structure},
                                 .needs_of = needs_of,
                                 .check = check_exits},
                                run);
}

}  // namespace dsc
