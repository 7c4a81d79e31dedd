#include "train/monitor.h"

#include <vector>

#include "core/metric_facts.h"
#include "core/names.h"

namespace dsc {

namespace {

[[noreturn]] void fail_without_metrics(const std::string& what) {
  throw Error(ErrorCode::recipe, what + " goes by a metric, and the recipe measures none", {}, "add the metric to evaluate.metrics");
}

}  // namespace

std::string choose_monitor(const Metrics& metrics, const std::string& wish) {
  const auto choice = wish.empty() ? std::string("top1") : wish;
  if (metrics.contains(choice)) return choice;
  if (wish.empty() && metrics.size() == 1) return metrics.begin()->first;
  std::vector<std::string> names;
  for (const auto& [name, value] : metrics) names.push_back(name);
  if (names.empty()) fail_without_metrics("the choice of the best weights");
  if (wish.empty()) throw Error(ErrorCode::recipe, "several metrics could decide which weights are best", {}, "set monitor; " + suggest("", names));
  throw Error(ErrorCode::recipe, "monitor: `" + wish + "` is not among the metrics of this recipe", {}, suggest(wish, names));
}

std::string choose_deciding_metric(const Metrics& metrics, const std::string& what) {
  if (metrics.contains("top1")) return "top1";
  if (metrics.size() == 1) return metrics.begin()->first;
  if (metrics.empty()) fail_without_metrics(what);
  std::string names;
  for (const auto& [name, value] : metrics) names += (names.empty() ? "" : ", ") + name;
  throw Error(ErrorCode::recipe, what + " goes by one metric, and the recipe measures several: " + names, {},
              "keep in evaluate.metrics the one that decides, or add top1, which decides beside others");
}

void require_validation(const PassContext& context, const std::string& pointer) {
  if (context.has_data(Split::valid)) return;
  throw Error(ErrorCode::recipe, pointer.substr(pointer.rfind('/') + 1) + " needs a validation split, and the recipe has none", {.pointer = pointer},
              "add data.valid, for example the last part of the training data: split: \"train[-5000:]\"");
}

Drop choose_drop(const Metrics& metrics, const Quantity& allowed, const std::string& pointer) {
  const std::string what = pointer.substr(pointer.rfind('/') + 1);
  try {
    const auto metric = choose_deciding_metric(metrics, what);
    if (allowed.unit == "%" || is_share(metric)) return {metric, allowed};
    throw Error(ErrorCode::recipe, metric + " is no percentage: " + what + " cannot be in pp", {}, "use %, of the base's value");
  } catch (Error& error) {
    throw error.add_place({.pointer = pointer});
  }
}

bool Monitor::update(const Metrics& metrics, double epoch, const std::string& wish) {
  if (metric.empty()) metric = choose_monitor(metrics, wish);
  const auto value = metrics.at(metric);
  if (best_epoch >= 0 && !(metric_facts(metric).smaller_is_better ? value < best : value > best)) {
    ++worse;
    return false;
  }
  best = value;
  best_epoch = epoch;
  worse = 0;
  return true;
}

void Monitor::fields(FieldVisitor& visit) {
  visit("metric", metric, {.text = "Its name."});
  visit("best", best, {.text = "Its best value."});
  visit("best_epoch", best_epoch, {.text = "When that was; -1: none yet.", .unit = "epochs"});
  visit("worse", worse, {.text = "Validations since."});
}

}  // namespace dsc
