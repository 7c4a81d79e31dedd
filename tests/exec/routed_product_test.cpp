// Products with looked-up matrices, beside the look-up itself in double precision, and what they allocate.
#include "exec/kernels/routed_product.h"

#include <ATen/ATen.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "exec/executor.h"
#include "exec/fixture.h"
#include "ops/tiny_experts.h"

namespace dsc {
namespace {

constexpr std::int64_t kStack = 5, kIn = 7, kOut = 6;  // matrices, and their sizes

at::Tensor multiply(const at::Tensor& matrices, const at::Tensor& experts, const at::Tensor& input, bool transposed, bool left) {
  std::vector<c10::IValue> stack{matrices, experts, input, transposed, left};
  routed_product(stack);
  return stack.at(0).toTensor();
}

struct Form {
  bool transposed, left;
  std::int64_t columns;
};
void PrintTo(const Form& form, std::ostream* out) { *out << (form.transposed ? "transposed" : "as stored") << (form.left ? " left " : " right ") << form.columns; }

class RoutedProductTest : public testing::TestWithParam<Form> {};

TEST_P(RoutedProductTest, EqualsTheLookUpAndItsGradients) {
  const auto [transposed, left, columns] = GetParam();
  at::manual_seed(3);
  const bool inputs_last = left != transposed;
  const at::Tensor matrices = at::randn(inputs_last ? at::IntArrayRef{kStack, kOut, kIn} : at::IntArrayRef{kStack, kIn, kOut});
  const at::Tensor experts = at::tensor({3, 0, 3, -1, 2, 0, 3, 3}, at::kLong);  // none for the second; -1 is the last
  const at::Tensor input = at::randn(left ? at::IntArrayRef{8, kIn, columns} : at::IntArrayRef{8, columns, kIn});

  const at::Tensor wide_matrices = matrices.to(at::kDouble).requires_grad_(), wide_input = input.to(at::kDouble).requires_grad_();
  at::Tensor looked_up = wide_matrices.index({experts});
  if (transposed) looked_up = looked_up.transpose(1, 2);
  const at::Tensor expected = left ? at::bmm(looked_up, wide_input) : at::bmm(wide_input, looked_up);
  const at::Tensor weights = at::randn(expected.sizes());
  (expected * weights).sum().backward();

  const at::Tensor given_matrices = matrices.clone().requires_grad_(), given_input = input.clone().requires_grad_();
  const at::Tensor found = multiply(given_matrices, experts, given_input, transposed, left);
  (found * weights).sum().backward();
  ASSERT_EQ(found.sizes(), expected.sizes());
  EXPECT_LE(test::relative_error(found.detach(), expected.detach().to(at::kFloat)), 1e-6);
  EXPECT_LE(test::relative_error(given_matrices.grad(), wide_matrices.grad().to(at::kFloat)), 1e-6);
  EXPECT_LE(test::relative_error(given_input.grad(), wide_input.grad().to(at::kFloat)), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(All, RoutedProductTest,
                         testing::Values(Form{false, true, 1}, Form{true, true, 1}, Form{false, false, 1}, Form{true, false, 1}, Form{false, true, 3}, Form{true, false, 3}));

TEST(RoutedProduct, OfNoRowsHasNone) {
  const at::Tensor none = at::empty({0}, at::kLong);
  EXPECT_EQ(multiply(at::randn({kStack, kOut, kIn}), none, at::randn({0, kIn, 1}), false, true).sizes(), (at::IntArrayRef{0, kOut, 1}));
  EXPECT_EQ(multiply(at::randn({kStack, kOut, kIn}), none, at::randn({0, 1, kIn}), true, false).sizes(), (at::IntArrayRef{0, 1, kOut}));
}

TEST(RoutedProduct, RefusesExpertsThatAreNotThere) {
  for (const std::int64_t expert : {kStack, -kStack - 1}) {
    EXPECT_THROW(multiply(at::randn({kStack, kOut, kIn}), at::full({1}, expert, at::kLong), at::randn({1, kIn, 1}), false, true), c10::Error);
  }
}

class LargestAllocation : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void*, std::int64_t bytes, std::size_t, std::size_t, c10::Device) override { largest = std::max(largest, bytes); }
  bool memoryProfilingEnabled() const override { return true; }
  std::int64_t largest = 0;
};

// The largest tensor that is allocated while the network runs on rows.
std::int64_t largest_bytes(const std::string& experts, std::int64_t rows, const std::vector<std::string>& watched = {}) {
  const Model model = test::tiny_experts(test::kSoftmaxRouter, experts);
  Executor executor(model, {});
  std::vector<const Value*> values;
  for (const std::string& name : watched) values.push_back(model.graph.find_value(name));
  const at::Tensor x = at::randn({rows, test::kExpertInputs});
  const auto seen = std::make_shared<LargestAllocation>();
  const c10::DebugInfoGuard guard(c10::DebugInfoKind::PROFILER_STATE, seen);
  if (values.empty()) executor.run({x});
  else executor.run({x}, values, [](const Value&, const at::Tensor&) {});
  return seen->largest;
}

TEST(RoutedProduct, NoRowGetsMatricesOfItsOwn) {
  constexpr std::int64_t kRows = 1000;
  for (const std::string& form : {test::kOutputsFirst, test::kInputsFirst}) {
    const std::int64_t hidden = kRows * test::kChosen * 2 * test::kExpertWidth * 4;  // bytes of the widest activation
    EXPECT_LE(largest_bytes(form, kRows), hidden);
    EXPECT_EQ(largest_bytes(form, kRows, {"g1"}), hidden * test::kExpertInputs) << "who looks at them has them made";
  }
}

}  // namespace
}  // namespace dsc
