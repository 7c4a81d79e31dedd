// How far the values of one feature have moved from where they were.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace dsc {

// Population-stability index over ten bins of equal counts of `before`; a bin that is empty in one of them counts as half a value.
// Below 0.1 is usually called stable, above 0.25 moved. A few hundred values are needed: chance alone makes about
// 9 (1/n + 1/m). source: Siddiqi 2006, Credit Risk Scorecards; Yurdakul 2018, Western Michigan University, chapter 3.
double population_stability_index(std::span<const double> before, std::span<const double> now);

// Largest distance between the two distribution functions. source: Smirnov 1939.
double ks_statistic(std::span<const double> before, std::span<const double> now);
// Chance of so large a distance where both come from one distribution; for large samples. source: Kolmogorov 1933.
double ks_probability(double statistic, double before_count, double now_count);

struct Feature {
  std::string name;
  std::vector<double> values;
};
struct FeatureDrift {
  std::string psi_feature, ks_feature;  // those that moved most
  double psi = 0, ks = 0;
  double ks_p = 1;                      // of that feature, times the number of features (Bonferroni)
};
// precondition: both have the same features, each with some values.
FeatureDrift largest_drift(const std::vector<Feature>& before, const std::vector<Feature>& now);

}  // namespace dsc
