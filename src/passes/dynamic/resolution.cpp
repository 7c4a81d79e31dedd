// dynamic_resolution: looks at pictures smaller than they are first, and closer only at those that are not clear then.
//
//   before  picture 64 x 64 -> network -> scores       after  picture -> 32 x 32 -> network -> scores; not sure: -> 64 x 64 -> network -> scores
//
// One set of weights serves all sizes. Each training step sees the pictures at all of them: their own size learns from labels, smaller ones
// from labels and its scores; batch norms measure at the pictures' own size and are used so at the others (batch renormalisation, so that
// gradients of smaller sizes do not push what the statistics take back). The threshold is given, or the one of
// the least mean cost that loses no more than `max_drop` on data.valid, or the most careful within `max_cost`. Deployed, the sizes are a chain
// (exec/resolutions.h). Leaves alone: the graph. Order: anywhere behind the last step that changes layers; quantisers calibrate at the pictures' own
// size. Sources: Yang et al. 2020, arXiv:2003.07326 (coarse to fine); Wang et al. 2020, arXiv:2007.09558 (one network, several sizes that learn from
// the largest), Ioffe 2017, arXiv:1702.03275 (batch renormalisation).
#include <ATen/ops/full_like.h>

#include <algorithm>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/fields_json.h"
#include "core/printed.h"
#include "dscompress/pass.h"
#include "exec/executor.h"
#include "exec/resolutions.h"
#include "ir/shared_copy.h"
#include "passes/dynamic/classifier.h"
#include "passes/dynamic/exit_loss.h"
#include "passes/dynamic/exit_options.h"
#include "passes/dynamic/exit_study.h"
#include "train/monitor.h"
#include "train/parallel.h"
#include "train/train.h"
#include "train/training_step.h"

namespace dsc {
namespace {

using namespace dynamic;

struct Options {
  std::vector<std::int64_t> sizes;
  ExitPolicy policy;
  Labels labels{.weight = {0.5}};
  Kd kd{.weight = {0.5}};
  TrainOptions train;

  void fields(FieldVisitor& visit) {
    visit("sizes", sizes,
          {.text = "Heights of smaller pictures; widths are in proportion, and the pictures' own size is always the last.",
           .unit = "pixels",
           .minimum = 1});
    policy.fields(visit, "dynamic_resolution");
    visit("labels", labels, {.text = "Weight of the loss of each smaller size on labels."});
    visit("kd", kd, {.text = "Weight and temperature of each smaller size's distance from the scores of the pictures' own."});
    train.fields(visit);
    visit.check(sizes.empty() ? "`sizes` must name at least one" : "");
    visit.check(train.adversarial ? "`adversarial` is not offered here: changed pictures would reach the largest size alone" : "");
  }
};

// What the model was exported for, or else what the data has.
PictureSize own_size(const Model& model, PassContext& context) {
  const Value& pictures = *picture_input(model.graph);
  PictureSize size = fixed_size(pictures);
  std::vector<Dim> known(pictures.tensor().sizes.begin() + 1, pictures.tensor().sizes.end());
  for (const Split split : {Split::calibration, Split::train, Split::valid, Split::eval}) {
    if (context.has_data(split)) known = context.data(split).info().inputs.front().sizes;
  }
  if (known.size() == 3 && size.height == 0) size.height = known[1].size;
  if (known.size() == 3 && size.width == 0) size.width = known[2].size;
  return size;
}

Resolutions describe(const Model& model, const Options& options, PassContext& context) {
  const PictureSize own = own_size(model, context);
  Resolutions described{.rule = {}, .height = own.height, .width = own.width, .sizes = options.sizes};
  std::vector<Problem> problems;
  for (std::size_t i = 0; i < options.sizes.size(); ++i) {
    if (options.sizes[i] < own.height) continue;
    problems.push_back({printed("%lld is no smaller height than the pictures have, ", static_cast<long long>(options.sizes[i])) + to_string(own),
                        {.pointer = "/sizes/" + std::to_string(i)},
                        "name smaller ones; the pictures' own size is always the last"});
  }
  if (!problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  std::ranges::sort(described.sizes);
  described.sizes.erase(std::unique(described.sizes.begin(), described.sizes.end()), described.sizes.end());
  const auto smaller = static_cast<std::int64_t>(described.sizes.size());
  if (auto problem = options.policy.problem(smaller)) throw Error(ErrorCode::recipe, std::vector{std::move(*problem)});
  described.rule = options.policy.rule(smaller);
  return described;
}

// The network at smaller sizes, on the weights of the one that trains.
class SmallerSizes {
 public:
  SmallerSizes(const Model& model, const Resolutions& resolutions, const TrainOptions& train, PassContext& context) {
    ExecutorOptions options{
        .training = true, .batch_renorm = true, .channels_last = uses_channels_last(train, model.graph), .device = context.device()};
    if (uses_bf16(train, context.device())) options.autocast = ScalarType::bf16;
    auto sizes = resolutions.all();
    const PictureSize own = sizes.back();
    sizes.pop_back();
    for (const PictureSize& size : sizes) {
      models_.push_back(at_resolution(model, own, size));
      executors_.push_back(std::make_unique<Executor>(models_.back(), options));
    }
  }

  void follow(const Executor& whole) { whole_ = &whole; }

  // Behind the network's own scores. Gradients flow into the weights of the whole.
  std::vector<at::Tensor> scores(std::vector<at::Tensor> outputs, const Batch& batch) {
    auto executor = executors_.begin();
    for (const Model& model : models_) {
      std::vector<const Value*> weights;
      for (const GraphInput& input : model.graph.inputs()) {
        if (input.is_weight()) weights.push_back(input.value);
      }
      const auto replace = [&](const Value& value, const at::Tensor&) { return whole_->weight(model.graph.find_input(&value)->target); };
      outputs.push_back((*executor++)->run_replacing(batch.inputs, weights, replace).front());
    }
    return outputs;
  }

 private:
  std::list<Model> models_;
  std::vector<std::unique_ptr<Executor>> executors_;
  const Executor* whole_ = nullptr;
};

TrainResult train_sizes(Model& model, const Resolutions& resolutions, const Options& options, TrainHooks hooks, PassContext& context) {
  const auto smaller = std::make_shared<SmallerSizes>(model, resolutions, options.train, context);
  std::vector<std::string> names;
  for (const std::int64_t size : resolutions.sizes) names.push_back("size" + std::to_string(size));
  const auto share = std::make_shared<double>(0);
  const LossSum loss = exit_loss(names,
                                 {.labels = options.labels,
                                  .kd = options.kd,
                                  .on_labels = supervised_objective(options.train.label_smoothing, options.train.label_losses),
                                  .trains_end = true},
                                 share);
  hooks.before_step = [loss, share, smaller](Executor& whole, std::int64_t step, std::int64_t steps) {
    smaller->follow(whole);
    *share = steps > 1 ? static_cast<double>(step) / static_cast<double>(steps - 1) : 0;
    loss.set_share(*share);
  };
  hooks.after_epoch = [loss](Executor&, std::int64_t) { return loss.take_means(); };
  const Objective objective = [loss, smaller](const std::vector<at::Tensor>& outputs, const Batch& batch) {
    return loss(smaller->scores(outputs, batch), batch);
  };
  return train(model, options.train, objective, hooks, context);
}

// A line for each size alone.
Table sizes_table(const ExitStudy& study, double reference) {
  Table table{"accuracy over resolutions, on data.valid", {"resolution", "top1", "lost", "mean MACs"}, {}};
  if (study.latencies) table.columns.insert(table.columns.end(), {"mean ms", "of the whole"});
  for (std::size_t i = 0; i < study.names.size(); ++i) {
    const auto alone = [i](const ExitCosts& costs) { return costs.until[i] - (i > 0 ? costs.until[i - 1] : 0); };
    const double top1 = study.found.top1(at::full_like(study.found.labels, static_cast<std::int64_t>(i)));
    std::vector<std::string> row{study.names[i], printed("%.2f %%", 100 * top1), printed("%.2f points", 100 * (reference - top1)),
                                 printed("%.2f %%", 100 * alone(study.macs) / study.macs.whole)};
    if (study.latencies)
      row.insert(row.end(), {printed("%.3f", alone(*study.latencies)), printed("%.2f %%", 100 * alone(*study.latencies) / study.latencies->whole)});
    table.rows.push_back(std::move(row));
  }
  return table;
}

ExitChoice choose(const Model& model, const Model& before, const Resolutions& resolutions, const ExitPolicy& policy, PassContext& context) {
  const ExitStages stages = resolution_stages(model);
  ExitStudy study{.names = {},
                  .found = score_networks(stages.models, Split::valid, policy.examples, context),
                  .macs = macs_of(stages.models, before),
                  .latencies = policy.latency ? std::optional(latencies_of(stages.models, before, context)) : std::nullopt,
                  .before_top1 = top1_of(before, Split::valid, policy.examples, context)};
  for (const ExitStage& stage : stages.plan.stages) study.names.push_back(stage.block);
  ExitChoice choice = choose_exits(resolutions.rule, policy.limits, study);
  choice.tables.insert(choice.tables.begin(), sizes_table(study, std::max(choice.before_top1, choice.end_top1)));
  return choice;
}

std::vector<Problem> check(const Model& model, const Options& options) {
  if (resolutions_of(model)) return {{"the model has several resolutions already", {}, "remove this step, or start from the model before it"}};
  if (exits_of(model)) return {{"the model has early exits, and its chain goes through those", {}, "use one of early_exit and dynamic_resolution"}};
  if (!picture_input(model.graph))
    return {{"several resolutions need a model whose one input is pictures, [examples, channels, height, width] of floating-point numbers",
             {},
             "remove this step"}};
  if (auto problem = problem_unless_classifier(model.graph, "several resolutions need")) return {std::move(*problem)};
  return check_frozen(model, options.train);
}

PassResult run(Model& model, const Options& options, PassContext& context) {
  if (auto problems = check(model, options); !problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  if (const auto option = options.policy.chosen_by(); !option.empty()) require_validation(context, option);
  if (processes_of(context) > 1) throw Error(ErrorCode::recipe, "dynamic_resolution trains in one process", {}, "processes: 1");
  Resolutions resolutions = describe(model, options, context);
  const PictureSize own = resolutions.all().back();
  const Model before = at_resolution(model, own, own);
  set_resolutions(model, resolutions);
  resolution_stages(model);  // what cannot run smaller is an error before anything is trained
  PassResult result = run_training_step(model, options.train, context,
                                        [&](const TrainHooks& hooks) { return train_sizes(model, resolutions, options, hooks, context); });
  result.changed = true;
  set_resolutions(model, resolutions);  // a resumed run's model comes from a checkpoint of before
  if (context.dry_run() && context.has_data(Split::valid)) score_networks(resolution_stages(model).models, Split::valid, 1, context);
  if (!context.dry_run() && context.has_data(Split::valid)) {
    const auto choice = parse_json<ExitChoice>(
        context.stage("threshold", model, [&] { return dump_json(choose(model, before, resolutions, options.policy, context)); }),
        "choice of a threshold");
    resolutions.rule.threshold = choice.threshold;
    record(choice, "over_resolutions", result);
  }
  set_resolutions(model, resolutions);
  return result;
}

std::vector<Need> needs_of(const Options& options) {
  std::vector<Need> needs;
  if (options.train.epochs > 0) needs.push_back(Need::train_data);
  if (options.policy.latency) needs.push_back(Need::latency);
  return needs;
}

}  // namespace

PassInfo make_dynamic_resolution() {
  return make_pass<Options>(
      {.id = "dynamic_resolution",
       .summary = "Looks at smaller pictures first, and closer only where a classifier is not sure: one network, several sizes.",
       .changes = {Change::weights},
       .needs_of = needs_of,
       .check = check},
      run);
}

}  // namespace dsc
