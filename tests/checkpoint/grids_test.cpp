// Scales against plain double loops.
#include "checkpoint/grids.h"

#include <random>

#include "checkpoint/folder.h"

namespace dsc::checkpoint {
namespace {

std::vector<float> group_of_values(std::size_t size, unsigned seed, float offset = 0) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(offset, 0.03F);
  std::vector<float> values(size);
  for (auto& value : values) value = round_to(Element::bf16, normal(generator) * (generator() % 40 == 0 ? 3.0F : 1.0F));
  return values;
}

// Of what the codes stand for, in double.
double squared_error(const std::vector<float>& values, const std::vector<std::uint8_t>& codes, const kernels::Affine& grid, const std::vector<float>& weights = {},
                double power = 2) {
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double rounded = (static_cast<double>(codes[i]) + grid.low - grid.zero) * grid.scale;
    sum += (weights.empty() ? 1.0 : weights[i]) * std::pow(std::abs(values[i] - rounded), power);
  }
  return sum;
}

struct Outcome {
  kernels::Affine grid;
  std::vector<std::uint8_t> codes;
};
Outcome round_with(const std::vector<float>& values, WeightOptions weights, const std::vector<float>& moments = {}) {
  GroupRounder rounder({weights, Element::bf16, Element::bf16});
  Outcome outcome;
  outcome.codes.resize(values.size());
  outcome.grid = rounder.round(values.data(), moments.empty() ? nullptr : moments.data(), values.size(), outcome.codes.data());
  return outcome;
}

// The least error over a fine grid of stored scales and all zero points.
double best_error(const std::vector<float>& values, int bits, bool symmetric) {
  const double half = 1 << (bits - 1);
  float low = 0, high = 0;
  for (const float value : values) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  const double widest = (symmetric ? 2 * std::max(-low, high) : high - low) / (2 * half - 1) * 1.1;
  double best = INFINITY;
  for (int step = 1; step <= 400; ++step) {
    const double scale = round_to(Element::bf16, static_cast<float>(widest * step / 400));
    for (double zero = symmetric ? 0 : -half; zero <= (symmetric ? 0 : half - 1); ++zero) {
      double sum = 0;
      for (const float value : values) {
        const double q = std::clamp(std::nearbyint(value / scale + zero), -half, half - 1);
        sum += std::pow(value - (q - zero) * scale, 2);
      }
      best = std::min(best, sum);
    }
  }
  return best;
}

TEST(Grids, SearchIsNearTheBestScaleThereIs) {
  for (const int bits : {3, 4}) {
    double found = 0, best = 0;
    for (unsigned seed = 0; seed < 40; ++seed) {
      const auto values = group_of_values(64, seed);
      const auto outcome = round_with(values, {.bits = bits, .scales = Scales::search});
      found += squared_error(values, outcome.codes, outcome.grid);
      best += best_error(values, bits, true);
    }
    EXPECT_LT(found, 1.02 * best) << bits;
  }
}

TEST(Grids, SearchWithZeroPointsIsNearTheBestThereIs) {
  double found = 0, best = 0;
  for (unsigned seed = 0; seed < 12; ++seed) {
    const auto values = group_of_values(64, seed, 0.02F);
    const auto outcome = round_with(values, {.bits = 4, .symmetric = false, .scales = Scales::search});
    found += squared_error(values, outcome.codes, outcome.grid);
    best += best_error(values, 4, false);
  }
  EXPECT_LT(found, 1.05 * best);
}

TEST(Grids, SearchIsNeverWorseThanMinmax) {
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const bool symmetric : {true, false}) {
      for (unsigned seed = 0; seed < 50; ++seed) {
        const auto values = group_of_values(32 + seed, seed);
        const auto searched = round_with(values, {.bits = bits, .symmetric = symmetric, .scales = Scales::search});
        const auto plain = round_with(values, {.bits = bits, .symmetric = symmetric, .scales = Scales::minmax});
        EXPECT_LE(squared_error(values, searched.codes, searched.grid), squared_error(values, plain.codes, plain.grid) * (1 + 1e-5)) << bits << symmetric << seed;
      }
    }
  }
}

TEST(Grids, HalfQuadraticLowersTheNormThatItMinimises) {
  for (const bool symmetric : {true, false}) {
    double plain = 0, robust = 0;
    for (unsigned seed = 0; seed < 40; ++seed) {
      const auto values = group_of_values(64, seed);
      const auto start = round_with(values, {.symmetric = symmetric, .scales = Scales::minmax}), end = round_with(values, {.symmetric = symmetric, .scales = Scales::hqq});
      plain += squared_error(values, start.codes, start.grid, {}, 0.7);
      robust += squared_error(values, end.codes, end.grid, {}, 0.7);
    }
    EXPECT_LT(robust, plain) << symmetric;
  }
}

TEST(Grids, SecondMomentsWeighErrors) {
  const auto values = group_of_values(64, 3);
  std::vector<float> moments(values.size(), 1e-3F);
  for (std::size_t i = 0; i < 8; ++i) moments[i] = 10;
  for (const bool symmetric : {true, false}) {
    const WeightOptions weights{.bits = 3, .symmetric = symmetric, .scales = Scales::search};
    const auto weighted = round_with(values, weights, moments), plain = round_with(values, weights);
    EXPECT_LT(squared_error(values, weighted.codes, weighted.grid, moments), squared_error(values, plain.codes, plain.grid, moments));
  }
}

TEST(Grids, EqualMomentsChangeNothing) {
  const auto values = group_of_values(100, 5);
  const WeightOptions weights{.scales = Scales::search};
  EXPECT_EQ(round_with(values, weights).codes, round_with(values, weights, std::vector<float>(values.size(), 1.0F)).codes);
}

TEST(Grids, ZerosTinyAndEqualValuesAreExact) {
  for (const auto scales : {Scales::minmax, Scales::search, Scales::hqq}) {
    for (const bool symmetric : {true, false}) {
      const std::vector<float> zeros(32, 0.0F), tiny(32, 0x1p-130F);
      for (const auto* values : {&zeros, &tiny}) {
        const auto outcome = round_with(*values, {.symmetric = symmetric, .scales = scales});
        EXPECT_TRUE(std::isfinite(outcome.grid.scale) && outcome.grid.scale > 0);
        EXPECT_LE(squared_error(*values, outcome.codes, outcome.grid), 1e-60);
      }
    }
  }
}

}  // namespace
}  // namespace dsc::checkpoint
