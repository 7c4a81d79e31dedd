#include "core/metric_facts.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/names.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

constexpr std::array kMetrics{
    MetricFacts{.name = "top1", .is_share = true},
    MetricFacts{.name = "top5", .is_share = true},  // the label is among the best five classes
    MetricFacts{.name = "f1", .is_share = true},  // of class 1 of two
    MetricFacts{.name = "macro_f1", .is_share = true},
    MetricFacts{.name = "matthews"},  // correlation of labels and predictions
    MetricFacts{.name = "balanced_accuracy", .is_share = true},  // mean over classes of the share that is found
    MetricFacts{.name = "miou", .is_share = true},  // mean intersection over union
    MetricFacts{.name = "false_alarms", .smaller_is_better = true, .is_share = true},  // of class 1 of two
    MetricFacts{.name = "misses", .smaller_is_better = true, .is_share = true},  // of class 1 of two
    MetricFacts{.name = "auroc"},
    MetricFacts{.name = "average_precision"},
    MetricFacts{.name = "ece", .smaller_is_better = true},  // expected calibration error
    MetricFacts{.name = "brier", .smaller_is_better = true},
    MetricFacts{.name = "loss", .smaller_is_better = true},
    MetricFacts{.name = "perplexity", .smaller_is_better = true},
    MetricFacts{.name = "mse", .smaller_is_better = true},
    MetricFacts{.name = "mae", .smaller_is_better = true},
    MetricFacts{.name = "r2"},
    MetricFacts{.name = "dtw", .smaller_is_better = true},  // dynamic time warping of series
    MetricFacts{.name = "pearson"},
    MetricFacts{.name = "spearman"},
    MetricFacts{.name = "exact_match", .is_share = true},  // of answers (SQuAD), as the next
    MetricFacts{.name = "answer_f1", .is_share = true},
    MetricFacts{.name = "choice_acc", .is_share = true},  // of questions with choices
    MetricFacts{.name = "choice_acc_norm", .is_share = true},  // the same for each character
    MetricFacts{.name = "agreement", .is_share = true, .compares_with_base = true},  // the same best class
    MetricFacts{.name = "continuation_agreement", .is_share = true, .compares_with_base = true},  // the same tokens in greedy continuations of texts
    MetricFacts{.name = "kl", .smaller_is_better = true, .compares_with_base = true},  // from the base model, in nats
    MetricFacts{.name = "output_error", .smaller_is_better = true, .in_recipes = false},
};

const MetricFacts* find(const std::string& name) {
  const auto* const found = std::find_if(kMetrics.begin(), kMetrics.end(), [&](const MetricFacts& facts) { return facts.name == name; });
  return found == kMetrics.end() ? nullptr : found;
}

}  // namespace

const MetricFacts& metric_facts(const std::string& metric) {
  if (const MetricFacts* found = find(metric)) return *found;
  std::vector<std::string> names;
  for (const MetricFacts& facts : kMetrics) names.emplace_back(facts.name);
  throw Error(ErrorCode::recipe, "unknown metric `" + metric + "`", {}, suggest(metric, names));
}

bool is_share(const std::string& figure) {
  const MetricFacts* found = find(figure);
  return found && found->is_share;
}

std::span<const MetricFacts> all_metric_facts() { return kMetrics; }

double fall_of(const std::string& metric, double base, double now) { return metric_facts(metric).smaller_is_better ? now - base : base - now; }

double Drop::lost(double base, double now) const {
  const double fall = fall_of(metric, base, now);
  if (allowed.unit == "%") return 100 * fall / std::abs(base);
  return allowed.unit == "pp" ? 100 * fall : fall;
}

}  // namespace dsc
