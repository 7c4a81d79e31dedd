// False alarms and misses at a threshold, or at a share of class 1 that has to be found.
#include <ATen/ops/softmax.h>

#include <string>

#include "dscompress/error.h"
#include "eval/ranking.h"
#include "eval/rows.h"

namespace dsc {
namespace {

double setting(const MetricSettings& settings, std::string_view name) {
  const auto found = settings.find(name);
  return found == settings.end() ? 0 : found->second;
}

// 0 without any example that the rate is of.
double rate_of(AtThreshold rate, const Ranking& ranking, const MetricSettings& settings) {
  const double recall = setting(settings, "recall");
  const double threshold = recall > 0 && ranking.positives() > 0 ? threshold_for(ranking, recall) : setting(settings, "threshold");
  double reached = 0, all = 0;
  for (std::size_t i = 0; i < ranking.scores.size(); ++i) {
    if (ranking.wanted[i] != (rate == AtThreshold::misses)) continue;
    reached += ranking.scores[i] >= threshold ? 1 : 0;
    all += 1;
  }
  if (all == 0) return 0;
  return rate == AtThreshold::misses ? 1 - reached / all : reached / all;
}

class ThresholdMetric final : public Metric {
 public:
  ThresholdMetric(AtThreshold rate, MetricSettings settings) : rate_(rate), settings_(std::move(settings)) {}

  void add(const Prediction& prediction) override {
    const Rows rows = make_labelled_rows(prediction.output, prediction.batch);
    if (rows.logits.size(1) != 2) {
      throw Error(
          ErrorCode::data,
          "metrics `false_alarms` and `misses` are those of class 1 of two, and the model has " + std::to_string(rows.logits.size(1)) + " classes",
          {}, "use macro_f1 or balanced_accuracy");
    }
    const at::Tensor shares = at::softmax(rows.logits.to(at::kDouble), 1).select(1, 1).contiguous(), labels = rows.labels.contiguous();
    const auto& examples = prediction.batch.indices;
    const bool row_is_example = static_cast<std::int64_t>(examples.size()) == labels.numel();
    for (std::int64_t i = 0; i < labels.numel(); ++i) {
      const double share = shares.const_data_ptr<double>()[i];
      const auto label = labels.const_data_ptr<std::int64_t>()[i];
      if (label != kNoLabel) ranking_.add(share, label == 1);
      if (row_is_example) outcomes_.set(examples[static_cast<std::size_t>(i)], share, static_cast<double>(label));
    }
  }
  double value() const override { return rate_of(rate_, ranking_, settings_); }
  Outcomes outcomes() const override { return outcomes_; }

 private:
  AtThreshold rate_;
  MetricSettings settings_;
  Ranking ranking_;
  Outcomes outcomes_;
};

}  // namespace

bool has_own_threshold(const MetricSettings& settings) {
  constexpr double kBestOfTwo = 0.5;
  return setting(settings, "threshold") != kBestOfTwo || setting(settings, "recall") > 0;
}

std::unique_ptr<Metric> make_threshold_metric(AtThreshold rate, const MetricSettings& settings) {
  return std::make_unique<ThresholdMetric>(rate, settings);
}

Figure threshold_figure(AtThreshold rate, const Outcomes& outcomes, const MetricSettings& settings) {
  return [rate, settings, &outcomes](std::span<const std::int64_t> examples) {
    Ranking ranking;
    for (const auto example : examples) {
      const auto i = static_cast<std::size_t>(example);
      if (outcomes.against[i] != static_cast<float>(kNoLabel)) ranking.add(static_cast<double>(outcomes.value[i]), outcomes.against[i] == 1);
    }
    return rate_of(rate, ranking, settings);
  };
}

}  // namespace dsc
