// How well scores order classes, whatever the threshold: of two, class 1 is what is looked for; of more, each, and the mean counts.
#include <ATen/ops/softmax.h>

#include <string>
#include <vector>

#include "dscompress/error.h"
#include "eval/metric.h"
#include "eval/ranking.h"
#include "eval/rows.h"

namespace dsc {
namespace {

using RankingFigure = double (*)(const Ranking&);

template <RankingFigure figure>
class RankingMetric final : public Metric {
 public:
  void add(const Prediction& prediction) override {
    const Rows rows = make_labelled_rows(prediction.output, prediction.batch);
    if (rows.logits.size(1) != 2) return add_each(rows);
    const at::Tensor scores = (rows.logits.select(1, 1) - rows.logits.select(1, 0)).contiguous(), labels = rows.labels.contiguous();
    const auto& examples = prediction.batch.indices;
    const bool row_is_example = static_cast<std::int64_t>(examples.size()) == labels.numel();
    for (std::int64_t i = 0; i < labels.numel(); ++i) {
      const float score = scores.const_data_ptr<float>()[i];
      const std::int64_t label = labels.const_data_ptr<std::int64_t>()[i];
      if (label != kNoLabel) ranking_.add(static_cast<double>(score), label == 1);
      if (row_is_example) outcomes_.set(examples[static_cast<std::size_t>(i)], static_cast<double>(score), static_cast<double>(label));
    }
  }
  double value() const override {
    if (!each_.empty()) return mean_of_each();
    if (ranking_.positives() > 0 && ranking_.negatives() > 0) return figure(ranking_);
    throw Error(ErrorCode::data, "metrics `auroc` and `average_precision` need examples of both classes, and all are of class " + std::string(ranking_.positives() > 0 ? "1" : "0"), {},
                "evaluate on a split that has both, or on top1");
  }
  Outcomes outcomes() const override { return outcomes_; }

 private:
  // Of more than two classes each against all others, by its probability.
  void add_each(const Rows& rows) {
    const std::int64_t classes = rows.logits.size(1);
    const at::Tensor shares = at::softmax(rows.logits.to(at::kDouble), 1).contiguous(), labels = rows.labels.contiguous();
    each_.resize(static_cast<std::size_t>(classes));
    for (std::int64_t i = 0; i < labels.numel(); ++i) {
      const auto label = labels.const_data_ptr<std::int64_t>()[i];
      for (std::int64_t c = 0; label != kNoLabel && c < classes; ++c)
        each_[static_cast<std::size_t>(c)].add(shares.const_data_ptr<double>()[i * classes + c], label == c);
    }
  }

  // Over the classes that occur.
  double mean_of_each() const {
    double sum = 0, count = 0;
    for (const Ranking& ranking : each_) {
      if (ranking.positives() == 0 || ranking.negatives() == 0) continue;
      sum += figure(ranking);
      count += 1;
    }
    if (count > 0) return sum / count;
    throw Error(ErrorCode::data, "metrics `auroc` and `average_precision` need examples of several classes, and all are of one", {},
                "evaluate on a split that has others, or on top1");
  }

  Ranking ranking_;
  std::vector<Ranking> each_;  // of more than two classes
  Outcomes outcomes_;
};

// A resample without one of the classes says nothing about their order: as good as chance.
constexpr double kChance = 0.5;

template <RankingFigure figure>
Figure ranking_figure(const Outcomes& outcomes, const MetricSettings&) {
  return [&outcomes](std::span<const std::int64_t> examples) {
    Ranking ranking;
    for (const auto example : examples) {
      const auto i = static_cast<std::size_t>(example);
      if (outcomes.against[i] == static_cast<float>(kNoLabel)) continue;
      ranking.add(static_cast<double>(outcomes.value[i]), outcomes.against[i] == 1);
    }
    return ranking.positives() > 0 && ranking.negatives() > 0 ? figure(ranking) : kChance;
  };
}

template <RankingFigure figure>
constexpr MetricKind ranking_kind(std::string_view name) {
  return {name, make_metric_of<RankingMetric<figure>>, ranking_figure<figure>};
}

}  // namespace

std::span<const MetricKind> ranking_metrics() {
  static constexpr MetricKind kKinds[] = {ranking_kind<area_under_roc>("auroc"), ranking_kind<average_precision>("average_precision")};
  return kKinds;
}

}  // namespace dsc
