// The gradients of several ranks beside plain sums of them.
#include "train/gradient_sums.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "support/rank_threads.h"

namespace dsc {
namespace {

constexpr std::int64_t kMillion = 1'000'000;  // elements: two do not fit into one message

// Of a network whose layers are used in this order: a and b lie in other messages than c and d, and rank 1 does not reach b.
struct Layers {
  at::Tensor a = at::full({kMillion}, 2.0), b = at::full({kMillion}, 3.0), c = at::full({5}, 5.0), d = at::full({2, kMillion}, 7.0).t(),
             objective = at::full({3}, 1.0), unused = at::full({4}, 1.0);

  std::vector<at::Tensor> own() const { return {a, unused, b, c, d}; }
  void require_gradients() {
    for (auto* tensor : {&a, &b, &c, &d, &objective, &unused}) tensor->requires_grad_();
  }
  // The derivative by a is scale, by b 2 scale, by c 3 scale, by d 4 scale.
  at::Tensor loss(double scale, bool reaches_b) const {
    at::Tensor sum = a.sum() + 3 * c.sum() + 4 * d.sum() + 5 * objective.sum();
    if (reaches_b) sum = sum + 2 * b.sum();
    return scale * sum;
  }
};

void expect_sums(const Layers& layers, double scales, double scales_of_b, double mean_scale) {
  EXPECT_TRUE(layers.a.grad().eq(scales).all().item<bool>());
  EXPECT_TRUE(layers.b.grad().eq(2 * scales_of_b).all().item<bool>());
  EXPECT_TRUE(layers.c.grad().eq(3 * scales).all().item<bool>());
  EXPECT_TRUE(layers.d.grad().eq(4 * scales).all().item<bool>());
  EXPECT_EQ(layers.d.grad().sizes(), layers.d.sizes());
  EXPECT_TRUE(layers.objective.grad().eq(5 * mean_scale).all().item<bool>()) << "common parameters: the mean of what each rank has as a whole";
  EXPECT_FALSE(layers.unused.grad().defined());
}

class GradientSumsTest : public testing::TestWithParam<test::Meeting> {};

TEST_P(GradientSumsTest, ArePlainSums) {
  test::expect_no_errors(test::run_ranks(
      3,
      [](Ranks& ranks) {
        const c10::AutoGradMode recording(true);
        Layers layers;
        layers.require_gradients();
        for (int step = 0; step < 2; ++step) {                             // hooks of the first step are gone in the second
          const double scale = 3 * static_cast<double>(ranks.rank() + 1);  // thirds of it are exact
          GradientSums sums(ranks, layers.own(), {layers.objective});
          layers.loss(scale, true).backward();  // a batch before the last one
          sums.follow_backward();
          layers.loss(10 * scale, ranks.rank() != 1).backward();
          sums.finish();
          expect_sums(layers, 198, 198 - 60, 66);
          for (auto* tensor : {&layers.a, &layers.b, &layers.c, &layers.d, &layers.objective}) tensor->mutable_grad() = at::Tensor();
        }
      },
      GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Meetings, GradientSumsTest, testing::Values(test::Meeting::memory, test::Meeting::connections),
                         [](const auto& info) { return info.param == test::Meeting::memory ? "Memory" : "Connections"; });

// What a rank among others sees of the order in which sums begin.
class WatchingRanks final : public Ranks {
 public:
  explicit WatchingRanks(const at::Tensor& first_layer) : first_layer_(first_layer) {}
  std::int64_t rank() const override { return 0; }
  std::int64_t size() const override { return 2; }
  bool sums_travel() const override { return true; }
  std::unique_ptr<SumUnderway> begin_sum(const std::vector<at::Tensor>& tensors) override {
    begun.emplace_back(tensors.front().numel(), first_layer_.grad().defined());
    return Ranks::begin_sum(tensors);
  }
  void sum(const std::vector<at::Tensor>&) override {}
  void take_largest(const at::Tensor&) override {}
  std::vector<at::Tensor> all_of(const at::Tensor& tensor) override { return {tensor, tensor}; }
  at::Tensor from(std::int64_t, const at::Tensor& tensor) override { return tensor; }
  bool announce(const Error&) override { return false; }
  void part() override {}

  std::vector<std::pair<std::int64_t, bool>> begun;  // elements, and whether backward had reached the first layer

 private:
  at::Tensor first_layer_;
};

TEST(GradientSums, BeginWhileBackwardComputes) {
  const c10::AutoGradMode recording(true);
  const auto first = at::full({kMillion, 1}, 1e-3).requires_grad_(), last = at::full({kMillion + 1, kMillion / 500'000}, 1e-3).requires_grad_();
  WatchingRanks ranks(first);
  GradientSums sums(ranks, {first, last}, {});
  sums.follow_backward();
  const auto hidden = at::tanh(first.sum());
  (hidden * last.sum()).backward();
  ASSERT_EQ(ranks.begun.size(), 2U);
  EXPECT_EQ(ranks.begun[0], std::make_pair(last.numel(), false));
  EXPECT_EQ(ranks.begun[1], std::make_pair(first.numel(), true));
  sums.finish();
  EXPECT_EQ(ranks.begun.size(), 2U);
}

}  // namespace
}  // namespace dsc
