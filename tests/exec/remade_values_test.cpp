// What backward makes again, beside keeping it.
#include "exec/kernels/remade_values.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <limits>
#include <optional>

#include "exec/kernels/training_kernels.h"

namespace dsc {
namespace {

constexpr std::int64_t kChannels = 11;

at::Tensor picture() { return at::randn({4, kChannels, 8, 8}).contiguous(at::MemoryFormat::ChannelsLast); }

at::Tensor rectified_norm(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& addend) {
  std::vector<c10::IValue> stack{x,
                                 weight,
                                 at::zeros({kChannels}),
                                 at::zeros({kChannels}),
                                 at::ones({kChannels}),
                                 true,
                                 0.1,
                                 1e-5,
                                 false,
                                 addend ? c10::IValue(*addend) : c10::IValue(),
                                 std::numeric_limits<double>::infinity()};
  rectified_batch_norm(stack);
  return stack.at(0).toTensor();
}

// Three residual blocks; what is read of the last is a view.
std::vector<at::Tensor> gradients(bool remakes) {
  at::manual_seed(1);
  const at::Tensor x = picture().requires_grad_();
  std::vector<at::Tensor> leaves{x};
  at::Tensor y = x;
  std::optional<RemadeValues> values;
  if (remakes) values.emplace();
  for (int block = 0; block < 3; ++block) {
    for (int half = 0; half < 2; ++half) {
      leaves.push_back((0.1 * at::randn({kChannels, kChannels, 3, 3})).requires_grad_());
      leaves.push_back((1 + 0.1 * at::randn({kChannels})).requires_grad_());
    }
    const std::size_t first = leaves.size() - 4;
    const at::Tensor inner = rectified_norm(at::conv2d(y, leaves[first], {}, 1, 1), leaves[first + 1], {});
    y = rectified_norm(at::conv2d(inner, leaves[first + 2], {}, 1, 1), leaves[first + 3], y);
  }
  leaves.push_back(at::randn({5, kChannels * 64}).requires_grad_());
  const at::Tensor output = at::linear(y.contiguous().view({4, -1}), leaves.back()) + at::linear(y.flatten(1), leaves.back());
  values.reset();
  y.reset();
  output.pow(2).sum().backward();
  std::vector<at::Tensor> found;
  for (const at::Tensor& leaf : leaves) found.push_back(leaf.grad());
  return found;
}

TEST(RemadeValues, GiveTheGradientsOfKeepingThem) {
  const auto kept = gradients(false), remade = gradients(true);
  for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_TRUE(at::equal(kept[i], remade[i])) << i;
}

TEST(RemadeValues, AreFreeAfterForward) {
  const at::Tensor x = picture().requires_grad_(), weight = at::ones({kChannels}), kernel = at::randn({4, kChannels, 3, 3}).requires_grad_();
  for (const bool remakes : {false, true}) {
    std::optional<RemadeValues> values;
    if (remakes) values.emplace();
    at::Tensor y = rectified_norm(x, weight, {});
    const auto memory = y.storage().getWeakStorageImpl();
    const at::Tensor output = at::conv2d(y, kernel);
    values.reset();
    y.reset();
    EXPECT_EQ(memory.use_count() == 0, remakes);
    EXPECT_TRUE(output.requires_grad());
  }
}

// Every second sum is kept: made again from one that is made again, it would need that one's passes as well.
TEST(RemadeValues, AreNotChained) {
  const at::Tensor x = picture().requires_grad_(), weight = at::ones({kChannels});
  const RemadeValues values;
  const at::Tensor first = rectified_norm(x, weight, x), second = rectified_norm(x, weight, first), third = rectified_norm(x, weight, second);
  EXPECT_TRUE(values.has(first));
  EXPECT_FALSE(values.has(second));
  EXPECT_TRUE(values.has(third));
}

TEST(RemadeValues, WhatIsKeptMayNotChangeBeforeBackward) {
  const at::Tensor x = picture().requires_grad_(), weight = at::ones({kChannels}), kernel = at::randn({4, kChannels, 3, 3}).requires_grad_();
  const RemadeValues values;
  rectified_norm(x, weight, {});
  at::Tensor y = at::relu(x);
  const at::Tensor output = at::conv2d(y, kernel);
  y.mul_(2);
  EXPECT_THROW(output.sum().backward(), c10::Error);
}

}  // namespace
}  // namespace dsc
