#include "eval/drift.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace dsc {
namespace {

constexpr std::size_t kBins = 10;

std::vector<double> sorted(std::span<const double> values) {
  std::vector<double> copy(values.begin(), values.end());
  std::sort(copy.begin(), copy.end());
  return copy;
}

// Upper ends of all bins but the last; equal ones, of values that are frequent, are one.
std::vector<double> bin_ends(std::span<const double> values) {
  const auto ordered = sorted(values);
  std::vector<double> ends;
  for (std::size_t bin = 1; bin < kBins; ++bin) {
    const double end = ordered[(ordered.size() - 1) * bin / kBins];
    if (ends.empty() || end > ends.back()) ends.push_back(end);
  }
  return ends;
}

std::vector<double> counts_in(const std::vector<double>& ends, std::span<const double> values) {
  std::vector<double> counts(ends.size() + 1, 0);
  for (const double value : values) counts[static_cast<std::size_t>(std::ranges::lower_bound(ends, value) - ends.begin())] += 1;
  return counts;
}

}  // namespace

double population_stability_index(std::span<const double> before, std::span<const double> now) {
  const auto ends = bin_ends(before);
  const auto had = counts_in(ends, before), has = counts_in(ends, now);
  double sum = 0;
  for (std::size_t bin = 0; bin < had.size(); ++bin) {
    if (had[bin] + has[bin] == 0) continue;
    const double was = std::max(had[bin], 0.5) / static_cast<double>(before.size()), is = std::max(has[bin], 0.5) / static_cast<double>(now.size());
    sum += (is - was) * std::log(is / was);
  }
  return sum;
}

double ks_statistic(std::span<const double> before, std::span<const double> now) {
  const auto x = sorted(before), y = sorted(now);
  double largest = 0;
  for (std::size_t i = 0, j = 0; i < x.size() && j < y.size();) {
    const double value = std::min(x[i], y[j]);
    while (i < x.size() && x[i] == value) ++i;
    while (j < y.size() && y[j] == value) ++j;
    largest = std::max(largest, std::abs(static_cast<double>(i) / static_cast<double>(x.size()) - static_cast<double>(j) / static_cast<double>(y.size())));
  }
  return largest;
}

double ks_probability(double statistic, double before_count, double now_count) {
  const double t = statistic * std::sqrt(before_count * now_count / (before_count + now_count));
  if (t <= 0) return 1;
  double sum = 0;
  constexpr int kTerms = 100;
  if (t < 1) {  // the theta function's other form, which converges for small t
    for (int k = 1; k <= kTerms; ++k) sum += std::exp(-std::pow((2 * k - 1) * std::numbers::pi / t, 2) / 8);
    return std::clamp(1 - std::sqrt(2 * std::numbers::pi) / t * sum, 0.0, 1.0);
  }
  for (int k = 1; k <= kTerms; ++k) sum += (k % 2 ? 1 : -1) * std::exp(-2.0 * k * k * t * t);
  return std::clamp(2 * sum, 0.0, 1.0);
}

FeatureDrift largest_drift(const std::vector<Feature>& before, const std::vector<Feature>& now) {
  FeatureDrift drift;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto &was = before[i].values, &is = now[i].values;
    const double psi = population_stability_index(was, is), ks = ks_statistic(was, is);
    if (drift.psi_feature.empty() || psi > drift.psi) {
      drift.psi = psi;
      drift.psi_feature = before[i].name;
    }
    if (!drift.ks_feature.empty() && ks <= drift.ks) continue;
    drift.ks = ks;
    drift.ks_feature = before[i].name;
    const double p = ks_probability(ks, static_cast<double>(was.size()), static_cast<double>(is.size()));
    drift.ks_p = std::min(1.0, p * static_cast<double>(before.size()));
  }
  return drift;
}

}  // namespace dsc
