#include "exec/kernels/fake_quant.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/pair_sums.h"
#include "ops/quantization.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

at::Tensor phase_of(bool observe, double share) {
  at::Tensor phase = make_quant_phase();
  phase[kObserve] = observe ? 1 : 0;
  phase[kShare] = share;
  return phase;
}

at::Tensor observe_fake_quant(const at::Tensor& x, at::Tensor state, double momentum, QuantRange range, bool symmetric, bool train,
                              const at::Tensor& phase = make_quant_phase()) {
  register_fake_quant_operators();
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("dscompress::observe_fake_quant", "");
  std::vector<c10::IValue> stack{x, state, phase, momentum, range.minimum, range.maximum, symmetric, train};
  op.callBoxed(stack);
  return stack.at(0).toTensor();
}

at::Tensor fake_quant_weight(const at::Tensor& x, std::int64_t axis, QuantRange range, bool symmetric, const at::Tensor& phase = make_quant_phase(),
                             std::int64_t paired_axis = -1) {
  register_fake_quant_operators();
  static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("dscompress::fake_quant_weight", "");
  std::vector<c10::IValue> stack{x, phase, axis, range.minimum, range.maximum, symmetric, paired_axis};
  op.callBoxed(stack);
  return stack.at(0).toTensor();
}

at::Tensor state_of(float low, float high) {
  at::Tensor state = make_quant_range();
  state[kRangeMin] = low;
  state[kRangeMax] = high;
  return state;
}

struct FakeQuantCase {
  double shift;
  std::int64_t bits;
  bool symmetric;
};
void PrintTo(const FakeQuantCase& one, std::ostream* out) { *out << one.bits << " bits, " << (one.symmetric ? "symmetric" : "asymmetric") << ", shifted by " << one.shift; }
class FakeQuant : public testing::TestWithParam<FakeQuantCase> {};

// Oracle: double loops over x -> clamp(round(x / scale) + zero, min, max).
TEST_P(FakeQuant, EqualsPlainLoopsForwardAndBack) {
  const auto [shift, bits, symmetric] = GetParam();
  const QuantRange range = activation_quant_range(bits);
  const at::Tensor x = (test::noise({5, 7, 3, 41}, 3) + shift).requires_grad_();
  const QuantParams p = choose_quant_params(-1.5 + shift, 1.25 + shift, range, symmetric);
  const at::Tensor y = observe_fake_quant(x, state_of(static_cast<float>(-1.5 + shift), static_cast<float>(1.25 + shift)), 0.9, range, symmetric, false);
  const at::Tensor dy = test::noise({5, 7, 3, 41}, 4);
  y.backward(dy);
  const float inverse = 1.0F / p.scale;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const double whole = std::nearbyint(x.const_data_ptr<float>()[i] * inverse) + static_cast<double>(p.zero_point);
    const double inside = std::min(std::max(whole, 0.0), static_cast<double>(range.maximum));
    const auto expected = static_cast<float>(inside - static_cast<double>(p.zero_point)) * p.scale;
    ASSERT_EQ(y.const_data_ptr<float>()[i], expected) << i;
    ASSERT_EQ(x.grad().const_data_ptr<float>()[i], whole == inside ? dy.const_data_ptr<float>()[i] : 0.0F) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Ranges, FakeQuant, testing::Values(FakeQuantCase{0, 8, false}, FakeQuantCase{2, 8, false}, FakeQuantCase{0, 8, true}, FakeQuantCase{0.3, 4, false},
                                                            FakeQuantCase{0, 4, true}, FakeQuantCase{0, 2, false}));

TEST(FakeQuantActivation, EqualsLibTorchInEveryMemoryFormat) {
  const QuantRange range = activation_quant_range(8);
  const QuantParams p = choose_quant_params(-1, 2, range, false);
  for (const at::Tensor& x : {test::noise({4, 6, 9, 9}, 1), test::noise({4, 6, 9, 9}, 1).contiguous(at::MemoryFormat::ChannelsLast),
                              test::noise({4, 9, 9, 6}, 1).slice(1, 2, 7)}) {
    const at::Tensor y = observe_fake_quant(x, state_of(-1, 2), 0.9, range, false, false);
    EXPECT_TRUE(y.equal(at::fake_quantize_per_tensor_affine(x, p.scale, p.zero_point, 0, 255)));
  }
}

TEST(FakeQuantActivation, FollowsRangesWithMomentumWhileTraining) {
  at::Tensor state = make_quant_range();
  const QuantRange range = activation_quant_range(8);
  const at::Tensor a = test::noise({3000}, 1), b = test::noise({3000}, 2) * 3;
  observe_fake_quant(a, state, 0.9, range, false, true);
  EXPECT_FLOAT_EQ(state[kRangeMin].item<float>(), a.min().item<float>());
  EXPECT_FLOAT_EQ(state[kRangeMax].item<float>(), a.max().item<float>());
  observe_fake_quant(b, state, 0.9, range, false, true);
  EXPECT_FLOAT_EQ(state[kRangeMax].item<float>(), 0.9F * a.max().item<float>() + 0.1F * b.max().item<float>());
  const at::Tensor before = state.clone();
  observe_fake_quant(a * 9, state, 0.9, range, false, false);  // evaluation
  EXPECT_TRUE(state.equal(before));
  observe_fake_quant(a * 9, state, 0.9, range, false, true, phase_of(false, 1));  // frozen
  EXPECT_TRUE(state[kRangeMax].equal(before[kRangeMax]));
}

TEST(FakeQuantActivation, PassesValuesBeforeItHasSeenAnyAndWhenSwitchedOff) {
  const at::Tensor x = test::noise({10}, 1);
  EXPECT_TRUE(observe_fake_quant(x, make_quant_range(), 0.9, {0, 255}, false, false).equal(x));
  EXPECT_TRUE(observe_fake_quant(x, state_of(-1, 1), 0.9, {0, 3}, false, true, phase_of(true, 0)).equal(x));
  EXPECT_TRUE(fake_quant_weight(x, -1, {-1, 1}, true, phase_of(true, 0)).equal(x));
}

TEST(FakeQuantActivation, AShareGoesThatFarForwardAndBack) {
  const at::Tensor x = test::noise({4, 700}, 1).requires_grad_(), dy = test::noise({4, 700}, 2);
  const at::Tensor full = observe_fake_quant(x.detach(), state_of(-1, 1), 0.9, {0, 7}, false, false);
  const at::Tensor y = observe_fake_quant(x, state_of(-1, 1), 0.9, {0, 7}, false, false, phase_of(true, 0.25));
  EXPECT_TRUE(at::allclose(y, x + 0.25 * (full - x), 0, 1e-6));
  const QuantParams p = choose_quant_params(-1, 1, {0, 7}, false);
  const at::Tensor whole = (x.detach() / p.scale).round() + p.zero_point;
  const at::Tensor inside = whole.ge(0).logical_and(whole.le(7)).to(at::kFloat);
  y.backward(dy);
  EXPECT_TRUE(at::allclose(x.grad(), dy * (0.75 + 0.25 * inside), 0, 1e-6));
}

TEST(FakeQuantActivation, WorksInBf16) {
  const at::Tensor x = test::noise({4, 6, 9, 9}, 1).to(at::kBFloat16).requires_grad_();
  at::Tensor state = make_quant_range();
  const at::Tensor y = observe_fake_quant(x, state, 0.9, {0, 255}, false, true);
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_FLOAT_EQ(state[kRangeMax].item<float>(), x.max().item<float>());
  const QuantParams p = choose_quant_params(state[kRangeMin].item<float>(), state[kRangeMax].item<float>(), {0, 255}, false);
  const at::Tensor expected = at::fake_quantize_per_tensor_affine(x.detach().to(at::kFloat), p.scale, p.zero_point, 0, 255).to(at::kBFloat16);
  EXPECT_TRUE(y.equal(expected));
  y.backward(at::ones_like(y));
  EXPECT_EQ(x.grad().to(at::kFloat).sum().item<float>(), static_cast<float>(x.numel()));
}

TEST(FakeQuantWeight, EqualsLibTorchPerChannelOnAnyAxis) {
  const QuantRange range = weight_quant_range(8, true);
  const at::Tensor w = test::noise({6, 5, 3, 3}, 1);
  for (const std::int64_t axis : {0, 1, 3}) {
    for (const at::Tensor& weight : {w, w.contiguous(at::MemoryFormat::ChannelsLast)}) {
      const auto [scale, zero] = choose_channel_params(weight, axis, range, true);
      const at::Tensor expected = at::fake_quantize_per_channel_affine(weight, scale, zero, axis, range.minimum, range.maximum);
      EXPECT_TRUE(fake_quant_weight(weight, axis, range, true).equal(expected)) << axis;
    }
  }
  const QuantParams p = choose_quant_params(w.min().item<float>(), w.max().item<float>(), range, true);
  EXPECT_TRUE(fake_quant_weight(w, -1, range, true).equal(at::fake_quantize_per_tensor_affine(w, p.scale, 0, -127, 127)));
}

// In every layout and type that has a path of its own: grids are those of fake_quantize_per_channel_affine with steps that reach
// the largest sum of two neighbours.
TEST(FakeQuantWeight, ReachesSumsOfNeighboursAlongThePairedAxis) {
  at::manual_seed(6);
  const at::Tensor weight = at::randn({6, 8, 3, 3});
  for (const std::int64_t axis : {0, 1}) {
    for (const at::Tensor& w : {weight, weight.contiguous(at::MemoryFormat::ChannelsLast), weight.to(at::kDouble)}) {
      const at::Tensor reach = at::maximum(largest_pair_sums(weight, axis, 1 - axis), weight.movedim(axis, 0).flatten(1).abs().amax(1));
      const at::Tensor zero = at::zeros({reach.size(0)}, at::kInt);
      const at::Tensor expected = at::fake_quantize_per_channel_affine(weight, reach / 127, zero, axis, -127, 127);
      const at::Tensor found = fake_quant_weight(w, axis, {-127, 127}, true, make_quant_phase(), 1 - axis);
      EXPECT_TRUE(at::allclose(found.to(at::kFloat), expected, 1e-5, 1e-6)) << axis << " " << w.scalar_type();
    }
  }
  const at::Tensor one = fake_quant_weight(weight, kOneGrid, {-127, 127}, true, make_quant_phase(), 1);
  const double most = std::max(largest_pair_sums(weight, 0, 1).max().item<double>(), weight.abs().max().item<double>());
  EXPECT_TRUE(at::allclose(one, at::fake_quantize_per_tensor_affine(weight, most / 127, 0, -127, 127), 1e-5, 1e-6));
}

TEST(FakeQuantWeight, PassesTheWholeGradient) {
  const at::Tensor w = test::noise({6, 5}, 1).requires_grad_();
  const at::Tensor dy = test::noise({6, 5}, 2);
  fake_quant_weight(w, 0, weight_quant_range(4, true), true).backward(dy);
  EXPECT_TRUE(w.grad().equal(dy));
}

TEST(FakeQuantWeight, AShareGoesThatFar) {
  const at::Tensor w = test::noise({6, 50}, 1);
  const at::Tensor full = fake_quant_weight(w, 0, {-1, 1}, true);
  EXPECT_TRUE(at::allclose(fake_quant_weight(w, 0, {-1, 1}, true, phase_of(true, 0.5)), w + 0.5 * (full - w), 0, 1e-6));
}

}  // namespace
}  // namespace dsc
