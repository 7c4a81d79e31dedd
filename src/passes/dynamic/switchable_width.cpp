// switchable_width: trains one classifier to run at several widths; one set of weights serves them all.
//
//   before  %y = aten.conv2d(%x, w[64, 32, 3, 3])      after  the same, and w[:48, :24], w[:32, :16], ... are networks too
//
// A width has the first channels of every group (ops/channel_groups.h). In each step the whole network trains on labels, the narrowest and
// some widths between on labels and towards its scores (sandwich rule, in-place distillation); gradients meet in the whole's weights. Batch
// norms have scales and shifts of their own at each width, and statistics, which are measured at the end. Deployed, each width is a model.
// Leaves alone: the graph. Order: last; `prune` and `quantize` go with the models of single widths.
// Sources: Yu et al. 2019, arXiv:1812.08928; Yu & Huang 2019, arXiv:1903.05134, sections 3.3 to 3.5.
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/fields_json.h"
#include "core/printed.h"
#include "core/random.h"
#include "dscompress/pass.h"
#include "ir/shared_copy.h"
#include "ops/cost.h"
#include "ops/norm_weights.h"
#include "ops/widths.h"
#include "passes/dynamic/classifier.h"
#include "passes/dynamic/narrow_network.h"
#include "train/distill/losses/scores.h"
#include "train/distill/options.h"
#include "train/parallel.h"
#include "train/recalibrate.h"
#include "train/train.h"
#include "train/training_step.h"

namespace dsc {
namespace {

using namespace dynamic;

struct Options {
  std::vector<double> widths = {0.75, 0.5, 0.25};
  std::int64_t between = 2;
  Labels labels{.weight = {0.5}};
  Kd kd{.weight = {0.5}, .temperature = {1}};
  std::int64_t recalibrate_batches = 50;
  TrainOptions train;

  void fields(FieldVisitor& visit) {
    visit("widths", widths,
          {.text = "Shares of each group's channels; the whole is always one of the widths.", .unit = "fraction", .minimum = 0.01, .maximum = 1});
    visit("between", between, {.text = "Widths between the whole and the narrowest that train in each step, drawn anew.", .minimum = 0});
    visit("labels", labels, {.text = "Weight of the loss of each narrower width on labels, which counts while the whole network knows little."});
    visit("kd", kd, {.text = "Weight and temperature of each width's distance from the whole network's scores."});
    visit("recalibrate_batches", recalibrate_batches, {.text = "Training batches to measure each width's batch-norm statistics on.", .minimum = 1});
    train.fields(visit);
    visit.check(descending().empty() ? "`widths` must name at least one width below 1" : "");
    visit.check(train.epochs <= 0 ? "`epochs` must be above 0: widths that are not trained answer nothing" : "");
    visit.check(train.adversarial ? "`adversarial` is not offered here: changed pictures would reach the whole network alone" : "");
  }
  // Besides the whole, the widest first.
  std::vector<double> descending() const {
    const std::set<double, std::greater<>> shares(widths.begin(), widths.end());
    std::vector<double> narrow;
    std::ranges::copy_if(shares, std::back_inserter(narrow), [](double share) { return share < 1; });
    return narrow;
  }
};

ExecutorOptions executor_options(const Model& model, const TrainOptions& train, const PassContext& context) {
  ExecutorOptions options{.training = true, .channels_last = uses_channels_last(train, model.graph), .device = context.device()};
  if (uses_bf16(train, context.device())) options.autocast = ScalarType::bf16;
  return options;
}

// The loss of a step: the whole on labels, narrower ones on labels and towards the whole.
class Sandwich {
 public:
  Sandwich(const Model& model, const Options& options, PassContext& context)
      : options_(options), seed_(context.seed()), on_labels_(supervised_objective(options.train.label_smoothing, options.train.label_losses)) {
    const ExecutorOptions executor = executor_options(model, options.train, context);
    for (const double share : options.descending()) narrow_.push_back(std::make_unique<NarrowNetwork>(model, share, executor));
  }

  void begin_step(Executor& whole, std::int64_t step, std::int64_t steps) {
    whole_ = &whole;
    step_ = step;
    share_ = steps > 1 ? static_cast<double>(step) / static_cast<double>(steps - 1) : 0;
  }

  at::Tensor loss(const std::vector<at::Tensor>& outputs, const Batch& batch) {
    at::Tensor sum = on_labels_(outputs, batch);
    const at::Tensor end = outputs.front().detach();
    for (const std::size_t i : drawn()) {
      const at::Tensor scores = narrow_[i]->run(*whole_, batch.inputs).front();
      sum = sum + options_.labels.weight.at(share_) * on_labels_({scores}, batch);
      sum = sum + options_.kd.weight.at(share_) * options_.kd.compare({.student = scores,
                                                                       .teacher = [end](double) { return end; },
                                                                       .teacher_mean = [end] { return end; },
                                                                       .labels = {},
                                                                       .share = share_});
    }
    return sum;
  }

 private:
  // The narrowest, and some of the others.
  std::vector<std::size_t> drawn() const {
    const auto others = static_cast<std::int64_t>(narrow_.size()) - 1;
    std::vector<std::size_t> numbers{static_cast<std::size_t>(others)};
    const auto order = permutation(others, derive_seed(seed_, "widths", static_cast<std::uint64_t>(step_)));
    for (std::int64_t i = 0; i < std::min(others, options_.between); ++i)
      numbers.push_back(static_cast<std::size_t>(order[static_cast<std::size_t>(i)]));
    std::ranges::sort(numbers);
    return numbers;
  }

  const Options& options_;
  std::uint64_t seed_;
  Objective on_labels_;
  std::vector<std::unique_ptr<NarrowNetwork>> narrow_;
  Executor* whole_ = nullptr;
  std::int64_t step_ = 0;
  double share_ = 0;
};

// What is trained is the model with each width's own scales and shifts beside it; they end in its record of widths.
TrainResult train_widths(Model& model, const Options& options, TrainHooks hooks, PassContext& context) {
  Model trained = shared_copy(model);
  for (const double share : options.descending()) add_private_norms(trained, share);
  const auto sandwich = std::make_shared<Sandwich>(model, options, context);
  hooks.before_step = [sandwich](Executor& whole, std::int64_t step, std::int64_t steps) { sandwich->begin_step(whole, step, steps); };
  const Objective loss = [sandwich](const std::vector<at::Tensor>& outputs, const Batch& batch) { return sandwich->loss(outputs, batch); };
  TrainOptions train_options = options.train;
  train_options.freeze = train_options.train_only = {};  // of the model's own parameters, and in the hooks
  auto result = train(trained, train_options, loss, hooks, context);
  for (const auto& name : model.weights.names()) model.weights.set(name, trained.weights.get(name));
  Widths widths;
  for (const double share : options.descending()) {
    Model narrow = at_width(model, {.share = share, .norms = {}});
    for (const auto& name : norm_parameters(narrow.graph)) {
      if (trained.weights.has(private_norm(share, name))) narrow.weights.set(name, trained.weights.get(private_norm(share, name)));
    }
    widths.widths.push_back(read_width(share, narrow));
  }
  set_widths(model, widths);
  return result;
}

void measure_statistics(Model& model, const Options& options, PassContext& context) {
  auto widths = widths_of(model);
  for (Width& width : widths->widths) {
    Model narrow = at_width(model, width);
    if (norm_statistics(narrow.graph).empty()) continue;
    recalibrate_batch_norm(narrow, options.recalibrate_batches, derive_seed(context.seed(), "widths.statistics"), context);
    width = read_width(width.share, narrow);
  }
  set_widths(model, *widths);
}

// A line for each width, the whole first.
Table widths_table(const Model& model, PassContext& context) {
  Table table{"widths", {"width", "MACs", "parameters"}, {}};
  const bool is_judged = !context.dry_run() && context.has_data(Split::valid);
  const auto add = [&](double share, const Model& narrow) {
    const Cost cost = model_cost(narrow);
    std::vector<std::string> row{printed("%g", share), printed("%.4g", cost.macs), printed("%.0f", cost.parameters)};
    const Metrics metrics = is_judged ? context.evaluate(narrow, Split::valid) : Metrics{};
    for (const auto& [name, value] : metrics) {
      if (table.rows.empty()) table.columns.push_back("valid " + name);
      row.push_back(printed("%.4f", value));
    }
    table.rows.push_back(std::move(row));
  };
  add(1, model);
  const auto widths = widths_of(model);
  for (const Width& width : widths->widths) add(width.share, at_width(model, width));
  return table;
}

std::vector<Problem> check(const Model& model, const Options& options) {
  if (widths_of(model)) return {{"the model has several widths already", {}, "remove this step, or start from the model before it"}};
  if (auto problem = problem_unless_classifier(model.graph, "several widths need")) return {std::move(*problem)};
  if (ChannelGroups(model).groups().empty())
    return {{"the model has no channels that could be left out: there is only one width", {}, "see dscompress inspect MODEL --groups"}};
  auto problems = check_frozen(model, options.train);
  if (!problems.empty()) return problems;
  const auto norms = norm_parameters(model.graph);
  for (const auto& name : frozen_parameters(model, options.train)) {
    if (std::ranges::find(norms, name) == norms.end()) continue;
    return {{"`" + name + "` belongs to a batch norm, and each width needs batch norms of its own", {}, "freeze layers without batch norm only"}};
  }
  return {};
}

PassResult run(Model& model, const Options& options, PassContext& context) {
  if (auto problems = check(model, options); !problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  if (processes_of(context) > 1) throw Error(ErrorCode::recipe, "switchable_width trains in one process", {}, "processes: 1");
  PassResult result =
      run_training_step(model, options.train, context, [&](const TrainHooks& hooks) { return train_widths(model, options, hooks, context); });
  context.stage("statistics", model, [&] {
    if (!context.dry_run()) measure_statistics(model, options, context);
    return std::string();
  });
  result.tables.push_back(widths_table(model, context));
  return result;
}

}  // namespace

PassInfo make_dynamic_switchable_width() {
  return make_pass<Options>({.id = "switchable_width",
                             .summary = "Trains one classifier to run at several widths (slimmable), each of them a model.",
                             .changes = {Change::weights},
                             .needs = {Need::train_data},
                             .check = check},
                            run);
}

}  // namespace dsc
