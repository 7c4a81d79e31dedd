// Metrics of examples that may have several classes, each with a score (a logit) of its own.
#include <cmath>
#include <string>
#include <vector>

#include "dscompress/error.h"
#include "eval/ranking.h"
#include "ir/describe.h"

namespace dsc {
namespace {

// What was found of a class, what it has, and both.
struct Counts {
  double found = 0, wanted = 0, both = 0;
  double f1() const { return found + wanted > 0 ? 2 * both / (found + wanted) : 0; }
};

using ClassesFigure = double (*)(const std::vector<Ranking>& classes, const MetricSettings& settings);

// Over the classes for which it can be told.
template <class Figure, class Applies>
double mean_over(const std::vector<Ranking>& classes, const char* metric, Applies applies, Figure figure) {
  double sum = 0, count = 0;
  for (const Ranking& one : classes) {
    if (!applies(one)) continue;
    sum += figure(one);
    count += 1;
  }
  if (count > 0) return sum / count;
  throw Error(ErrorCode::data, std::string("metric `") + metric + "` needs a class that some examples have and others have not", {},
              "evaluate on more examples");
}

double mean_average_precision(const std::vector<Ranking>& classes, const MetricSettings&) {
  return mean_over(classes, "multilabel_ap", [](const Ranking& one) { return one.positives() > 0; }, average_precision);
}

double mean_area(const std::vector<Ranking>& classes, const MetricSettings&) {
  return mean_over(classes, "multilabel_auroc", [](const Ranking& one) { return one.positives() > 0 && one.negatives() > 0; }, area_under_roc);
}

Counts counts_of(const Ranking& one, const MetricSettings& settings) {
  const double share = settings.find("threshold")->second, threshold = std::log(share / (1 - share));  // as a logit
  Counts counts;
  for (std::size_t i = 0; i < one.scores.size(); ++i) {
    const bool is_found = one.scores[i] >= threshold;
    counts.found += is_found ? 1 : 0;
    counts.wanted += one.wanted[i] ? 1 : 0;
    counts.both += is_found && one.wanted[i] ? 1 : 0;
  }
  return counts;
}

double macro_f1(const std::vector<Ranking>& classes, const MetricSettings& settings) {
  double sum = 0;
  for (const Ranking& one : classes) sum += counts_of(one, settings).f1();
  return sum / static_cast<double>(classes.size());
}

double micro_f1(const std::vector<Ranking>& classes, const MetricSettings& settings) {
  Counts all;
  for (const Ranking& one : classes) {
    const Counts own = counts_of(one, settings);
    all.found += own.found;
    all.wanted += own.wanted;
    all.both += own.both;
  }
  return all.f1();
}

template <ClassesFigure figure>
class MultiLabelMetric final : public Metric {
 public:
  explicit MultiLabelMetric(MetricSettings settings) : settings_(std::move(settings)) {}

  void add(const Prediction& prediction) override {
    const at::Tensor labels = expect_multi_label(prediction, "multilabel_...").contiguous(), scores = prediction.output.contiguous();
    const std::int64_t classes = labels.size(1);
    classes_.resize(static_cast<std::size_t>(classes));
    for (std::int64_t i = 0; i < labels.numel(); ++i) {
      classes_[static_cast<std::size_t>(i % classes)].add(static_cast<double>(scores.const_data_ptr<float>()[i]),
                                                          labels.const_data_ptr<float>()[i] == 1);
    }
  }
  double value() const override { return figure(classes_, settings_); }

 private:
  MetricSettings settings_;
  std::vector<Ranking> classes_;
};

template <ClassesFigure figure>
constexpr MetricKind multi_label_kind(std::string_view name) {
  return {name, make_metric_with<MultiLabelMetric<figure>>};
}

}  // namespace

const at::Tensor& expect_multi_label(const Prediction& prediction, const char* metric) {
  const at::Tensor& target = prediction.batch.target;
  if (!prediction.batch.multi_label) {
    throw Error(ErrorCode::data,
                std::string("metric `") + metric + "` is of examples that may have several classes, and these have one label each, or none", {},
                "say multi_label: true for a label column [N, classes], or use macro_f1 or auroc");
  }
  if (prediction.output.sizes() == target.sizes()) return target;
  throw Error(ErrorCode::data,
              "labels of shape " + describe_sizes(target) + " do not fit the model's output of shape " + describe_sizes(prediction.output), {},
              "the model has one score for each class");
}

std::span<const MetricKind> multi_label_metrics() {
  static constexpr MetricKind kKinds[] = {multi_label_kind<mean_average_precision>("multilabel_ap"), multi_label_kind<mean_area>("multilabel_auroc"),
                                          multi_label_kind<macro_f1>("multilabel_macro_f1"), multi_label_kind<micro_f1>("multilabel_micro_f1")};
  return kKinds;
}

}  // namespace dsc
