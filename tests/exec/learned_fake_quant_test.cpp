#include "exec/kernels/learned_fake_quant.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "exec/kernels/fake_quant.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

struct StepSizeCase {
  std::int64_t axis, zero_point, quant_min, quant_max;
};
class LearnedFakeQuant : public testing::TestWithParam<StepSizeCase> {};

// Oracle: double loops over equations 1 to 3 of the paper.
TEST_P(LearnedFakeQuant, EqualsPlainLoopsForwardAndBack) {
  const auto [axis, zero_point, quant_min, quant_max] = GetParam();
  const std::vector<std::int64_t> sizes{4, 5, 33};
  const at::Tensor x = test::noise(sizes, 3).requires_grad_(), dy = test::noise(sizes, 4);
  const std::int64_t channels = axis < 0 ? 1 : sizes[static_cast<std::size_t>(axis)];
  const at::Tensor step = (at::rand({channels}) * 0.2 + 0.1).reshape(axis < 0 ? std::vector<std::int64_t>{} : std::vector{channels}).requires_grad_();
  const at::Tensor y = learned_fake_quant(x, step, make_quant_phase(), axis, zero_point, quant_min, quant_max);
  y.backward(dy);
  const at::Tensor xs = x.detach().movedim(std::max<std::int64_t>(axis, 0), 0).contiguous().reshape({channels, -1});
  const at::Tensor dys = dy.movedim(std::max<std::int64_t>(axis, 0), 0).contiguous().reshape({channels, -1});
  const at::Tensor ys = y.detach().movedim(std::max<std::int64_t>(axis, 0), 0).contiguous().reshape({channels, -1});
  const at::Tensor dxs = x.grad().movedim(std::max<std::int64_t>(axis, 0), 0).contiguous().reshape({channels, -1});
  const double low = static_cast<double>(quant_min - zero_point), high = static_cast<double>(quant_max - zero_point);
  for (std::int64_t c = 0; c < channels; ++c) {
    const float s = step.detach().reshape({-1}).const_data_ptr<float>()[c], inverse = 1.0F / s;
    double sum = 0;
    for (std::int64_t i = 0; i < xs.size(1); ++i) {
      const float v = xs[c].const_data_ptr<float>()[i] * inverse;
      const double d = dys[c].const_data_ptr<float>()[i];
      const bool inside = v >= low && v <= high;
      const double whole = std::min(std::max(std::nearbyint(static_cast<double>(v)), low), high);
      sum += d * (inside ? whole - static_cast<double>(v) : whole);
      ASSERT_FLOAT_EQ(ys[c].const_data_ptr<float>()[i], static_cast<float>(whole) * s);
      ASSERT_FLOAT_EQ(dxs[c].const_data_ptr<float>()[i], inside ? static_cast<float>(d) : 0.0F);
    }
    const double expected = std::clamp(sum / std::sqrt(static_cast<double>(xs.size(1)) * high), -static_cast<double>(s), static_cast<double>(s));
    EXPECT_NEAR(step.grad().reshape({-1})[c].item<float>(), expected, 1e-4 * std::max(1.0, std::abs(expected)));
  }
}

INSTANTIATE_TEST_SUITE_P(Grids, LearnedFakeQuant, testing::Values(StepSizeCase{-1, 0, 0, 15}, StepSizeCase{-1, 8, 0, 15}, StepSizeCase{0, 0, -1, 1}, StepSizeCase{0, 0, -127, 127},
                                                                  StepSizeCase{1, 0, -7, 7}));

// The kernels and the composition of native operators are the same computation.
TEST(LearnedFakeQuantTypes, DoublesAgreeWithFloats) {
  const at::Tensor x = test::noise({6, 40}, 1), step = at::full({6}, 0.15);
  for (const double share : {1.0, 0.3}) {
    at::Tensor phase = make_quant_phase();
    phase[kShare] = share;
    const at::Tensor a = x.clone().requires_grad_(), b = x.to(at::kDouble).requires_grad_();
    const at::Tensor sa = step.clone().requires_grad_(), sb = step.clone().requires_grad_();
    const at::Tensor ya = learned_fake_quant(a, sa, phase, 0, 0, -7, 7), yb = learned_fake_quant(b, sb, phase, 0, 0, -7, 7);
    ya.square().sum().backward();
    yb.square().sum().backward();
    EXPECT_TRUE(at::allclose(ya.to(at::kDouble), yb, 1e-5, 1e-6)) << share;
    EXPECT_TRUE(at::allclose(a.grad().to(at::kDouble), b.grad(), 1e-4, 1e-5)) << share;
    EXPECT_TRUE(at::allclose(sa.grad(), sb.grad(), 1e-3, 1e-4)) << share << sa.grad() << sb.grad();
  }
}

// Without the bound on its gradient the step ends thousands of times too large or at zero.
TEST(LearnedFakeQuantTypes, StepsStayNearTheirValuesAtLargeGradients) {
  for (const auto type : {at::kFloat, at::kDouble}) {
    const at::Tensor x = test::noise({1, 27}, 1).to(type) * 0.1, target = test::noise({1, 27}, 2).to(type);
    at::Tensor step = at::full({1}, 0.3 / 127).requires_grad_();
    for (int i = 0; i < 20; ++i) {
      const at::Tensor y = learned_fake_quant(x, step, make_quant_phase(), 0, 0, -127, 127);
      ((y - target).square().sum() * 100).backward();
      at::NoGradGuard guard;
      EXPECT_LE(step.grad().abs().max().item<float>(), step.max().item<float>());
      step.sub_(step.grad() * 0.02);
      step.grad().zero_();
    }
    EXPECT_GT(step.item<float>(), 0.3 / 127 / 1.5);
    EXPECT_LT(step.item<float>(), 0.3 / 127 * 1.5);
  }
}

TEST(LearnedFakeQuantTypes, SumsDoNotDependOnThreads) {
  const at::Tensor x = test::noise({100000}, 1);
  std::vector<at::Tensor> gradients;
  const int threads = at::get_num_threads();
  for (const int count : {1, 2}) {
    at::set_num_threads(count);
    const at::Tensor step = at::full({}, 0.1).requires_grad_();
    learned_fake_quant(x.clone().requires_grad_(), step, make_quant_phase(), -1, 8, 0, 15).square().sum().backward();
    gradients.push_back(step.grad());
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(gradients[0].equal(gradients[1]));
}

}  // namespace
}  // namespace dsc
