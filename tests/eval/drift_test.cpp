// Drift of features against scipy's and numpy's figures, as scripts/make_statistics_fixtures.py recorded them.
#include "eval/drift.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/file.h"

namespace dsc {
namespace {

using Json = nlohmann::json;

TEST(Drift, EqualsScipyAndNumpy) {
  const auto recorded = Json::parse(read_file(DSC_SOURCE_DIR "/tests/fixtures/statistics.json")).at("drift");
  ASSERT_FALSE(recorded.empty());
  for (const auto& entry : recorded) {
    const auto before = entry.at("before").get<std::vector<double>>(), now = entry.at("now").get<std::vector<double>>();
    const double ks = ks_statistic(before, now);
    EXPECT_NEAR(ks, entry.at("ks").get<double>(), 1e-12);
    EXPECT_NEAR(ks_probability(ks, static_cast<double>(before.size()), static_cast<double>(now.size())), entry.at("p").get<double>(), 1e-9);
    EXPECT_NEAR(population_stability_index(before, now), entry.at("psi").get<double>(), 1e-9);
  }
}

TEST(Drift, OfAFeatureThatMovedIsNamed) {
  std::vector<double> up, same;
  for (int i = 0; i < 500; ++i) {
    same.push_back(i);
    up.push_back(i + 250);
  }
  const auto drift = largest_drift({{"a", same}, {"b", same}}, {{"a", same}, {"b", up}});
  EXPECT_EQ(drift.psi_feature, "b");
  EXPECT_EQ(drift.ks_feature, "b");
  EXPECT_DOUBLE_EQ(drift.ks, 0.5);
  EXPECT_LT(drift.ks_p, 1e-6);
  const auto none = largest_drift({{"a", same}}, {{"a", same}});
  EXPECT_EQ(none.psi, 0);
  EXPECT_EQ(none.ks, 0);
  EXPECT_EQ(none.ks_p, 1);
}

}  // namespace
}  // namespace dsc
