#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace dsc {
namespace {

// From `a` at share 0 to `b` at share 1 along half a cosine wave.
double cosine(double a, double b, double share) { return b + (a - b) * 0.5 * (1 + std::cos(std::numbers::pi * share)); }

double factor_at(const ConstantLr&, double) { return 1; }
double factor_at(const CosineLr& c, double share) { return cosine(1, c.final_fraction, share); }
double factor_at(const LinearLr& c, double share) { return 1 + (c.final_fraction - 1) * share; }
double factor_at(const StepLr& c, double share) {
  const auto passed = std::count_if(c.at.begin(), c.at.end(), [&](double at) { return share >= at; });
  return std::pow(c.factor, static_cast<double>(passed));
}
double factor_at(const OneCycleLr& c, double share) {
  if (share < c.peak_at) return cosine(c.start_fraction, 1, share / c.peak_at);
  return cosine(1, c.final_fraction, c.peak_at < 1 ? (share - c.peak_at) / (1 - c.peak_at) : 1);
}

}  // namespace

double learning_rate(const ScheduleConfig& schedule, double base_lr, double position, double epochs, double warmup) {
  if (position < warmup) return base_lr * position / warmup;
  const double length = epochs - warmup;
  const double share = length > 0 ? std::clamp((position - warmup) / length, 0.0, 1.0) : 1;
  return base_lr * std::visit([&](const auto& config) { return factor_at(config, share); }, schedule);
}

}  // namespace dsc
