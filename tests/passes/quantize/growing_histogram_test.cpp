#include "passes/quantize/ranges/growing_histogram.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "support/tiny_models.h"

namespace dsc::quantize {
namespace {

void add(GrowingHistogram& histogram, const at::Tensor& values) {
  histogram.add(values, values.min().item<double>(), values.max().item<double>());
}

// Each bin's count by comparing every value with the bin's ends.
void expect_counts(const Histogram& histogram, const at::Tensor& values) {
  const double width = (histogram.high - histogram.low) / static_cast<double>(histogram.counts.size());
  const at::Tensor bins = ((values.to(at::kDouble) - histogram.low) / width).floor().to(at::kLong).flatten();
  ASSERT_GE(bins.min().item<std::int64_t>(), 0);
  ASSERT_LT(bins.max().item<std::int64_t>(), static_cast<std::int64_t>(histogram.counts.size()));
  const at::Tensor expected = at::bincount(bins, {}, static_cast<std::int64_t>(histogram.counts.size()));
  for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
    ASSERT_EQ(histogram.counts[i], static_cast<double>(expected[static_cast<std::int64_t>(i)].item<std::int64_t>())) << "bin " << i;
  }
}

TEST(GrowingHistogram, CountsAsIfItHadKnownTheRange) {
  GrowingHistogram histogram;
  at::Tensor all = at::empty({0});
  for (const double scale : {0.01, 1.0, 0.3, 700.0, 2.0}) {
    const at::Tensor values = test::noise({7, 1001}, 3) * scale;
    add(histogram, values);
    all = at::cat({all, values.flatten()});
  }
  const Histogram found = histogram.histogram();
  expect_counts(found, all);
  EXPECT_GT(found.counts.size(), static_cast<std::size_t>(GrowingHistogram::kBins / 4));
  EXPECT_LE(found.counts.size(), static_cast<std::size_t>(GrowingHistogram::kBins));
}

TEST(GrowingHistogram, OrderDoesNotMatter) {
  GrowingHistogram forth, back;
  const std::vector<at::Tensor> parts{test::noise({500}, 1) * 1e-3, test::noise({500}, 2).relu() * 40, test::noise({500}, 3) - 9};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    add(forth, parts[i]);
    add(back, parts[parts.size() - 1 - i]);
  }
  const Histogram a = forth.histogram(), b = back.histogram();
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.high, b.high);
  EXPECT_EQ(a.counts, b.counts);
}

TEST(GrowingHistogram, PartsOfSeveralProcessesAreTheWhole) {
  const std::vector<at::Tensor> parts{test::noise({500}, 1) * 1e-3, test::noise({500}, 2).relu() * 40, at::zeros({7}), test::noise({500}, 3) - 9};
  GrowingHistogram whole, together;
  for (const at::Tensor& part : parts) add(whole, part);
  const at::Tensor all = at::cat(parts);
  for (const at::Tensor& part : parts) {
    GrowingHistogram own;
    add(own, part);
    together.add_packed(own.packed(), all.min().item<double>(), all.max().item<double>());
  }
  together.add_packed(GrowingHistogram().packed(), -1, 1);  // of a process that saw nothing
  EXPECT_EQ(whole.histogram().low, together.histogram().low);
  EXPECT_EQ(whole.histogram().high, together.histogram().high);
  EXPECT_EQ(whole.histogram().counts, together.histogram().counts);
}

TEST(GrowingHistogram, ZerosFirstCostNoResolution) {
  GrowingHistogram histogram;
  add(histogram, at::zeros({100}));
  const at::Tensor small = test::noise({1000}, 4).abs() * 1e-6;
  add(histogram, small);
  const Histogram found = histogram.histogram();
  EXPECT_EQ(found.low, 0);
  EXPECT_GT(found.counts.size(), static_cast<std::size_t>(GrowingHistogram::kBins / 4));
  EXPECT_EQ(std::accumulate(found.counts.begin(), found.counts.end(), 0.0), 1100);
  expect_counts(found, at::cat({at::zeros({100}), small}));
}

TEST(GrowingHistogram, TakesExtremeAndSmallTypes) {
  for (const at::Tensor& values : {at::tensor({-3e38, 3e38, 1e-40}), at::tensor({1e-38, 2e-38, -1e-39}), at::tensor({5.0, 5.0}), at::tensor({1.0, 1e30})}) {
    GrowingHistogram histogram;
    add(histogram, at::zeros({1}));
    add(histogram, values.to(at::kFloat));
    const Histogram found = histogram.histogram();
    EXPECT_EQ(std::accumulate(found.counts.begin(), found.counts.end(), 0.0), 1 + static_cast<double>(values.numel())) << values;
  }
  GrowingHistogram histogram;
  const at::Tensor values = test::noise({300}, 5).to(at::kBFloat16);
  add(histogram, values);
  expect_counts(histogram.histogram(), values);
}

// Of 2^22 values, half of each 2,048 large: as rows of a picture whose left half is dark. Blocks at even distances would see one half alone.
TEST(GrowingHistogram, LargeTensorsKeepTheirShares) {
  const at::Tensor rows = test::noise({2048, 2048}, 6).abs();
  rows.slice(1, 1024).add_(10);
  GrowingHistogram histogram;
  add(histogram, rows);
  const Histogram found = histogram.histogram();
  const double total = std::accumulate(found.counts.begin(), found.counts.end(), 0.0);
  EXPECT_NEAR(total, static_cast<double>(rows.numel()), 4 * 512);
  const double width = (found.high - found.low) / static_cast<double>(found.counts.size());
  for (const double limit : {0.5, 1.0, 9.0, 10.25, 11.0}) {
    const auto below = static_cast<std::ptrdiff_t>(std::floor((limit - found.low) / width));
    const double share = std::accumulate(found.counts.begin(), found.counts.begin() + below, 0.0) / total;
    EXPECT_NEAR(share, rows.less(found.low + static_cast<double>(below) * width).to(at::kDouble).mean().item<double>(), 0.01) << limit;
  }
}

}  // namespace
}  // namespace dsc::quantize
