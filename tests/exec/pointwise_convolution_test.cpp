// Gradients of 1x1 convolutions with a stride, against plain double loops: see exec/kernels/pointwise_convolution.h.
#include <gtest/gtest.h>

#include "exec/fixture.h"

namespace dsc {
namespace {

struct PointwiseCase {
  std::int64_t in, out, stride;
};

class PointwiseConvolution : public testing::TestWithParam<PointwiseCase> {};

constexpr std::int64_t kBatch = 32, kSide = 8;

// dL/dw[o, i] = sum over n, h, w of g[n, o, h, w] x[n, i, s h, s w]
at::Tensor gradient_by_loops(const at::Tensor& x, const at::Tensor& g, std::int64_t stride) {
  const at::Tensor x64 = x.to(at::kDouble).contiguous(), g64 = g.to(at::kDouble).contiguous();
  const auto xs = x64.accessor<double, 4>(), gs = g64.accessor<double, 4>();
  at::Tensor sums = at::zeros({g.size(1), x.size(1), 1, 1}, at::kDouble);
  auto out = sums.accessor<double, 4>();
  for (std::int64_t n = 0; n < g.size(0); ++n)
    for (std::int64_t o = 0; o < g.size(1); ++o)
      for (std::int64_t i = 0; i < x.size(1); ++i)
        for (std::int64_t h = 0; h < g.size(2); ++h)
          for (std::int64_t w = 0; w < g.size(3); ++w) out[o][i][0][0] += gs[n][o][h][w] * xs[n][i][stride * h][stride * w];
  return sums;
}

TEST_P(PointwiseConvolution, GradientOfTheWeightsInChannelsLastIsThatOfPlainLoops) {
  const PointwiseCase c = GetParam();
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  const std::string in = number(c.in), out = number(c.out), stride = number(c.stride), side = number((kSide - 1) / c.stride + 1);
  const std::string result = "f32[32, " + out + ", " + side + ", " + side + "]";
  const std::string text = "graph {\n  param %w \"w\": f32[" + out + ", " + in + ", 1, 1] grad\n  input %x: f32[32, " + in + ", 8, 8]\n  %y: " + result +
                           " = aten.conv2d.default(input=%x, weight=%w, bias=None, stride=[" + stride + ", " + stride + "])\n  output %y\n}\n";
  at::manual_seed(1);
  Model model = test::model_of(text, [](const std::string&, at::IntArrayRef sizes) { return at::randn(sizes); });
  Executor executor(model, {.training = true, .channels_last = true});
  const at::Tensor x = at::randn({kBatch, c.in, kSide, kSide});
  const at::Tensor y = executor.run({x}).at(0), g = at::randn_like(y);
  (y * g).sum().backward();
  const at::Tensor expected = gradient_by_loops(x, g, c.stride).to(at::kFloat);
  EXPECT_LE(test::relative_error(executor.weight("w").grad(), expected), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Widths, PointwiseConvolution,
                         testing::Values(PointwiseCase{4, 8, 2}, PointwiseCase{3, 5, 2}, PointwiseCase{5, 3, 2}, PointwiseCase{6, 12, 2}, PointwiseCase{7, 9, 2}, PointwiseCase{5, 64, 2},
                                         PointwiseCase{4, 8, 3}, PointwiseCase{1, 4, 2}, PointwiseCase{8, 8, 2}, PointwiseCase{4, 8, 1}));

}  // namespace
}  // namespace dsc
