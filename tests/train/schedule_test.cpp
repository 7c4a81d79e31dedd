#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

namespace dsc {
namespace {

TEST(LearningRate, CosineEqualsTorch) {
  nlohmann::json json;
  std::ifstream(DSC_SOURCE_DIR "/tests/fixtures/optimizers.json") >> json;
  const auto expected = json.at("cosine").get<std::vector<double>>();  // 12 steps in 3 epochs of 4
  for (std::size_t step = 0; step < 12; ++step) {
    EXPECT_NEAR(learning_rate(CosineLr{.final_fraction = 0.1}, 0.1, static_cast<double>(step) / 4, 3, 0), expected[step], 1e-12);
  }
}

TEST(LearningRate, ConstantAndLinear) {
  EXPECT_DOUBLE_EQ(learning_rate(ConstantLr{}, 0.2, 7, 10, 0), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(LinearLr{}, 0.2, 0, 10, 0), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(LinearLr{}, 0.2, 5, 10, 0), 0.1);
  EXPECT_NEAR(learning_rate(LinearLr{.final_fraction = 0.5}, 0.2, 10, 10, 0), 0.1, 1e-15);
}

TEST(LearningRate, StepMultipliesAtEachPoint) {
  const StepLr config{.at = {0.5, 0.75}, .factor = 0.1};
  EXPECT_DOUBLE_EQ(learning_rate(config, 1, 4.9, 10, 0), 1);
  EXPECT_DOUBLE_EQ(learning_rate(config, 1, 5, 10, 0), 0.1);
  EXPECT_NEAR(learning_rate(config, 1, 7.5, 10, 0), 0.01, 1e-15);
}

TEST(LearningRate, OneCycleRisesAndFalls) {
  const OneCycleLr config{.peak_at = 0.25, .start_fraction = 0.04, .final_fraction = 0.01};
  EXPECT_NEAR(learning_rate(config, 1, 0, 8, 0), 0.04, 1e-12);
  EXPECT_NEAR(learning_rate(config, 1, 1, 8, 0), (0.04 + 1) / 2, 1e-12);
  EXPECT_NEAR(learning_rate(config, 1, 2, 8, 0), 1, 1e-12);
  EXPECT_NEAR(learning_rate(config, 1, 5, 8, 0), (1 + 0.01) / 2, 1e-12);
  EXPECT_NEAR(learning_rate(config, 1, 8, 8, 0), 0.01, 1e-12);
}

TEST(LearningRate, WarmUpRisesLinearlyThenTheScheduleBegins) {
  EXPECT_DOUBLE_EQ(learning_rate(LinearLr{}, 0.4, 0, 10, 2), 0);
  EXPECT_DOUBLE_EQ(learning_rate(LinearLr{}, 0.4, 0.5, 10, 2), 0.1);
  EXPECT_DOUBLE_EQ(learning_rate(LinearLr{}, 0.4, 2, 10, 2), 0.4);
  EXPECT_DOUBLE_EQ(learning_rate(LinearLr{}, 0.4, 6, 10, 2), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate(ConstantLr{}, 0.4, 1, 1, 1), 0.4);  // nothing but warm-up
}

}  // namespace
}  // namespace dsc
