// The NHWC kernel against LibTorch's in double precision.
#include "exec/kernels/training_kernels.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace dsc {
namespace {

constexpr double kMomentum = 0.1, kEps = 1e-5;

struct Operands {
  at::Tensor x, weight, bias, mean, variance;
};

// Means far from zero beside deviations of about one: what sums of squares are bad at.
Operands operands(std::int64_t channels, at::IntArrayRef sizes, at::ScalarType type = at::kBFloat16) {
  at::manual_seed(static_cast<std::uint64_t>(channels));
  const at::Tensor centres = 30 * at::randn({1, channels, 1, 1});
  Operands o{(at::randn(sizes) + centres).to(type).contiguous(at::MemoryFormat::ChannelsLast), at::randn({channels}), at::randn({channels}),
             at::randn({channels}), at::rand({channels})};
  return o;
}

at::Tensor run(const Operands& o) {
  std::vector<c10::IValue> stack{o.x, o.weight, o.bias, o.mean, o.variance, true, kMomentum, kEps, false};
  find_training_kernel("aten.batch_norm.default")(stack);
  EXPECT_EQ(stack.size(), 1U);
  return stack.at(0).toTensor();
}

double error(const at::Tensor& found, const at::Tensor& expected) {
  return ((found.to(at::kDouble) - expected).abs().max() / expected.abs().max()).item<double>();
}

class BatchNormKernel : public testing::TestWithParam<std::vector<std::int64_t>> {};

TEST_P(BatchNormKernel, OutputsStatisticsAndGradientsEqualLibTorchsInDouble) {
  const auto sizes = GetParam();
  Operands found = operands(sizes[1], sizes);
  Operands exact{found.x.to(at::kDouble), found.weight.to(at::kDouble), found.bias.to(at::kDouble), found.mean.to(at::kDouble), found.variance.to(at::kDouble)};
  for (at::Tensor* leaf : {&found.x, &found.weight, &found.bias, &exact.x, &exact.weight, &exact.bias}) leaf->requires_grad_();
  const at::Tensor y = run(found);
  const at::Tensor expected = at::batch_norm(exact.x, exact.weight, exact.bias, exact.mean, exact.variance, true, kMomentum, kEps, false);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_LE(error(y.detach(), expected.detach()), 0.005);  // bf16 keeps 8 bits
  EXPECT_LE(error(found.mean, exact.mean), 1e-6);
  EXPECT_LE(error(found.variance, exact.variance), 1e-5);
  const at::Tensor dy = at::randn(sizes).to(at::kBFloat16);
  y.backward(dy);  // in NCHW memory, as a pooling's gradient may be
  expected.backward(dy.to(at::kDouble));
  EXPECT_LE(error(found.x.grad(), exact.x.grad()), 0.005);
  EXPECT_LE(error(found.weight.grad(), exact.weight.grad()), 1e-4);
  EXPECT_LE(error(found.bias.grad(), exact.bias.grad()), 1e-4);
}

// One row of channels more than a block holds, widths that no vector divides, more channels than a period.
INSTANTIATE_TEST_SUITE_P(Shapes, BatchNormKernel,
                         testing::Values(std::vector<std::int64_t>{8, 11, 16, 16}, std::vector<std::int64_t>{8, 24, 16, 16}, std::vector<std::int64_t>{2, 3, 1, 1},
                                         std::vector<std::int64_t>{3, 43, 5, 7}, std::vector<std::int64_t>{4, 70, 9, 9}, std::vector<std::int64_t>{2, 1041, 3, 3},
                                         std::vector<std::int64_t>{64, 1, 17, 16}));

struct Epilogue {
  bool adds = false;
  double ceiling = std::numeric_limits<double>::infinity();
};
void PrintTo(const Epilogue& epilogue, std::ostream* out) { *out << (epilogue.adds ? "adds, " : "") << "at most " << epilogue.ceiling; }

class RectifiedBatchNormKernel : public testing::TestWithParam<std::tuple<Epilogue, std::vector<std::int64_t>, at::ScalarType>> {};

TEST_P(RectifiedBatchNormKernel, OutputsAndGradientsEqualLibTorchsInDouble) {
  const auto& [epilogue, sizes, type] = GetParam();
  const bool bf16 = type == at::kBFloat16;
  Operands found = operands(sizes[1], sizes, type);
  Operands exact{found.x.to(at::kDouble), found.weight.to(at::kDouble), found.bias.to(at::kDouble), found.mean.to(at::kDouble), found.variance.to(at::kDouble)};
  at::Tensor addend = (2 * at::randn(sizes)).to(type), exact_addend = addend.to(at::kDouble);  // NCHW, as what a view makes may be
  for (at::Tensor* leaf : {&found.x, &found.weight, &found.bias, &addend, &exact.x, &exact.weight, &exact.bias, &exact_addend}) leaf->requires_grad_();
  std::vector<c10::IValue> stack{found.x, found.weight, found.bias, found.mean, found.variance, true, kMomentum, kEps, false,
                                 epilogue.adds ? c10::IValue(addend) : c10::IValue(), epilogue.ceiling};
  rectified_batch_norm(stack);
  ASSERT_EQ(stack.size(), 1U);
  const at::Tensor y = stack[0].toTensor();
  const at::Tensor norm = at::batch_norm(exact.x, exact.weight, exact.bias, exact.mean, exact.variance, true, kMomentum, kEps, false);
  const at::Tensor sum = epilogue.adds ? norm + exact_addend : norm;
  // What is kept has the type's digits, so a sum that rounds to the ceiling has reached it.
  const at::Tensor rounded = epilogue.adds ? sum + (sum.to(type).to(at::kDouble) - sum).detach() : sum;
  const at::Tensor expected = at::hardtanh(rounded, 0, epilogue.ceiling);
  EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_EQ(y.scalar_type(), type);
  EXPECT_LE(error(y.detach(), expected.detach()), bf16 ? 0.005 : 1e-5);
  EXPECT_LE(error(found.mean, exact.mean), 1e-6);
  const at::Tensor dy = at::randn(sizes).to(type);
  y.backward(dy);
  expected.backward(dy.to(at::kDouble));
  const double limit = bf16 ? 0.01 : 1e-4;
  // Next to the rectifier's corners the two may take different sides; those few do not move the mean by more than this.
  const auto mean_error = [](const at::Tensor& a, const at::Tensor& b) { return ((a.to(at::kDouble) - b).abs().mean() / b.abs().mean()).item<double>(); };
  EXPECT_LE(mean_error(found.x.grad(), exact.x.grad()), limit);
  EXPECT_LE(mean_error(found.weight.grad(), exact.weight.grad()), limit);
  EXPECT_LE(mean_error(found.bias.grad(), exact.bias.grad()), limit);
  if (epilogue.adds) {
    EXPECT_LE(mean_error(addend.grad(), exact_addend.grad()), limit);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, RectifiedBatchNormKernel,
                         testing::Combine(testing::Values(Epilogue{}, Epilogue{true}, Epilogue{false, 1.5}, Epilogue{true, 1.5}),
                                          testing::Values(std::vector<std::int64_t>{8, 11, 16, 16}, std::vector<std::int64_t>{8, 32, 16, 16},
                                                          std::vector<std::int64_t>{4, 70, 9, 9}, std::vector<std::int64_t>{64, 1, 17, 16}),
                                          testing::Values(at::kBFloat16, at::kFloat)));

TEST(BatchNormKernel, GivesTheSameBytesForAnyNumberOfThreads) {
  const auto once = [](int threads) {
    at::set_num_threads(threads);
    Operands o = operands(11, {16, 11, 24, 24});
    o.x.requires_grad_();
    const at::Tensor y = run(o);
    y.backward(at::ones_like(y) * o.x.detach());
    return std::vector<at::Tensor>{y.detach(), o.x.grad(), o.mean, o.variance};
  };
  const auto one = once(1), two = once(2);
  at::set_num_threads(1);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(at::equal(one[i], two[i])) << i;
}

TEST(BatchNormKernel, LeavesEvaluationToLibTorch) {
  const Operands o = operands(11, {2, 11, 4, 4});
  std::vector<c10::IValue> stack{o.x, o.weight, c10::IValue(), o.mean, o.variance, false, kMomentum, kEps, false};
  find_training_kernel("aten.batch_norm.default")(stack);
  EXPECT_TRUE(at::equal(stack.at(0).toTensor(), at::batch_norm(o.x, o.weight, {}, o.mean, o.variance, false, kMomentum, kEps, false)));
}

// What evaluation gives, in double; backward, plain loops over dx = gamma / sigma_running (dy - mean(dy) - x' mean(dy x')), x' by the batch.
TEST(RenormalisedBatchNorm, GivesWhatEvaluationDoesAndGradientsThatNoScaleOrOffsetOfTheInputTakes) {
  Operands found = operands(5, {3, 5, 4, 6}, at::kFloat);
  Operands exact{found.x.to(at::kDouble), found.weight.to(at::kDouble), found.bias.to(at::kDouble), found.mean.to(at::kDouble),
                 found.variance.to(at::kDouble)};
  for (at::Tensor* leaf : {&found.x, &found.weight, &found.bias, &exact.weight, &exact.bias}) leaf->requires_grad_();
  std::vector<c10::IValue> stack{found.x, found.weight, found.bias, found.mean, found.variance, true, kMomentum, kEps, false};
  renormalise_batch(stack);
  find_training_kernel("aten.batch_norm.default")(stack);
  const at::Tensor y = stack.at(0).toTensor();
  const at::Tensor expected = at::batch_norm(exact.x, exact.weight, exact.bias, exact.mean, exact.variance, false, kMomentum, kEps, false);
  EXPECT_LE(error(y.detach(), expected.detach()), 1e-6);
  EXPECT_TRUE(at::equal(found.mean.to(at::kDouble), exact.mean));
  EXPECT_TRUE(at::equal(found.variance.to(at::kDouble), exact.variance));
  const at::Tensor dy = at::randn({3, 5, 4, 6}, at::kDouble);
  y.backward(dy.to(at::kFloat));
  expected.backward(dy);
  EXPECT_LE(error(found.weight.grad(), exact.weight.grad()), 1e-5);
  EXPECT_LE(error(found.bias.grad(), exact.bias.grad()), 1e-5);
  for (std::int64_t channel = 0; channel < 5; ++channel) {
    const at::Tensor x = exact.x.select(1, channel).flatten(), g = dy.select(1, channel).flatten(), dx = found.x.grad().select(1, channel).flatten();
    const auto value = [](const at::Tensor& t, std::int64_t i) { return t[i].item<double>(); };
    const double count = static_cast<double>(x.numel());
    double mean = 0, variance = 0, sum = 0, product = 0, along = 0, size = 0;
    for (std::int64_t i = 0; i < x.numel(); ++i) mean += value(x, i) / count;
    for (std::int64_t i = 0; i < x.numel(); ++i) variance += (value(x, i) - mean) * (value(x, i) - mean) / count;
    const double deviation = std::sqrt(variance + kEps), running = std::sqrt(value(exact.variance, channel) + kEps);
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      sum += value(g, i) / count;
      product += value(g, i) * (value(x, i) - mean) / deviation / count;
    }
    for (std::int64_t i = 0; i < x.numel(); ++i) {
      const double normalised = (value(x, i) - mean) / deviation;
      EXPECT_NEAR(value(dx, i), exact.weight[channel].item<double>() / running * (value(g, i) - sum - normalised * product), 2e-4) << channel;
      along += value(dx, i) * normalised;
      size += std::abs(value(dx, i));
    }
    EXPECT_LE(std::abs(dx.sum().item<double>()) + std::abs(along), 1e-4 * size) << channel;
  }
}

}  // namespace
}  // namespace dsc
