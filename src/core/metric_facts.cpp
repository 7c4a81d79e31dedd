#include "core/metric_facts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

#include "core/names.h"
#include "core/printed.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

constexpr double kAny = 1e9;
constexpr std::array kWarpingSettings{MetricSetting{
    .name = "band", .text = "How far two series may be apart at any point (Sakoe-Chiba band); 0: any distance.", .most = kAny, .unit = "steps"}};
constexpr std::array kSoftWarpingSettings{MetricSetting{
    .name = "gamma", .text = "How soft the minimum over ways is; towards 0 it is that of dtw, squared.", .usual = 1, .least = 1e-6, .most = kAny}};

constexpr MetricSetting kThreshold{.name = "threshold", .text = "Probability from which on a class counts as found.", .usual = 0.5, .most = 1};
constexpr std::array kMissSettings{kThreshold};
constexpr std::array kFalseAlarmSettings{
    kThreshold, MetricSetting{.name = "recall",
                              .text = "Share of class 1 that has to be found: the threshold is the highest at which it is; 0: `threshold` decides.",
                              .most = 1}};
constexpr std::array kDetectionSettings{
    MetricSetting{.name = "nms",
                  .text = "Of boxes of one category that overlap by more than this, only the best stays; 1: all stay.",
                  .usual = 1,
                  .most = 1,
                  .unit = "intersection over union"},
    MetricSetting{.name = "score", .text = "Boxes with a lower score are left out.", .least = -kAny, .most = kAny}};

constexpr MetricSetting kTokens{
    .name = "tokens", .text = "A text ends here if not before.", .usual = 64, .least = 1, .most = 65536, .unit = "tokens"};
constexpr std::array kGenerationSettings{kTokens};
constexpr std::array kBertScoreSettings{
    kTokens, MetricSetting{.name = "output", .text = "Of the encoder, from 0: the layer whose vectors are compared.", .most = kAny},
    MetricSetting{.name = "idf", .text = "1: tokens that are rare in the references count more; 0: all alike.", .most = 1}};

constexpr std::array kMetrics{
    MetricFacts{.name = "top1", .is_share = true},
    MetricFacts{.name = "top5", .is_share = true},  // the label is among the best five classes
    MetricFacts{.name = "f1", .is_share = true},    // of class 1 of two
    MetricFacts{.name = "macro_f1", .is_share = true},
    MetricFacts{.name = "matthews"},                             // correlation of labels and predictions
    MetricFacts{.name = "balanced_accuracy", .is_share = true},  // mean over classes of the share that is found
    MetricFacts{.name = "kappa"},                                // Cohen's: agreement of labels and predictions beyond chance
    MetricFacts{.name = "miou", .is_share = true},               // mean intersection over union
    MetricFacts{.name = "pixel_accuracy", .is_share = true},     // share of pixels whose class is right
    MetricFacts{.name = "boundary_f1", .is_share = true},
    MetricFacts{.name = "false_alarms", .smaller_is_better = true, .is_share = true, .settings = kFalseAlarmSettings},  // of class 1 of two
    MetricFacts{.name = "misses", .smaller_is_better = true, .is_share = true, .settings = kMissSettings},              // of class 1 of two
    MetricFacts{.name = "auroc"},
    MetricFacts{.name = "average_precision"},
    MetricFacts{.name = "multilabel_ap", .is_share = true},
    MetricFacts{.name = "multilabel_auroc"},
    MetricFacts{.name = "multilabel_macro_f1", .is_share = true, .settings = kMissSettings},
    MetricFacts{.name = "multilabel_micro_f1", .is_share = true, .settings = kMissSettings},
    MetricFacts{.name = "ece", .smaller_is_better = true},  // expected calibration error
    MetricFacts{.name = "brier", .smaller_is_better = true},
    MetricFacts{.name = "loss", .smaller_is_better = true},
    MetricFacts{.name = "perplexity", .smaller_is_better = true},
    MetricFacts{.name = "mse", .smaller_is_better = true},
    MetricFacts{.name = "mae", .smaller_is_better = true},
    MetricFacts{.name = "r2"},
    MetricFacts{.name = "dtw", .smaller_is_better = true, .settings = kWarpingSettings},  // dynamic time warping of series
    MetricFacts{.name = "soft_dtw", .smaller_is_better = true, .settings = kSoftWarpingSettings},
    MetricFacts{
        .name = "dtw_1nn", .is_share = true, .of_label = false, .settings = kWarpingSettings},  // the class of the nearest series of data.train
    MetricFacts{.name = "pearson"},
    MetricFacts{.name = "spearman"},
    MetricFacts{.name = "map", .is_share = true, .of_label = false, .settings = kDetectionSettings},
    MetricFacts{.name = "map_50", .is_share = true, .of_label = false, .settings = kDetectionSettings},
    MetricFacts{.name = "map_75", .is_share = true, .of_label = false, .settings = kDetectionSettings},
    MetricFacts{.name = "map_small", .is_share = true, .of_label = false, .settings = kDetectionSettings},
    MetricFacts{.name = "map_medium", .is_share = true, .of_label = false, .settings = kDetectionSettings},
    MetricFacts{.name = "map_large", .is_share = true, .of_label = false, .settings = kDetectionSettings},
    MetricFacts{.name = "mar_100", .is_share = true, .of_label = false, .settings = kDetectionSettings},
    MetricFacts{.name = "exact_match", .is_share = true, .of_label = false},  // of answers (SQuAD), as the next
    MetricFacts{.name = "answer_f1", .is_share = true, .of_label = false},
    MetricFacts{.name = "choice_acc", .is_share = true, .of_label = false},       // of questions with choices
    MetricFacts{.name = "choice_acc_norm", .is_share = true, .of_label = false},  // the same for each character
    MetricFacts{.name = "bleu", .is_share = true, .of_label = false, .settings = kGenerationSettings},
    MetricFacts{.name = "chrf", .is_share = true, .of_label = false, .settings = kGenerationSettings},
    MetricFacts{.name = "rouge1", .is_share = true, .of_label = false, .settings = kGenerationSettings},
    MetricFacts{.name = "rouge2", .is_share = true, .of_label = false, .settings = kGenerationSettings},
    MetricFacts{.name = "rougel", .is_share = true, .of_label = false, .settings = kGenerationSettings},
    MetricFacts{.name = "bertscore_precision", .is_share = true, .of_label = false, .settings = kBertScoreSettings},
    MetricFacts{.name = "bertscore_recall", .is_share = true, .of_label = false, .settings = kBertScoreSettings},
    MetricFacts{.name = "bertscore_f1", .is_share = true, .of_label = false, .settings = kBertScoreSettings},
    MetricFacts{.name = "agreement", .is_share = true, .compares_with_base = true, .of_label = false},  // the same best class
    MetricFacts{.name = "continuation_agreement",
                .is_share = true,
                .compares_with_base = true,
                .of_label = false},  // the same tokens in greedy continuations of texts
    MetricFacts{.name = "kl", .smaller_is_better = true, .compares_with_base = true, .of_label = false},  // from the base model, in nats
    MetricFacts{.name = "output_error", .smaller_is_better = true, .of_label = false, .in_recipes = false},
};

// "dtw" of "dtw(band=10)".
std::string_view name_in(std::string_view metric) { return metric.substr(0, metric.find('(')); }

constexpr std::string_view kLabel = "label";

// "label=price" and "band=10" of "dtw(label=price band=10)".
std::vector<std::string_view> parts_in(std::string_view metric) {
  std::string_view inside = metric.substr(name_in(metric).size());
  std::vector<std::string_view> parts;
  if (inside.starts_with('(')) inside.remove_prefix(1);
  if (inside.ends_with(')')) inside.remove_suffix(1);
  while (!inside.empty()) {
    parts.push_back(inside.substr(0, inside.find(' ')));
    inside.remove_prefix(std::min(inside.size(), parts.back().size() + 1));
  }
  return parts;
}

const MetricFacts* find(const std::string& metric) {
  const std::string_view name = name_in(metric);
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

std::string metric_text(std::string_view name, const MetricSettings& settings, const std::string& label) {
  std::string inside = label.empty() ? "" : std::string(kLabel) + "=" + label;
  for (const MetricSetting& setting : metric_facts(std::string(name)).settings) {
    const auto found = settings.find(setting.name);
    if (found != settings.end() && found->second != setting.usual)
      inside += (inside.empty() ? "" : " ") + printed("%.*s=%.10g", static_cast<int>(setting.name.size()), setting.name.data(), found->second);
  }
  return inside.empty() ? std::string(name) : std::string(name) + "(" + inside + ")";
}

std::string metric_label(const std::string& metric) {
  for (const std::string_view part : parts_in(metric)) {
    if (part.starts_with(kLabel) && part.substr(kLabel.size()).starts_with('=')) return std::string(part.substr(kLabel.size() + 1));
  }
  return {};
}

MetricSettings metric_settings(const std::string& metric) {
  MetricSettings settings;
  for (const MetricSetting& setting : metric_facts(metric).settings) settings.emplace(setting.name, setting.usual);
  const std::string name(name_in(metric));
  for (const std::string_view part : parts_in(metric)) {
    const auto equals = part.find('=');
    if (part.substr(0, equals) == kLabel && metric_facts(metric).of_label) continue;
    const auto found = settings.find(part.substr(0, equals));
    const char* const end = part.data() + part.size();
    if (found != settings.end() && equals != std::string_view::npos && std::from_chars(part.data() + equals + 1, end, found->second).ptr == end)
      continue;
    throw Error(ErrorCode::recipe, "`" + std::string(part) + "` is no setting of the metric `" + name + "`", {},
                "write it as reports do: dtw(band=10)");
  }
  return settings;
}

bool is_share(const std::string& figure) {
  const MetricFacts* found = find(figure);
  return found && found->is_share;
}

std::span<const MetricFacts> all_metric_facts() { return kMetrics; }

double fall_of(const std::string& metric, double base, double now) { return metric_facts(metric).smaller_is_better ? now - base : base - now; }

double Drop::lost(double base, double now) const {
  const double fall = fall_of(metric, base, now);
  if (allowed.unit == "%" && base == 0) return fall <= 0 ? 0 : std::numeric_limits<double>::infinity();
  if (allowed.unit == "%") return 100 * fall / std::abs(base);
  return allowed.unit == "pp" ? 100 * fall : fall;
}

}  // namespace dsc
