// How well scores order two classes, whatever the threshold: class 1 is what is looked for.
#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

#include "dscompress/error.h"
#include "eval/metric.h"
#include "eval/regression.h"
#include "eval/rows.h"

namespace dsc {
namespace {

// Scores, and whether each is one of class 1.
struct Ranking {
  std::vector<double> scores;
  std::vector<bool> wanted;
  double positives() const { return static_cast<double>(std::ranges::count(wanted, true)); }
  double negatives() const { return static_cast<double>(wanted.size()) - positives(); }
};

// The probability that one of class 1 scores higher than one of class 0, ties counting half. source: Hanley and McNeil 1982,
// doi:10.1148/radiology.143.1.7063747.
double area_under_roc(const Ranking& ranking) {
  const auto ranks = ranks_of(ranking.scores);
  const double positives = ranking.positives(), negatives = ranking.negatives();
  double sum = 0;
  for (std::size_t i = 0; i < ranks.size(); ++i) sum += ranking.wanted[i] ? ranks[i] : 0;
  return (sum - positives * (positives + 1) / 2) / (positives * negatives);
}

// Precision at each threshold, weighted by the recall that it adds; equal scores share a threshold.
double average_precision(const Ranking& ranking) {
  std::vector<std::size_t> order(ranking.scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return ranking.scores[a] > ranking.scores[b]; });
  double found = 0, sum = 0;
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    double here = 0;
    for (; end < order.size() && ranking.scores[order[end]] == ranking.scores[order[begin]]; ++end) here += ranking.wanted[order[end]] ? 1 : 0;
    found += here;
    sum += here * found / static_cast<double>(end);
  }
  return sum / ranking.positives();
}

using RankingFigure = double (*)(const Ranking&);

template <RankingFigure figure>
class RankingMetric final : public Metric {
 public:
  void add(const Prediction& prediction) override {
    const Rows rows = make_labelled_rows(prediction.output, prediction.batch);
    if (rows.logits.size(1) != 2) {
      throw Error(ErrorCode::data, "metrics `auroc` and `average_precision` order two classes, and the model has " + std::to_string(rows.logits.size(1)), {}, "use macro_f1 or brier");
    }
    const at::Tensor scores = (rows.logits.select(1, 1) - rows.logits.select(1, 0)).contiguous(), labels = rows.labels.contiguous();
    const auto& examples = prediction.batch.indices;
    const bool row_is_example = static_cast<std::int64_t>(examples.size()) == labels.numel();
    for (std::int64_t i = 0; i < labels.numel(); ++i) {
      const float score = scores.const_data_ptr<float>()[i];
      const std::int64_t label = labels.const_data_ptr<std::int64_t>()[i];
      if (label != kNoLabel) {
        ranking_.scores.push_back(static_cast<double>(score));
        ranking_.wanted.push_back(label == 1);
      }
      if (row_is_example) outcomes_.set(examples[static_cast<std::size_t>(i)], static_cast<double>(score), static_cast<double>(label));
    }
  }
  double value() const override {
    if (ranking_.positives() > 0 && ranking_.negatives() > 0) return figure(ranking_);
    throw Error(ErrorCode::data, "metrics `auroc` and `average_precision` need examples of both classes, and all are of class " + std::string(ranking_.positives() > 0 ? "1" : "0"), {},
                "evaluate on a split that has both, or on top1");
  }
  Outcomes outcomes() const override { return outcomes_; }

 private:
  Ranking ranking_;
  Outcomes outcomes_;
};

// A resample without one of the classes says nothing about their order: as good as chance.
constexpr double kChance = 0.5;

template <RankingFigure figure>
Figure ranking_figure(const Outcomes& outcomes) {
  return [&outcomes](std::span<const std::int64_t> examples) {
    Ranking ranking;
    for (const auto example : examples) {
      const auto i = static_cast<std::size_t>(example);
      if (outcomes.against[i] == static_cast<float>(kNoLabel)) continue;
      ranking.scores.push_back(static_cast<double>(outcomes.value[i]));
      ranking.wanted.push_back(outcomes.against[i] == 1);
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
