// Operators that look at the whole batch, on several ranks: against the same batch in one piece, in double precision.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "exec/kernels/batch_norm.h"
#include "exec/kernels/fake_quant.h"
#include "parallel/batch_rows.h"
#include "parallel/current_ranks.h"
#include "support/rank_threads.h"

namespace dsc {
namespace {

constexpr double kMomentum = 0.1, kEps = 1e-5;

struct Layout {
  const char* name;
  std::vector<std::int64_t> sizes;
  at::ScalarType type;
  bool channels_last;
  double tolerance;
};
void PrintTo(const Layout& layout, std::ostream* out) { *out << layout.name; }

class SharedBatchNorm : public testing::TestWithParam<Layout> {};

struct Results {
  at::Tensor y, dx, dweight, dbias, mean, variance;
};

at::Tensor laid_out(const at::Tensor& x, const Layout& layout) {
  return x.to(layout.type).contiguous(layout.channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
}

// Of loss = sum(y * factor).
Results run(const at::Tensor& x, const at::Tensor& factor, const at::Tensor& weight, const at::Tensor& bias, at::ScalarType statistics_type, bool rectified) {
  const at::Tensor leaf = x.detach().clone().set_requires_grad(true), w = weight.clone().set_requires_grad(true), b = bias.clone().set_requires_grad(true);
  const auto options = at::TensorOptions(statistics_type);
  Results r;
  r.mean = at::full({weight.numel()}, 0.5, options);
  r.variance = at::full({weight.numel()}, 2.0, options);
  BatchNorm norm{.input = leaf, .weight = w, .bias = b, .running_mean = r.mean, .running_var = r.variance, .training = true, .momentum = kMomentum, .eps = kEps};
  if (rectified) norm.rectifier = BatchNorm::Rectifier{};
  r.y = batch_norm(norm);
  (r.y * factor).sum().backward();
  r.dx = leaf.grad();
  r.dweight = w.grad();
  r.dbias = b.grad();
  return r;
}

double error(const at::Tensor& found, const at::Tensor& expected) {
  return ((found.detach().to(at::kDouble) - expected.detach()).abs().max() / expected.detach().abs().max()).item<double>();
}

TEST_P(SharedBatchNorm, IsThatOfTheWholeBatch) {
  const Layout& layout = GetParam();
  at::manual_seed(3);
  const std::int64_t channels = layout.sizes[1];
  std::vector<std::int64_t> along(layout.sizes.size(), 1);
  along[1] = channels;
  const at::Tensor x = laid_out(at::randn(layout.sizes) + 20 * at::randn(along), layout), factor = laid_out(at::randn(layout.sizes), layout);
  const at::Tensor weight = at::randn({channels}), bias = at::randn({channels});
  for (const bool rectified : {false, true}) {
    const Results whole = run(x.to(at::kDouble), factor.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble), at::kDouble, rectified);
    test::expect_no_errors(test::run_ranks(3, [&](Ranks& ranks) {
      const RanksScope scope(ranks);
      const BatchRows rows(ranks, layout.sizes[0]);
      const auto own = rows.take({x, factor, whole.y, whole.dx});
      Results part = run(laid_out(own[0], layout), laid_out(own[1], layout), weight, bias, at::kFloat, rectified);
      EXPECT_EQ(part.y.scalar_type(), layout.type);
      EXPECT_LT(error(part.mean, whole.mean), 1e-5);
      EXPECT_LT(error(part.variance, whole.variance), 1e-5);
      EXPECT_LT(error(part.y, own[2]), layout.tolerance);
      if (!rectified || layout.type == at::kFloat) {  // a value near zero may fall to the other side in bf16
        EXPECT_LT(error(part.dx, own[3]), layout.tolerance);
      }
      ranks.sum({part.dweight, part.dbias});
      EXPECT_LT(error(part.dweight, whole.dweight), layout.tolerance);
      EXPECT_LT(error(part.dbias, whole.dbias), layout.tolerance);
    }));
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, SharedBatchNorm,
                         testing::Values(Layout{"rows", {7, 5}, at::kFloat, false, 1e-4}, Layout{"planes", {7, 5, 4, 3}, at::kFloat, false, 1e-4},
                                         Layout{"pixels", {7, 5, 4, 3}, at::kFloat, true, 1e-4}, Layout{"bf16 pixels", {7, 20, 6, 6}, at::kBFloat16, true, 0.03},
                                         Layout{"bf16 pixels of whole vectors", {7, 16, 6, 6}, at::kBFloat16, true, 0.03}));

TEST(SharedObserver, SeesTheWholeBatch) {
  register_fake_quant_operators();
  at::manual_seed(4);
  const at::Tensor x = at::randn({9, 6});
  test::expect_no_errors(test::run_ranks(3, [&](Ranks& ranks) {
    const RanksScope scope(ranks);
    const BatchRows rows(ranks, 9);
    at::Tensor range = make_quant_range();
    const auto observe = c10::Dispatcher::singleton().findSchemaOrThrow("dscompress::observe_fake_quant", "");
    std::vector<c10::IValue> stack{rows.take({x})[0], range, make_quant_phase(), 0.9, 0, 255, false, true};
    observe.callBoxed(stack);
    EXPECT_EQ(range[0].item<float>(), x.min().item<float>());
    EXPECT_EQ(range[1].item<float>(), x.max().item<float>());
  }));
}

}  // namespace
}  // namespace dsc
