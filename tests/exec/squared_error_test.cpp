// Mean squared error in one pass, beside plain double-precision loops and LibTorch's own operators.
#include "exec/kernels/squared_error.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace dsc {
namespace {

struct SizeCase {
  at::ScalarType type;
  std::vector<std::int64_t> sizes;
  bool channels_last, same_layout;
};

// Without it the test's name is made of the struct's bytes, those of its padding too.
void PrintTo(const SizeCase& one, std::ostream* out) {
  *out << one.type << at::IntArrayRef(one.sizes) << (one.channels_last ? " channels_last" : "") << (one.same_layout ? "" : ", other layouts");
}

class SquaredErrorTest : public testing::TestWithParam<SizeCase> {};

TEST_P(SquaredErrorTest, EqualsDoublePrecisionBothWays) {
  const auto& [type, sizes, channels_last, same_layout] = GetParam();
  at::manual_seed(1);
  const auto laid_out = [&](const at::Tensor& x, bool last) { return last ? x.contiguous(at::MemoryFormat::ChannelsLast) : x; };
  const auto a = laid_out(at::randn(sizes).to(type), channels_last).requires_grad_();
  const auto b = laid_out(at::randn(sizes).to(type), channels_last == same_layout);
  const auto loss = mean_squared_error(a, b);
  const at::Tensor difference = a.detach().to(at::kDouble) - b.to(at::kDouble);
  EXPECT_EQ(loss.scalar_type(), at::kFloat);
  EXPECT_NEAR(loss.item<double>() / difference.square().mean().item<double>(), 1, 1e-6);
  (loss * 3).backward();
  const at::Tensor expected = difference * (6.0 / static_cast<double>(a.numel()));
  EXPECT_EQ(a.grad().scalar_type(), type);
  EXPECT_LE((a.grad().to(at::kDouble) - expected).abs().max().item<double>(), expected.abs().max().item<double>() * (type == at::kBFloat16 ? 4e-3 : 1e-6));
}

INSTANTIATE_TEST_SUITE_P(All, SquaredErrorTest,
                         testing::Values(SizeCase{at::kFloat, {7}, false, true}, SizeCase{at::kFloat, {3, 5, 9, 11}, true, true}, SizeCase{at::kFloat, {3, 5, 9, 11}, true, false},
                                         SizeCase{at::kBFloat16, {8, 16, 33, 31}, true, true}, SizeCase{at::kBFloat16, {8, 16, 33, 31}, false, false},
                                         SizeCase{at::kBFloat16, {2, 3}, false, true}, SizeCase{at::kDouble, {4, 5}, false, true}));

TEST(SquaredError, DoesNotDependOnThreads) {
  const auto a = at::randn({100000}), b = at::randn({100000});
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const float one = mean_squared_error(a, b).item<float>();
  at::set_num_threads(2);
  const float two = mean_squared_error(a, b).item<float>();
  at::set_num_threads(threads);
  EXPECT_EQ(one, two);
}

TEST(SquaredError, GivesTheTeacherNoGradient) {
  const auto a = at::randn({4, 4}).requires_grad_(), b = at::randn({4, 4}).requires_grad_();
  mean_squared_error(a, b).backward();
  EXPECT_TRUE(a.grad().defined());
  EXPECT_FALSE(b.grad().defined());
}

}  // namespace
}  // namespace dsc
