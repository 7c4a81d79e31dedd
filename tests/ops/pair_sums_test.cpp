// Sums of neighbours against plain loops, and kernels that add in pairs emulated integer by integer.
#include "ops/pair_sums.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "ops/quantization.h"

namespace dsc {
namespace {

// Over kernel elements first, then channels; neighbours are 2j and 2j + 1 of one element.
double largest_by_loops(const at::Tensor& kernel) {  // [K, elements]
  const at::Tensor values = kernel.to(at::kDouble).contiguous();
  const auto w = values.accessor<double, 2>();
  double largest = 0;
  for (std::int64_t e = 0; e < w.size(1); ++e) {
    for (std::int64_t k = 0; k < w.size(0); k += 2) {
      const double a = w[k][e], b = k + 1 < w.size(0) ? w[k + 1][e] : 0;
      largest = std::max({largest, std::max(a, 0.0) + std::max(b, 0.0), std::max(-a, 0.0) + std::max(-b, 0.0)});
    }
  }
  return largest;
}

TEST(PairSums, EqualPlainLoopsForConvolutionsAndTheirTransposes) {
  at::manual_seed(1);
  const at::Tensor weight = at::randn({6, 8, 3, 2}), sums = largest_pair_sums(weight, 0, 1), transposed = largest_pair_sums(weight, 1, 0);
  ASSERT_EQ(sums.sizes(), at::IntArrayRef({6}));
  ASSERT_EQ(transposed.sizes(), at::IntArrayRef({8}));
  for (std::int64_t c = 0; c < 6; ++c) EXPECT_FLOAT_EQ(sums[c].item<float>(), static_cast<float>(largest_by_loops(weight[c].flatten(1))));
  for (std::int64_t c = 0; c < 8; ++c) {
    EXPECT_FLOAT_EQ(transposed[c].item<float>(), static_cast<float>(largest_by_loops(weight.select(1, c).flatten(1))));
  }
}

TEST(PairSums, OddWidthsAlsoPairAcrossKernelElements) {
  // Three channels, two elements: unfolded (element, channel) pairs are (00, 01), (02, 10), (11, 12).
  at::Tensor weight = at::zeros({1, 3, 1, 2});
  weight[0][2][0][0] = 100;
  weight[0][0][0][1] = 90;
  EXPECT_EQ(largest_pair_sums(weight, 0, 1).item<float>(), 190);
}

TEST(PairSums, DepthwiseKernelsHaveNoNeighbours) {
  const at::Tensor weight = at::full({4, 1, 3, 3}, 5.0);
  EXPECT_TRUE(at::equal(largest_pair_sums(weight, 0, 1), at::full({4}, 5.0)));
}

// As `vpmaddubsw` followed by a sum of pairs.
std::int64_t saturating_product(const at::Tensor& activations, const at::Tensor& weights) {
  const auto a = activations.accessor<int, 1>(), w = weights.accessor<int, 1>();
  std::int64_t sum = 0;
  for (std::int64_t k = 0; k < a.size(0); k += 2) {
    const std::int64_t pair = std::int64_t{a[k]} * w[k] + (k + 1 < a.size(0) ? std::int64_t{a[k + 1]} * w[k + 1] : 0);
    sum += std::clamp<std::int64_t>(pair, -32768, 32767);
  }
  return sum;
}

TEST(PairSums, GridsThatReachSoFarNeverSaturate) {
  at::manual_seed(2);
  for (int round = 0; round < 50; ++round) {
    const std::int64_t size = 2 + round;
    const at::Tensor weight = at::randn({1, size});
    const float reach = std::max(largest_pair_sums(weight, 0, 1).item<float>(), weight.abs().max().item<float>());
    const WeightGrid grid{.range = {-127, 127}, .scale = at::full({}, reach / 127), .zero_point = at::zeros({}, at::kInt)};
    const at::Tensor integers = integers_on_grid(weight, grid).to(at::kInt)[0];
    EXPECT_GE(integers.abs().max().item<int>(), 60) << "no narrower than half the range";
    for (const std::int64_t largest : {0, 1, 254}) {  // activations at their largest wherever that hurts, and random ones
      const at::Tensor activations = at::randint(largest, 256, {size}, at::kInt);
      EXPECT_EQ(saturating_product(activations, integers), (activations.to(at::kLong) * integers).sum().item<std::int64_t>());
      EXPECT_EQ(saturating_product(activations, -integers), -(activations.to(at::kLong) * integers).sum().item<std::int64_t>());
    }
  }
}

TEST(PairSums, LimitsWhatOtherRoundingsLeftTooLarge) {
  const at::Tensor integers = at::tensor({127, 3, -100, -90, 127, -127, 60, 70, 5}, at::kChar).view({1, 9});
  const at::Tensor limited = limit_pair_sums(integers, 1);
  EXPECT_TRUE(at::equal(limited, at::tensor({125, 3, -38, -90, 127, -127, 60, 68, 5}, at::kChar).view({1, 9}))) << limited;
}

}  // namespace
}  // namespace dsc
