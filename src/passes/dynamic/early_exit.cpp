// early_exit: lets easy examples leave a classifier early, behind some of its blocks.
//
//   before  x -> block 0 ... block n -> head -> scores       after  also: block i -> head i -> scores i, for each exit
//
// Blocks are found from the graph (ops/blocks.h). An exit's head is the network's own once more, or a pooled one (exit_heads.h), and is
// trained on labels and towards the network's last scores; with `trunk: trained` the network trains with them. The threshold is given,
// or the one of the least mean cost that loses no more than `max_drop` on data.valid, or the most careful within `max_cost`. Deployed, the network is
// a chain (ops/exit_stages.h). Leaves alone: the network's own scores, with `trunk: frozen`. Order: after what changes the network's layers, before
// quantisation. Sources: Teerapittayanon et al. 2016, arXiv:1709.01686 (BranchyNet); Zhang et al. 2019, arXiv:1905.08094 (self-distillation); Xin et
// al. 2020, arXiv:2004.12993 (DeeBERT); Zhou et al. 2020, arXiv:2006.04152 (patience).
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/fields_json.h"
#include "core/random.h"
#include "dscompress/pass.h"
#include "exec/executor.h"
#include "ir/shared_copy.h"
#include "ops/blocks.h"
#include "ops/dropout.h"
#include "ops/exit_stages.h"
#include "ops/modules.h"
#include "passes/dynamic/exit_heads.h"
#include "passes/dynamic/exit_loss.h"
#include "passes/dynamic/exit_options.h"
#include "passes/dynamic/exit_study.h"
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
    const HeadForm form = add_exit_head(model, blocks[i], blocks.back(),
                                        {.form = options.head, .mask = options.mask, .prefix = prefix, .seed = derive_seed(seed, prefix)});
    heads.exits.blocks.push_back(blocks[i].name);
    heads.forms.emplace_back(form == HeadForm::copied ? "a copy of the network's own" : "mean and linear layer");
  }
  refresh_types(model, example_inputs(model, 0, 1));
  heads.exits.rule = options.policy.rule(static_cast<std::int64_t>(heads.forms.size()));
  set_exits(model, heads.exits);
  return heads;
}

std::vector<std::string> exit_names(std::size_t exits) {
  std::vector<std::string> names;
  for (std::size_t i = 1; i <= exits; ++i) names.push_back("exit" + std::to_string(i));
  return names;
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
  const LossSum loss = exit_loss(exit_names(exits),
                                 {.labels = options.labels,
                                  .kd = options.kd,
                                  .on_labels = supervised_objective(options.train.label_smoothing),
                                  .trains_end = options.trunk == Trunk::trained},
                                 share);
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

// The network's own scores last.
Score scores_of(const Model& model, PassContext& context) {
  const auto executor = std::make_shared<Executor>(model, ExecutorOptions{.device = context.device()});
  return [executor](const std::vector<at::Tensor>& inputs) {
    auto outputs = executor->run(inputs);
    std::rotate(outputs.begin(), outputs.begin() + 1, outputs.end());
    return outputs;
  };
}

ExitChoice choose(const Model& model, const Model& before, const Exits& exits, const ExitOptions& options, PassContext& context) {
  const auto stages = exit_stages(model).models;
  const ExitPolicy& policy = options.policy;
  ExitStudy study{.names = exits.blocks,
                  .found = score_exits(scores_of(model, context), Split::valid, policy.examples, context),
                  .macs = macs_of(stages, before),
                  .latencies = policy.latency ? std::optional(latencies_of(stages, before, context)) : std::nullopt,
                  .before_top1 = top1_of(before, Split::valid, policy.examples, context)};
  study.names.emplace_back("the end");
  return choose_exits(exits.rule, policy.limits, study);
}

PassResult run(Model& model, const ExitOptions& options, PassContext& context) {
  if (auto problems = check_exits(model, options); !problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  if (const auto option = options.policy.chosen_by(); !option.empty()) require_validation(context, option);
  const Model before = shared_copy(model);
  Heads heads = add_heads(model, options, context.seed());
  exit_stages(model);  // what cannot run apart is an error before anything is trained
  const std::size_t exits = heads.forms.size();
  PassResult result =
      run_training_step(model, options.train, context, [&](const TrainHooks& hooks) { return train_heads(model, options, exits, hooks, context); });
  result.changed = true;
  set_exits(model, heads.exits);  // a resumed run's model comes from a checkpoint of before
  if (context.dry_run() && context.has_data(Split::valid)) score_exits(scores_of(model, context), Split::valid, 1, context);
  if (!context.dry_run() && context.has_data(Split::valid)) {
    const auto choice = parse_json<ExitChoice>(
        context.stage("threshold", model, [&] { return dump_json(choose(model, before, heads.exits, options, context)); }), "choice of a threshold");
    heads.exits.rule.threshold = choice.threshold;
    record(choice, "with_exits", result);
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
  if (options.policy.latency) needs.push_back(Need::latency);
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
