#include "eval/paired.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>

#include "core/random.h"
#include "eval/percentile.h"

namespace dsc {
namespace {

double log_choose(double n, double k) { return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1); }

double normal_cdf(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }

Interval percentile_interval(std::vector<double> values, double confidence) {
  std::sort(values.begin(), values.end());
  const double tail = (1 - confidence) / 2;
  return {percentile(values, tail), percentile(values, 1 - tail)};
}

double mean_of(std::span<const double> values) { return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()); }

// With n - 1 in the denominator.
double deviation_of(std::span<const double> values, double mean) {
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return values.size() > 1 ? std::sqrt(sum / static_cast<double>(values.size() - 1)) : 0;
}

}  // namespace

double mcnemar_exact(std::int64_t lost, std::int64_t won) {
  const auto n = static_cast<double>(lost + won);
  if (n == 0) return 1;
  double tail = 0;
  for (std::int64_t k = 0; k <= std::min(lost, won); ++k) tail += std::exp(log_choose(n, static_cast<double>(k)) - n * std::numbers::ln2);
  return std::min(1.0, 2 * tail);
}

Interval bootstrap_difference(const Figure& first, const Figure& second, std::int64_t count, const ResampleOptions& options) {
  Random random(derive_seed(options.seed, "bootstrap"));
  std::vector<std::int64_t> chosen(static_cast<std::size_t>(count));
  std::vector<double> differences;
  for (std::int64_t i = 0; i < options.resamples; ++i) {
    for (auto& example : chosen) example = random.below(count);
    differences.push_back(second(chosen) - first(chosen));
  }
  return percentile_interval(std::move(differences), options.confidence);
}

Interval normal_interval(std::span<const double> values, double confidence) {
  const double mean = mean_of(values);
  const double half = normal_quantile((1 + confidence) / 2) * deviation_of(values, mean) / std::sqrt(static_cast<double>(values.size()));
  return {mean - half, mean + half};
}

// Newton's method on the distribution function, from the logistic approximation; converges to the last digits.
double normal_quantile(double probability) {
  double z = std::log(probability / (1 - probability)) / 1.702;
  for (int i = 0; i < 50; ++i) {
    const double density = std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
    const double step = std::clamp((normal_cdf(z) - probability) / std::max(density, std::numeric_limits<double>::min()), -1.0, 1.0);
    z -= step;
    if (std::abs(step) < 1e-15 * std::max(1.0, std::abs(z))) break;
  }
  return z;
}

double mann_whitney(std::span<const double> x, std::span<const double> y) {
  std::vector<std::pair<double, bool>> all;
  for (const double value : x) all.emplace_back(value, true);
  for (const double value : y) all.emplace_back(value, false);
  std::sort(all.begin(), all.end());
  const auto n1 = static_cast<double>(x.size()), n2 = static_cast<double>(y.size()), n = n1 + n2;
  double rank_sum = 0, ties = 0;
  for (std::size_t begin = 0, end = 0; begin < all.size(); begin = end) {
    while (end < all.size() && all[end].first == all[begin].first) ++end;
    const auto tied = static_cast<double>(end - begin);
    const double rank = static_cast<double>(begin + end + 1) / 2;
    for (std::size_t i = begin; i < end; ++i) rank_sum += all[i].second ? rank : 0;
    ties += tied * tied * tied - tied;
  }
  const double u = rank_sum - n1 * (n1 + 1) / 2;
  const double deviation = std::sqrt(n1 * n2 / 12 * (n + 1 - ties / (n * (n - 1))));
  if (!(deviation > 0)) return 1;
  return std::min(1.0, std::erfc((std::abs(u - n1 * n2 / 2) - 0.5) / deviation / std::numbers::sqrt2));
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return percentile(values, 0.5);
}

Interval bootstrap_median_ratio(std::span<const double> x, std::span<const double> y, const ResampleOptions& options) {
  Random random(derive_seed(options.seed, "median ratio"));
  const auto resampled_median = [&](std::span<const double> from) {
    std::vector<double> chosen(from.size());
    for (double& value : chosen) value = from[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(from.size())))];
    return median(std::move(chosen));
  };
  std::vector<double> ratios;
  for (std::int64_t i = 0; i < options.resamples; ++i) ratios.push_back(resampled_median(y) / resampled_median(x));
  return percentile_interval(std::move(ratios), options.confidence);
}

NonInferiority test_non_inferiority(std::span<const double> differences, double margin, double confidence) {
  NonInferiority result;
  const auto n = static_cast<double>(differences.size());
  result.difference = mean_of(differences);
  const double deviation = deviation_of(differences, result.difference), z = normal_quantile(confidence);
  // Differences of 0 and 1 that never occurred still may: at most 3 in n (rule of three, Hanley and Lippman-Hand 1983).
  const double half = std::max(z * deviation / std::sqrt(n), deviation > 0 ? 0 : 3 / n);
  result.low = result.difference - half;
  result.high = result.difference + half;
  using Verdict = NonInferiority::Verdict;
  if (result.low > -margin) result.verdict = Verdict::better_than_margin;
  else if (result.high <= -margin) result.verdict = Verdict::worse_than_margin;
  if (result.verdict != Verdict::not_enough_data) return result;
  const double distance = std::abs(result.difference + margin);
  const double needed = deviation > 0 ? std::pow(z * deviation / distance, 2) : 3 / distance;
  if (std::isfinite(needed) && needed < 1e12) result.more = std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(needed - n)));
  return result;
}

}  // namespace dsc
