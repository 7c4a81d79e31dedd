// The faster compositions against LibTorch's own kernels in double precision.
#include "exec/kernels/training_kernels.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

namespace dsc {
namespace {

at::Tensor seeded(at::IntArrayRef sizes, std::uint64_t seed) {
  at::manual_seed(seed);
  return at::randn(sizes);
}

struct KernelCase {
  std::int64_t heads, key_heads, queries, keys;
  const char* mask;  // "none", "bool", "float"
  bool is_causal;
  std::optional<double> scale;
};
void PrintTo(const KernelCase& one, std::ostream* out) { *out << one.heads << " heads, " << one.queries << " x " << one.keys << ", mask " << one.mask; }

class AttentionKernel : public testing::TestWithParam<KernelCase> {};

double error(const at::Tensor& found, const at::Tensor& expected) {
  return ((found.to(at::kDouble) - expected).abs().max() / expected.abs().max()).item<double>();
}

TEST_P(AttentionKernel, OutputsAndGradientsEqualLibTorchsInDouble) {
  const KernelCase c = GetParam();
  const std::vector<at::Tensor> values{seeded({2, c.heads, c.queries, 16}, 1), seeded({2, c.key_heads, c.keys, 16}, 2), seeded({2, c.key_heads, c.keys, 16}, 3)};
  std::optional<at::Tensor> mask;
  if (std::string(c.mask) == "bool") mask = seeded({2, 1, c.queries, c.keys}, 4) > -1;
  if (std::string(c.mask) == "float") mask = seeded({1, 1, c.queries, c.keys}, 5);
  const bool shares = c.heads != c.key_heads;
  std::vector<at::Tensor> exact, half;
  for (const at::Tensor& value : values) {
    const at::Tensor rounded = value.to(at::kBFloat16);  // both start from the same numbers
    exact.push_back(rounded.to(at::kDouble).requires_grad_());
    half.push_back(rounded.detach().requires_grad_());
  }
  const auto exact_mask = mask && mask->is_floating_point() ? std::optional(mask->to(at::kDouble)) : mask;
  const auto half_mask = mask && mask->is_floating_point() ? std::optional(mask->to(at::kBFloat16)) : mask;
  const at::Tensor expected = at::scaled_dot_product_attention(exact[0], exact[1], exact[2], exact_mask, 0.0, c.is_causal, c.scale, shares);
  std::vector<c10::IValue> stack{half[0], half[1], half[2], half_mask ? c10::IValue(*half_mask) : c10::IValue(), 0.0, c.is_causal,
                                 c.scale ? c10::IValue(*c.scale) : c10::IValue(), shares};
  find_training_kernel("aten.scaled_dot_product_attention.default")(stack);
  ASSERT_EQ(stack.size(), 1U);
  const at::Tensor found = stack[0].toTensor();
  EXPECT_EQ(found.scalar_type(), at::kBFloat16);
  EXPECT_LE(error(found.detach(), expected.detach()), 0.02);  // bf16 keeps 8 bits, and scores are rounded once more
  const at::Tensor weight = seeded(expected.sizes(), 6);
  (expected * weight.to(at::kDouble)).sum().backward();
  (found.to(at::kFloat) * weight).sum().backward();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_LE(error(half[i].grad(), exact[i].grad()), 0.03) << i;
}

INSTANTIATE_TEST_SUITE_P(Kinds, AttentionKernel,
                         testing::Values(KernelCase{4, 4, 8, 8, "none", false, {}}, KernelCase{4, 4, 8, 8, "bool", false, {}}, KernelCase{4, 4, 8, 12, "float", false, 0.3},
                                         KernelCase{4, 4, 8, 8, "none", true, {}}, KernelCase{6, 2, 8, 8, "none", true, {}}));

std::vector<c10::IValue> dropped(const at::Tensor& input, double p, bool train) {
  std::vector<c10::IValue> stack{input, p, train};
  find_training_kernel("aten.dropout.default")(stack);
  return stack;
}

TEST(DropoutKernel, DropsTheShareAndKeepsTheMean) {
  at::manual_seed(3);
  const at::Tensor input = at::ones({1000, 100}, at::kBFloat16);
  for (const double p : {0.1, 0.5}) {
    const at::Tensor output = dropped(input, p, true)[0].toTensor().to(at::kDouble);
    const double share = (output == 0).to(at::kDouble).mean().item<double>();
    EXPECT_NEAR(share, p, 4 * std::sqrt(p * (1 - p) / 1e5));  // four standard deviations
    EXPECT_NEAR(output.max().item<double>(), 1 / (1 - p), 0.005 / (1 - p));
    EXPECT_NEAR(output.slice(0, 0, 500).mean().item<double>(), output.slice(0, 500).mean().item<double>(), 0.03);
  }
  EXPECT_TRUE(at::equal(dropped(input, 0.5, false)[0].toTensor(), input));
}

TEST(DropoutKernel, FollowsFromTheSeedForAnyNumberOfThreads) {
  const at::Tensor input = at::ones({300, 333}, at::kBFloat16);
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    at::manual_seed(11);
    std::vector<at::Tensor> outputs{dropped(input, 0.3, true)[0].toTensor(), dropped(input, 0.3, true)[0].toTensor()};
    return outputs;
  };
  const auto one = run(1), two = run(2);
  at::set_num_threads(1);
  EXPECT_TRUE(at::equal(one[0], two[0]));
  EXPECT_TRUE(at::equal(one[1], two[1]));
  EXPECT_FALSE(at::equal(one[0], one[1])) << "each call draws anew";
}

TEST(DropoutKernel, GradientIsTheMask) {
  at::manual_seed(5);
  const at::Tensor input = at::ones({64, 64}, at::kBFloat16).requires_grad_();
  const at::Tensor output = dropped(input, 0.25, true)[0].toTensor();
  output.sum().backward();
  EXPECT_TRUE(at::equal(input.grad(), output.detach()));
}

}  // namespace
}  // namespace dsc
