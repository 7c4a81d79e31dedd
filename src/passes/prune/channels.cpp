// prune: removes channels, attention heads and head dimensions; tensors really shrink.
//
//   before  %y = aten.conv2d(%x, w[64, 32, 3, 3])        after  %y = aten.conv2d(%x, w[40, 32, 3, 3])
//
// Everything tied to a removed channel goes with it (ops/channel_groups.h): residual stages, concatenations, heads.
// Leaves alone: the model's inputs and outputs, what operators pin (listed in the report with reason and source line),
// ignored modules. Order: before quantisation; afterwards a `finetune` usually follows.
// Sources: Li et al. 2017 (arXiv:1608.08710) for magnitude pruning, Fang et al. 2023 (arXiv:2301.12900) for dependency
// groups, Zhu & Gupta 2017 (arXiv:1710.01878) for the cubic schedule.
#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/file.h"
#include "core/printed.h"
#include "core/random.h"
#include "dscompress/pass.h"
#include "ir/inlined_branches.h"
#include "ops/channel_groups.h"
#include "ops/cost.h"
#include "ops/cut.h"
#include "passes/prune/check.h"
#include "passes/prune/choose/latency.h"
#include "passes/prune/choose/search.h"
#include "passes/prune/choose/target.h"
#include "passes/prune/options.h"
#include "passes/prune/report.h"
#include "train/monitor.h"
#include "train/recalibrate.h"

namespace dsc {
namespace {

using namespace prune;

// Which optimiser trains after a cut; null: none does.
const OptimizerConfig* recovery_optimizer(const Options& options) {
  return options.finetune_each ? &options.finetune_each->optimizer : options.distill_each ? &options.distill_each->train.optimizer : nullptr;
}

// Training after a cut; the optimiser goes on with the state that was cut as its parameters were.
void recover(Model& model, const Options& options, const std::string& curve_prefix, PassContext& context) {
  if (!recovery_optimizer(options)) return;
  TrainHooks hooks;
  hooks.curve_prefix = curve_prefix;
  for (const auto& [name, tensor] : context.carried()) hooks.optimizer_state[name] = tensor.clone();
  TrainResult result = options.distill_each
                           ? distill(model, *options.distill_each, hooks, context, "/distill_each")
                           : train(model, *options.finetune_each,
                                   supervised_objective(options.finetune_each->label_smoothing, options.finetune_each->label_losses), hooks, context);
  context.carried() = std::move(result.optimizer_state);
}

// The pass at work: what stays the same over its steps.
class Cutting {
 public:
  Cutting(const Model& model, const Options& options, PassContext& context)
      : options_(options), context_(context), report_(model), base_(measure_base(model)) {
    if (options.of == Of::base) base_.cost = model_cost(context.base());
    if (options.reduce.latency) original_ = model.clone();
  }

  PassResult run(Model& model) {
    prepare(model);
    for (std::int64_t step = 1; step <= options_.steps; ++step) {
      context_.check_cancelled();
      context_.progress("prune", step - 1, options_.steps);
      if (options_.reduce.latency && (step == 1 || step == options_.steps)) meet_latency(model, step);
      std::string undone = context_.stage("step" + std::to_string(step), model, [&] { return run_step(model, step) ? std::string("undone") : std::string(); });
      if (undone.empty()) continue;
      result_.notes.push_back("step " + std::to_string(step) + " of " + std::to_string(options_.steps) +
                              " lost more than max_drop and was undone; the cut stops there");
      break;
    }
    context_.progress("prune", options_.steps, options_.steps);
    return finish(model);
  }

 private:
  std::uint64_t seed_of(std::int64_t step) const { return derive_seed(context_.seed(), "prune.step", static_cast<std::uint64_t>(step)); }

  // What is measured or trained before the first step.
  void prepare(Model& model) {
    if (options_.of == Of::base) check_reach(model);
    if (options_.scope == Scope::sensitivity && !context_.has_data(Split::valid)) {
      throw Error(ErrorCode::recipe, "scope: sensitivity needs a validation split, and the recipe has none", {},
                  "add data.valid, for example the last part of the training data: split: \"train[-5000:]\"");
    }
    if (options_.max_drop) measure_before(model);
    if (options_.scope == Scope::sensitivity && options_.sensitivity.table.empty() && context_.dry_run()) {
      choose_deciding_metric(context_.evaluate(model, Split::valid, 1), "scope: sensitivity");
    }
    if (options_.scope == Scope::sensitivity && !context_.dry_run()) {
      base_.sensitivity = parse_sense_table(context_.stage("sense", model, [&] {
        return options_.sensitivity.table.empty() ? to_text(measure_sensitivity(model, options_, context_)) : read_file(options_.sensitivity.table.path);
      }));
    }
    if (options_.search) search_plan(model);
    if (options_.sparsify) context_.stage("sparsify", model, [&] { return train_sparse(model); });
  }

  // What a step may lose is measured from here.
  void measure_before(Model& model) {
    require_validation(context_, "/max_drop");
    base_metrics_ = nlohmann::json::parse(context_.stage("base", model, [&] {
      return nlohmann::json(context_.evaluate(model, Split::valid)).dump();
    })).get<Metrics>();
    drop_ = choose_drop(base_metrics_, *options_.max_drop, "/max_drop");
  }

  void search_plan(Model& model) {
    const search::Record record = search::parse_record(context_.stage("search", model, [&] {
      return search::to_text(search_cut(model, options_, base_, seed_of(1), context_));
    }));
    plan_ = record.best().plan;
    if (context_.dry_run()) return;
    result_.notes.push_back(search::note_of(record));
    result_.statistics.push_back({"search_best_" + record.metric, record.best().value, ""});
  }

  Removal removal(const Model& model, const ChannelGroups& groups, double progress, const std::vector<double>& scores) const {
    if (options_.search) return CutSpace(model, groups, options_, base_, scores).removal(plan_);
    return choose(model, groups, options_now(), base_, progress, scores);
  }

  // Of the base's cost, which the check before a run cannot know.
  void check_reach(const Model& model) const {
    std::string problem = unreachable(model, ChannelGroups(model), options_, base_);
    if (!problem.empty()) throw Error(ErrorCode::recipe, problem, {}, kLoosenLimits);
  }

  std::string train_sparse(Model& model) {
    ChannelGroups groups(model);
    std::vector<double> scores = unit_scores(model, groups, options_.importance, context_, seed_of(0));
    Options options = options_;
    if (options.reduce.latency) options.reduce = {.macs = find_macs_for_latency(model, *original_, options, base_, context_, scores).macs_reduction};
    TrainResult result = sparsify(model, groups, choose(model, groups, options, base_, 1, scores), *options_.sparsify, context_);
    const OptimizerConfig* next = recovery_optimizer(options_);
    if (next && next->index() == options_.sparsify->training.train.optimizer.index()) context_.carried() = std::move(result.optimizer_state);
    return "";
  }

  // Puts a reduction of MACs in the place of that of latency, measured before the first step and again before the last.
  void meet_latency(Model& model, std::int64_t step) {
    LatencySearch search = parse_latency_search(context_.stage("latency" + std::to_string(step), model, [&] {
      ChannelGroups groups(model);
      std::vector<double> scores = unit_scores(model, groups, options_.importance, context_, seed_of(step));
      return to_text(find_macs_for_latency(model, *original_, options_, base_, context_, scores));
    }));
    macs_for_latency_ = search.macs_reduction;
    if (step == options_.steps) result_.tables.push_back(latency_table(search));
  }

  Options options_now() const {
    Options options = options_;
    if (options.reduce.latency) options.reduce = {.macs = macs_for_latency_};
    return options;
  }

  // One step: cut, re-calibrate, train, and undo it all when too much is lost. returns: whether it was undone.
  bool run_step(Model& model, std::int64_t step) {
    std::optional<Model> before;
    if (options_.max_drop) before = model.clone();
    ChannelGroups groups(model);
    std::vector<double> scores = unit_scores(model, groups, options_.importance, context_, seed_of(step));
    double progress = progress_after(options_.schedule, step, options_.steps);
    for (const CutDimension& dimension : cut(model, groups, removal(model, groups, progress, scores))) {
      keep_state(context_.carried(), dimension.weight, dimension.dim, dimension.kept);
    }
    if (options_.recalibrate_batches > 0 && !context_.dry_run()) recalibrate_batch_norm(model, options_.recalibrate_batches, seed_of(step), context_);
    train_again(model, step);
    if (!options_.max_drop || context_.dry_run()) return false;
    const double value = context_.evaluate(model, Split::valid).at(drop_.metric);
    context_.curve({"prune_valid", static_cast<double>(step), value});
    if (drop_.allows(drop_.lost(base_metrics_.at(drop_.metric), value))) return false;
    model = std::move(*before);
    return true;
  }

  // With one branch of control flow computed at a time: where the other one overflows, so would its gradient.
  void train_again(Model& model, std::int64_t step) {
    outline_branches(model.graph);
    recover(model, options_, "step" + std::to_string(step) + "/", context_);
    inline_all_branches(model.graph);
  }

  PassResult finish(const Model& model) {
    report_.finish(model, result_);
    Cost cost = model_cost(model);
    result_.changed = cost.parameters != parameters_before_;
    if (!result_.changed && !options_.allow_empty) {
      throw Error(ErrorCode::recipe, "prune cut nothing", {}, "raise `reduce`, lower `round_to` or `min_channels`, or set allow_empty: true");
    }
    note_distance(cost);
    return std::move(result_);
  }

  // A target that was missed by more than 1 % is said so.
  void note_distance(const Cost& cost) {
    Reduce reduce = options_now().reduce;
    if (reduce.channels) return;
    double target = cost_of(reduce, base_.cost) * (1 - reduce.share());
    if (std::abs(cost_of(reduce, cost) - target) <= 0.01 * target) return;
    result_.notes.push_back(printed("reached a reduction of %.4f where %.4f was asked for: the nearest size that limits and rounding allow",
                                    1 - cost_of(reduce, cost) / cost_of(reduce, base_.cost), reduce.share()));
  }

  const Options& options_;
  PassContext& context_;
  GroupReport report_;
  Base base_;
  double parameters_before_ = base_.cost.parameters;
  Metrics base_metrics_;
  Drop drop_;  // of max_drop
  std::optional<Model> original_;
  double macs_for_latency_ = 0;
  search::Plan plan_;  // of `search`
  PassResult result_;
};

}  // namespace

// Branches of control flow are cut where both, and what follows, agree.
PassResult prune::prune_channels(Model& model, const Options& options, PassContext& context) {
  inline_all_branches(model.graph);
  auto result = Cutting(model, options, context).run(model);
  outline_branches(model.graph);
  return result;
}

std::vector<Need> prune::needs_of(const Options& options) {
  std::vector<Need> needs;
  bool trains = options.finetune_each || options.distill_each || options.sparsify;
  if (trains || options.recalibrate_batches > 0 || needs_gradients(options.importance)) needs.push_back(Need::train_data);
  if (needs_activations(options.importance)) needs.push_back(Need::calibration_data);
  if ((options.distill_each && has_teacher(options.distill_each->targets)) || (options.sparsify && has_teacher(options.sparsify->training.targets))) needs.push_back(Need::teacher);
  if (options.reduce.latency) needs.push_back(Need::latency);
  return needs;
}

PassInfo make_prune_channels() {
  return make_pass<Options>({.id = "prune",
                             .summary = "Removes channels, heads and head dimensions, with everything tied to them.",
                             .changes = {Change::weights, Change::shapes},
                             .needs_of = needs_of,
                             .check = check,
                             .sense = [](const Model& model, const Options& options,
                                         PassContext& context) { return measure_sensitivity(with_inlined_branches(model), options, context); }},
                            prune_channels);
}

}  // namespace dsc
