#include "eval/metrics.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "dscompress/error.h"

namespace dsc {
namespace {

// Examples are rows of given tensors.
class Rows : public Dataset {
 public:
  Rows(at::Tensor inputs, at::Tensor targets) : inputs_(std::move(inputs)), targets_(std::move(targets)) { info_.description = "rows"; }
  std::int64_t size() const override { return inputs_.size(0); }
  const DatasetInfo& info() const override { return info_; }
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t>) const override {
    const std::vector<std::int64_t> list(indices.begin(), indices.end());
    const auto picked = at::tensor(list);
    return {.inputs = {inputs_.index_select(0, picked)}, .target = targets_.defined() ? targets_.index_select(0, picked) : at::Tensor(), .indices = list};
  }

 private:
  at::Tensor inputs_, targets_;
  DatasetInfo info_;
};

// The inputs are the outputs.
class Identity : public Engine {
 public:
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override { return inputs; }
  std::string name() const override { return "identity"; }
};
class Negation : public Engine {
 public:
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override { return {-inputs[0]}; }
  std::string name() const override { return "negation"; }
};

Error error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error(ErrorCode::internal, "no error");
}

Metrics measure(const at::Tensor& outputs, const at::Tensor& targets, std::vector<std::string> metrics, std::int64_t batch = 3) {
  Identity engine;
  EvaluateOptions options;
  options.metrics = std::move(metrics);
  options.batch = batch;
  return evaluate(engine, Rows(outputs, targets), options);
}

TEST(Metrics, EqualPlainLoops) {
  const std::int64_t n = 50, classes = 9;
  const auto logits = at::randn({n, classes});
  const auto labels = at::randint(classes, {n}, at::kLong);
  double loss = 0;
  int best = 0, among = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    double sum = 0;
    int above = 0;
    const double own = logits[i][labels[i].item<std::int64_t>()].item<double>();
    for (std::int64_t c = 0; c < classes; ++c) {
      const double logit = logits[i][c].item<double>();
      sum += std::exp(logit);
      above += logit > own;
    }
    loss += std::log(sum) - own;
    best += above == 0;
    among += above < 5;
  }
  const Metrics found = measure(logits, labels, {"top1", "top5", "loss"}, 7);  // the last batch is smaller
  EXPECT_DOUBLE_EQ(found.at("top1"), best / 50.0);
  EXPECT_DOUBLE_EQ(found.at("top5"), among / 50.0);
  EXPECT_NEAR(found.at("loss"), loss / 50.0, 1e-9);
}

TEST(Metrics, TokensAndPixelsCountOneByOne) {
  const auto tokens = at::zeros({2, 3, 4}), pixels = at::zeros({2, 4, 2, 2});
  tokens.select(2, 1).fill_(1);
  pixels.select(1, 1).fill_(1);
  EXPECT_DOUBLE_EQ(measure(tokens, at::tensor({1, 1, 0, 1, 0, 0}, at::kLong).view({2, 3}), {"top1"}).at("top1"), 0.5);
  EXPECT_DOUBLE_EQ(measure(pixels, at::tensor({1, 1, 0, 1, 0, 0, 1, 1}, at::kLong).view({2, 2, 2}), {"top1"}).at("top1"), 5.0 / 8);
}

TEST(Metrics, IgnoredLabelsDoNotCount) {
  const auto logits = at::tensor({1.0F, 0.0F, 0.0F, 1.0F, 1.0F, 0.0F}).view({3, 2});
  const Metrics found = measure(logits, at::tensor({0, 0, -100}, at::kLong), {"top1", "loss"});
  EXPECT_DOUBLE_EQ(found.at("top1"), 0.5);
  EXPECT_NEAR(found.at("loss"), (std::log(std::exp(1.0) + 1) * 2 - 1) / 2, 1e-6);
}

TEST(Metrics, SquaredErrorAcceptsAColumn) {
  EXPECT_NEAR(measure(at::tensor({1.0F, 2.0F, 4.0F}).view({3, 1}), at::tensor({1.0F, 0.0F, 1.0F}), {"mse", "loss"}).at("mse"), 13.0 / 3, 1e-6);
}

TEST(Metrics, AgreementComparesWithTheReference) {
  Identity engine;
  Negation negation;
  const auto logits = at::tensor({1.0F, 0.0F, 0.0F, 1.0F}).view({2, 2});
  EvaluateOptions options;
  options.metrics = {"agreement"};
  options.reference = &engine;
  EXPECT_DOUBLE_EQ(evaluate(engine, Rows(logits, {}), options).at("agreement"), 1);
  options.reference = &negation;
  EXPECT_DOUBLE_EQ(evaluate(engine, Rows(logits, {}), options).at("agreement"), 0);
}

TEST(Metrics, ProgressReachesTheEndAndMayCancel) {
  Identity engine;
  EvaluateOptions options;
  options.batch = 2;
  std::int64_t last = 0;
  options.progress = [&](std::int64_t done, std::int64_t total) {
    EXPECT_EQ(total, 5);
    last = done;
  };
  const Rows rows(at::randn({5, 3}), at::zeros({5}, at::kLong));
  evaluate(engine, rows, options);
  EXPECT_EQ(last, 5);
  options.progress = [](std::int64_t, std::int64_t) { throw Error(ErrorCode::cancelled, "stop"); };
  EXPECT_EQ(error_of([&] { evaluate(engine, rows, options); }).code(), ErrorCode::cancelled);
}

TEST(MetricsErrors, LabelsOutOfRangeNameTheExample) {
  const Error error = error_of([] { measure(at::randn({5, 3}), at::tensor({0, 1, 2, 0, 3}, at::kLong), {"top1"}, 2); });
  EXPECT_EQ(error.code(), ErrorCode::data);
  EXPECT_NE(error.to_text().find("example 4 has label 3"), std::string::npos) << error.to_text();
  EXPECT_NE(error.to_text().find("0 to 2"), std::string::npos);
}

TEST(MetricsErrors, AreReported) {
  const auto labels = at::zeros({4}, at::kLong);
  auto broken = at::randn({4, 3});
  broken[2][1] = NAN;
  const Error numeric = error_of([&] { measure(broken, labels, {"top1"}); });
  EXPECT_EQ(numeric.code(), ErrorCode::numeric);
  EXPECT_NE(numeric.to_text().find("example 2"), std::string::npos) << numeric.to_text();
  EXPECT_EQ(error_of([&] { measure(at::randn({4, 3}), at::randn({4, 3}), {"top1"}); }).code(), ErrorCode::data);
  EXPECT_EQ(error_of([&] { measure(at::randn({4, 3}), labels, {"mse"}); }).code(), ErrorCode::data);
  EXPECT_EQ(error_of([&] { measure(at::randn({4, 3}), at::zeros({4, 2}, at::kLong), {"top1"}); }).code(), ErrorCode::data);
  EXPECT_EQ(error_of([&] { measure(at::randn({4, 3}), {}, {"loss"}); }).code(), ErrorCode::data);
  EXPECT_EQ(error_of([&] { measure(at::randn({0, 3}), at::zeros({0}, at::kLong), {"top1"}); }).code(), ErrorCode::data);
  const Error error = error_of([&] { measure(at::randn({4, 3}), labels, {"topp1"}); });
  EXPECT_EQ(error.code(), ErrorCode::recipe);
  EXPECT_NE(error.to_text().find("top1"), std::string::npos);
}

}  // namespace
}  // namespace dsc
