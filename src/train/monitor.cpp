#include "train/monitor.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "core/names.h"

namespace dsc {

bool smaller_is_better(const std::string& metric) {
  static constexpr std::array<std::string_view, 7> kParts = {"loss", "mse", "mae", "error", "perplexity", "distance", "kl"};
  return std::any_of(kParts.begin(), kParts.end(), [&](std::string_view part) { return metric.find(part) != std::string::npos; });
}

std::string choose_monitor(const Metrics& metrics, const std::string& wish) {
  const auto choice = wish.empty() ? std::string("top1") : wish;
  if (metrics.contains(choice)) return choice;
  if (wish.empty() && metrics.size() == 1) return metrics.begin()->first;
  std::vector<std::string> names;
  for (const auto& [name, value] : metrics) names.push_back(name);
  if (wish.empty()) throw Error(ErrorCode::recipe, "several metrics could decide which weights are best", {}, "set monitor; " + suggest("", names));
  throw Error(ErrorCode::recipe, "monitor: `" + wish + "` is not among the metrics of this recipe", {}, suggest(wish, names));
}

bool Monitor::update(const Metrics& metrics, double epoch, const std::string& wish) {
  if (metric.empty()) metric = choose_monitor(metrics, wish);
  const auto value = metrics.at(metric);
  if (best_epoch >= 0 && !(smaller_is_better(metric) ? value < best : value > best)) {
    ++worse;
    return false;
  }
  best = value;
  best_epoch = epoch;
  worse = 0;
  return true;
}

}  // namespace dsc
