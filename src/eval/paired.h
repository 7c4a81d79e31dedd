// Whether one model is worse than another: from what both made of the same examples, or from repeated timings.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "eval/outcomes.h"

namespace dsc {

struct Interval {
  double low = 0, high = 0;
};

// Exact test of McNemar, two-sided: `lost` examples only the first model had right, `won` only the second. returns: p.
// source: McNemar 1947, doi:10.1007/BF02295996; binomial with p = 1/2.
double mcnemar_exact(std::int64_t lost, std::int64_t won);

struct ResampleOptions {
  double confidence = 0.9;
  std::int64_t resamples = 2000;
  std::uint64_t seed = 0;
};

// Percentile interval of second - first, both figures computed from the same resampled examples of `count`.
// source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 13.3.
Interval bootstrap_difference(const Figure& first, const Figure& second, std::int64_t count, const ResampleOptions& options);

// Interval of the mean, by the normal distribution; for hundreds of values and more.
Interval normal_interval(std::span<const double> values, double confidence);
double normal_quantile(double probability);  // in (0, 1)

// Test of Mann and Whitney, two-sided: normal approximation with ties and continuity correction. returns: p.
double mann_whitney(std::span<const double> x, std::span<const double> y);

double median(std::vector<double> values);  // precondition: there are some
// Percentile interval of median(y) / median(x). Timings of one process are correlated: give medians of rounds.
Interval bootstrap_median_ratio(std::span<const double> x, std::span<const double> y, const ResampleOptions& options);

// Whether a difference (new - old, larger is better) is above -margin, and how sure that is.
struct NonInferiority {
  enum class Verdict : std::uint8_t { better_than_margin, worse_than_margin, not_enough_data };
  Verdict verdict = Verdict::not_enough_data;
  double difference = 0;
  double low = 0, high = 0;               // one-sided bounds at the confidence asked for
  std::optional<std::int64_t> more;       // about how many further examples would decide; none: no number would
};
// differences: of each example. confidence: of the one-sided bound, 0.95. source: Walker and Nowacki 2011,
// doi:10.1007/s11606-010-1513-8.
NonInferiority test_non_inferiority(std::span<const double> differences, double margin, double confidence);

}  // namespace dsc
