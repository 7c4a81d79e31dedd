#include "eval/metrics.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/isnan.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "core/metric_facts.h"
#include "data/bad_values.h"
#include "data/matching_output.h"
#include "data/more_labels.h"
#include "dscompress/error.h"
#include "eval/bert_score.h"
#include "eval/class_choices.h"
#include "eval/found_boxes.h"
#include "eval/greedy.h"
#include "eval/metric.h"
#include "eval/rows.h"
#include "exec/asked_engine.h"
#include "ir/describe.h"

namespace dsc {
namespace {

// Why an output is not finite: the example's data first, then the weights.
[[noreturn]] void fail_not_finite(const Engine& engine, const at::Tensor& bad, const Batch& batch, const DatasetInfo& info) {
  const at::Tensor rows = bad.reshape({bad.dim() ? bad.size(0) : 1, -1}).any(1);
  const auto row = rows.to(at::kLong).argmax().item<std::int64_t>();
  const std::int64_t example = static_cast<std::size_t>(row) < batch.indices.size() ? batch.indices[static_cast<std::size_t>(row)] : row;
  if (const auto cause = find_bad_input(batch, info)) throw Error(ErrorCode::data, engine.name() + " gives an output that is not finite: " + cause->message, {}, cause->hint);
  throw Error(ErrorCode::numeric, engine.name() + " gives an output that is not finite for example " + std::to_string(example), {},
              "the weights have diverged, or the inputs are not normalised as the model expects" + mask_hint(batch, info));
}

// Without the rows that only fill up a fixed batch.
at::Tensor without_filler(const at::Tensor& output, const Batch& batch) {
  if (batch.filler == 0) return output;
  const auto examples = static_cast<std::int64_t>(batch.indices.size()), rows = examples + batch.filler;
  if (output.dim() > 0 && output.size(0) % rows == 0) return output.narrow(0, 0, output.size(0) / rows * examples);
  throw Error(ErrorCode::data,
              "the last " + std::to_string(examples) + " examples do not fill the model's fixed batch of " + std::to_string(rows) +
                  ", and its output of shape " + describe_sizes(output) + " is not one for each example",
              {}, "give a number of examples that is a multiple of " + std::to_string(rows) + ", or export the model with a dynamic batch");
}

// Scores of -inf are those of masked classes.
at::Tensor checked(const Engine& engine, const at::Tensor& whole, const Batch& batch, const DatasetInfo& info) {
  const at::Tensor output = without_filler(whole.to(at::kCPU, at::kFloat), batch);
  const at::Tensor bad = at::isnan(output).logical_or(output.isposinf());
  if (bad.any().item<bool>()) fail_not_finite(engine, bad, batch, info);
  return output;
}

// The outputs that these labels belong to; "": the label itself.
std::vector<at::Tensor> run(Engine& engine, const Batch& batch, const Dataset& dataset, const std::vector<std::string>& labels) {
  const std::vector<at::Tensor> outputs = engine.run(batch.inputs);
  if (outputs.empty()) throw Error(ErrorCode::data, "the model has no tensor output to evaluate");
  std::vector<at::Tensor> chosen;
  for (const std::string& label : labels) {
    const at::Tensor whole = !label.empty()         ? output_of_label(outputs, batch, label)
                             : dataset.detections() ? found_boxes(outputs, dataset.detections()->form)
                                                    : matching_output(outputs, batch.target);
    chosen.push_back(checked(engine, whole, batch, dataset.info()));
  }
  return chosen;
}

}  // namespace

const std::vector<std::string>& metric_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> made;
    for (const MetricFacts& facts : all_metric_facts()) {
      if (facts.in_recipes) made.emplace_back(facts.name);
    }
    return made;
  }();
  return names;
}

const MetricKind& metric_kind(const std::string& name) {
  const std::string_view known = metric_facts(name).name;
  for (const auto family :
       {class_metrics(), pixel_metrics(), ranking_metrics(), multi_label_metrics(), calibration_metrics(), loss_metrics(), regression_metrics(),
        sequence_metrics(), answer_metrics(), detection_metrics(), generation_metrics(), comparison_metrics()}) {
    const auto found = std::find_if(family.begin(), family.end(), [&](const MetricKind& kind) { return kind.name == known; });
    if (found != family.end()) return *found;
  }
  throw Error(ErrorCode::internal, "metric `" + name + "` has a row of facts, and no family computes it");
}

bool compares_with_base(const std::vector<std::string>& metrics) {
  return std::any_of(metrics.begin(), metrics.end(), [](const std::string& name) { return metric_facts(name).compares_with_base; });
}

std::int64_t examples_at_once(const Dataset& dataset, std::int64_t batch, const std::optional<WindowOptions>& windows) {
  return windows && !dataset.lengths().empty() ? 1 : batch;
}

namespace {

// As many batches as there are ranks; fewer at the end.
std::vector<Batch> next_round(BatchLoader& loader, const Ranks& ranks) {
  std::vector<Batch> round;
  while (static_cast<std::int64_t>(round.size()) < ranks.size()) {
    auto batch = loader.next();
    if (!batch) break;
    round.push_back(std::move(*batch));
  }
  return round;
}

// The outputs of all batches of a round, of which each rank runs one: one list a batch, one output a label.
using RoundOutputs = std::vector<std::vector<at::Tensor>>;
RoundOutputs run_round(Engine& engine, const std::vector<Batch>& round, const Dataset& dataset, const std::vector<std::string>& labels,
                       Ranks& ranks) {
  RoundOutputs outputs(round.size(), std::vector<at::Tensor>(labels.size()));
  const auto own = static_cast<std::size_t>(ranks.rank());
  if (own < round.size()) outputs[own] = run(engine, round[own], dataset, labels);
  for (std::size_t i = 0; i < round.size(); ++i) {
    for (at::Tensor& output : outputs[i]) output = ranks.from(static_cast<std::int64_t>(i), output);
  }
  return outputs;
}

using NamedMetrics = std::vector<std::pair<std::string, std::unique_ptr<Metric>>>;

// The labels that metrics are of, the label itself first, whether a metric is of it or not: examples that went wrong are shown by it.
std::vector<std::string> labels_of(const std::vector<std::string>& metrics) {
  std::vector<std::string> labels{""};
  for (const std::string& metric : metrics) {
    const std::string label = metric_label(metric);
    if (std::ranges::find(labels, label) == labels.end()) labels.push_back(label);
  }
  return labels;
}

// A batch as each label sees it.
std::vector<Batch> seen_by(const std::vector<std::string>& labels, const Batch& batch) {
  std::vector<Batch> seen;
  for (const std::string& label : labels) seen.push_back(label.empty() ? batch : with_label(batch, label));
  return seen;
}

// What is kept of single examples, whatever the metrics.
struct KeptExamples {
  ExampleIds ids;
  ClassChoices choices;
};

NamedMetrics run_metrics(Engine& engine, const Dataset& dataset, const EvaluateOptions& options, KeptExamples* kept) {
  const at::NoGradGuard no_grad;
  NamedMetrics metrics;
  for (const auto& name : options.metrics) metrics.emplace_back(name, metric_kind(name).make(dataset, metric_settings(name)));
  const std::vector<std::string> labels = labels_of(options.metrics);
  std::vector<std::size_t> label_of;  // each metric's among them
  for (const auto& name : options.metrics)
    label_of.push_back(static_cast<std::size_t>(std::ranges::find(labels, metric_label(name)) - labels.begin()));
  const bool comparing = compares_with_base(options.metrics);
  if (comparing && !options.reference) throw Error(ErrorCode::internal, "metrics that compare need a reference engine");
  LoaderOptions loading;
  loading.batch = examples_at_once(dataset, options.batch, options.windows);
  loading.limit = options.limit;
  loading.fill_last = true;
  BatchLoader loader(dataset, loading);
  const std::int64_t total = options.limit > 0 ? std::min(options.limit, dataset.size()) : dataset.size();
  std::int64_t done = 0;
  AskedEngine asked(&engine, options.windows), reference(options.reference, options.windows);
  GreedyTexts texts(engine, dataset);
  BertScores meanings(texts, dataset);
  Ranks& ranks = options.ranks ? *options.ranks : alone();
  for (auto round = next_round(loader, ranks); !round.empty(); round = next_round(loader, ranks)) {
    if (const auto own = static_cast<std::size_t>(ranks.rank()); options.disturb && own < round.size()) round[own].inputs = options.disturb(round[own]);
    const auto outputs = run_round(asked.engine(), round, dataset, labels, ranks);
    const auto references = comparing ? run_round(reference.engine(), round, dataset, {""}, ranks) : RoundOutputs(round.size(), {at::Tensor()});
    for (std::size_t i = 0; i < round.size(); ++i) {
      texts.look_at(round[i]);
      meanings.look_at(round[i]);
      const std::vector<Batch> seen = seen_by(labels, round[i]);
      for (std::size_t m = 0; m < metrics.size(); ++m) {
        const std::size_t label = label_of[m];
        metrics[m].second->add({outputs[i][label], seen[label], references[i].front(), &engine, options.reference, &texts, &meanings});
      }
      if (kept) {
        kept->ids.add(round[i]);
        kept->choices.add(outputs[i].front(), round[i]);
      }
      done += round[i].inputs.empty() ? 0 : round[i].inputs.front().size(0) - round[i].filler;
    }
    if (options.progress) options.progress(done, total);
  }
  if (done == 0) throw Error(ErrorCode::data, "there are no examples to evaluate: " + dataset.info().description);
  return metrics;
}

}  // namespace

Metrics evaluate(Engine& engine, const Dataset& dataset, const EvaluateOptions& options) {
  Metrics values;
  for (const auto& [name, metric] : run_metrics(engine, dataset, options, nullptr)) values[name] = metric->value();
  return values;
}

Evaluation evaluate_examples(Engine& engine, const Dataset& dataset, const EvaluateOptions& options) {
  KeptExamples kept{ExampleIds(dataset), {}};
  Evaluation evaluation;
  for (const auto& [name, metric] : run_metrics(engine, dataset, options, &kept)) {
    evaluation.metrics[name] = metric->value();
    if (auto outcomes = metric->outcomes(); !outcomes.empty()) evaluation.outcomes.emplace(name, std::move(outcomes));
  }
  std::move(kept.choices).take(evaluation.outcomes);
  evaluation.examples = kept.ids.take();
  return evaluation;
}

}  // namespace dsc
