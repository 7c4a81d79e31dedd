#include "eval/metrics.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "dscompress/error.h"
#include "support/error_of.h"

namespace dsc {
namespace {

using test::error_of;

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

// One value of example 2 is what the engine says.
class Spoiled : public Engine {
 public:
  explicit Spoiled(float value) : value_(value) {}
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override {
    at::Tensor output = inputs[0].clone();
    if (output.size(0) > 2) output[2][1] = value_;
    return {output};
  }
  std::string name() const override { return "spoiled"; }

 private:
  float value_;
};

Metrics measure(const at::Tensor& outputs, const at::Tensor& targets, std::vector<std::string> metrics, std::int64_t batch = 3) {
  Identity engine;
  EvaluateOptions options;
  options.metrics = std::move(metrics);
  options.batch = batch;
  return evaluate(engine, Rows(outputs, targets), options);
}

TEST(Metrics, DisturbedInputsAreWhatTheModelSees) {
  const auto outputs = at::eye(4), targets = at::arange(4);
  Identity engine;
  EvaluateOptions options{.metrics = {"top1"}, .batch = 3};
  options.disturb = [](const Batch& batch) { return std::vector<at::Tensor>{at::where(batch.target.unsqueeze(1) < 1, -batch.inputs[0], batch.inputs[0])}; };
  EXPECT_EQ(evaluate(engine, Rows(outputs, targets), options).at("top1"), 0.75);
}

// Numbers in rows of different lengths, filled up to the longest of a batch, and a mask of those that count.
class FilledUp : public Dataset {
 public:
  explicit FilledUp(std::vector<std::vector<float>> rows) : rows_(std::move(rows)) {
    for (const auto& row : rows_) lengths_.push_back(static_cast<std::int64_t>(row.size()));
  }
  std::int64_t size() const override { return static_cast<std::int64_t>(rows_.size()); }
  const DatasetInfo& info() const override { return info_; }
  std::span<const std::int64_t> lengths() const override { return lengths_; }
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t>) const override {
    std::int64_t longest = 0;
    for (const auto i : indices) longest = std::max(longest, lengths_[static_cast<std::size_t>(i)]);
    const auto count = static_cast<std::int64_t>(indices.size());
    Batch made{.inputs = {at::zeros({count, longest}), at::zeros({count, longest})},
               .target = at::zeros({count, 1}),
               .indices = {indices.begin(), indices.end()}};
    for (std::int64_t i = 0; i < count; ++i) {
      const auto& row = rows_[static_cast<std::size_t>(indices[static_cast<std::size_t>(i)])];
      made.inputs[0][i].narrow(0, 0, static_cast<std::int64_t>(row.size())).copy_(at::tensor(row));
      made.inputs[1][i].narrow(0, 0, static_cast<std::int64_t>(row.size())).fill_(1);
    }
    return made;
  }

 private:
  std::vector<std::vector<float>> rows_;
  std::vector<std::int64_t> lengths_;
  DatasetInfo info_;
};

// The mean of a row's numbers that the mask shows: no number where it shows none.
class MaskedMean : public Engine {
 public:
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override {
    return {(inputs[0] * inputs[1]).sum(1, true) / inputs[1].sum(1, true)};
  }
  std::string name() const override { return "masked mean"; }
};

// A short text beside a long one has no windows of padding.
TEST(Metrics, WindowsOfAnExampleDoNotDependOnItsBatch) {
  const FilledUp rows({{1, 2}, {1, 2, 3, 4, 5, 6, 7, 8}, {3, 3, 3}});
  MaskedMean engine;
  const double means[3] = {1.5, (2 + 5 + 7) / 3.0, 3};  // windows 1 2 3, 4 5 6 and 6 7 8
  double wanted = 0;
  for (const double mean : means) wanted += mean * mean / 3;
  EXPECT_NEAR(evaluate(engine, rows, {.metrics = {"mse"}, .batch = 3, .windows = WindowOptions{.size = 3, .merge = WindowMerge::mean}}).at("mse"),
              wanted, 1e-5);
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

TEST(Metrics, KappaIsThatOfAPlainLoop) {
  const std::int64_t n = 60, classes = 4;
  const auto logits = at::randn({n, classes}), predicted = logits.argmax(1);
  const auto labels = at::where(at::rand({n}) < 0.5, predicted, at::randint(classes, {n}, at::kLong));
  double same = 0, by_chance = 0;  // of all pairs of a label and a prediction
  for (std::int64_t i = 0; i < n; ++i) {
    same += labels[i].item<std::int64_t>() == predicted[i].item<std::int64_t>();
    for (std::int64_t k = 0; k < n; ++k) by_chance += labels[i].item<std::int64_t>() == predicted[k].item<std::int64_t>();
  }
  const double observed = same / n, expected = by_chance / (n * n);
  EXPECT_NEAR(measure(logits, labels, {"kappa"}, 7).at("kappa"), (observed - expected) / (1 - expected), 1e-12);
  EXPECT_EQ(measure(at::ones({3, 1}), at::zeros({3}, at::kLong), {"kappa"}).at("kappa"), 0);  // one class alone
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

TEST(MetricsErrors, NanInTheDataIsNotDivergence) {
  for (const float bad : {NAN, INFINITY}) {
    auto inputs = at::randn({4, 3});
    inputs[3][0] = bad;
    const Error error = error_of([&] { measure(inputs, at::zeros({4}, at::kLong), {"top1"}); });
    EXPECT_EQ(error.code(), ErrorCode::data);
    EXPECT_NE(error.to_text().find("example 3 has " + std::string(std::isnan(bad) ? "NaN" : "an infinite value") + " in input 0"), std::string::npos) << error.to_text();
    EXPECT_EQ(error.to_text().find("diverged"), std::string::npos) << error.to_text();
  }
  auto targets = at::randn({4});
  targets[1] = NAN;
  const Error label = error_of([&] { measure(at::randn({4, 1}), targets, {"mse"}); });
  EXPECT_EQ(label.code(), ErrorCode::data);
  EXPECT_NE(label.to_text().find("example 1 has NaN in its label"), std::string::npos) << label.to_text();
}

// Classes that a model masks are as if they were not there.
TEST(Metrics, MaskedScoresAreLegitimate) {
  const auto logits = at::randn({6, 4}), base = at::randn({6, 4});
  const auto masked = [](const at::Tensor& scores) { return at::cat({scores.narrow(1, 0, 2), at::full({6, 1}, -INFINITY), scores.narrow(1, 2, 2)}, 1); };
  const auto labels = at::tensor({0, 1, 2, 3, 1, 0}, at::kLong), moved = labels + labels.ge(2).to(at::kLong);
  const Metrics plain = measure(logits, labels, {"top1", "loss"}), hidden = measure(masked(logits), moved, {"top1", "loss"});
  EXPECT_DOUBLE_EQ(plain.at("top1"), hidden.at("top1"));
  EXPECT_NEAR(plain.at("loss"), hidden.at("loss"), 1e-7);
  class Fixed : public Engine {
   public:
    explicit Fixed(at::Tensor output) : output_(std::move(output)) {}
    std::vector<at::Tensor> run(const std::vector<at::Tensor>&) override { return {output_}; }
    std::string name() const override { return "fixed"; }

   private:
    at::Tensor output_;
  };
  const auto divergence = [](const at::Tensor& mine, const at::Tensor& theirs) {
    Fixed engine(mine), reference(theirs);
    return evaluate(engine, Rows(mine, {}), {.metrics = {"kl", "agreement"}, .batch = 6, .reference = &reference});
  };
  const Metrics all = divergence(logits, base), some = divergence(masked(logits), masked(base));
  EXPECT_NEAR(all.at("kl"), some.at("kl"), 1e-7);
  EXPECT_DOUBLE_EQ(all.at("agreement"), some.at("agreement"));
  const Error own = error_of([&] { measure(masked(logits), at::full({6}, 2, at::kLong), {"loss"}); });
  EXPECT_EQ(own.code(), ErrorCode::numeric);
  EXPECT_NE(own.to_text().find("own class has the score -inf"), std::string::npos) << own.to_text();
  EXPECT_EQ(error_of([&] { divergence(masked(logits), at::randn({6, 5})); }).code(), ErrorCode::numeric);
}

// The last batch of a model with a fixed batch is filled up; its rows count once.
TEST(Metrics, FillersOfAFixedBatchDoNotCount) {
  class Whole : public Identity {
   public:
    std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override {
      EXPECT_EQ(inputs[0].size(0), 4);
      return inputs;
    }
  };
  class FixedRows : public Rows {
   public:
    FixedRows(at::Tensor inputs, at::Tensor targets) : Rows(std::move(inputs), std::move(targets)) {
      info_ = Rows::info();
      info_.fixed_batch = 4;
    }
    const DatasetInfo& info() const override { return info_; }

   private:
    DatasetInfo info_;
  };
  const auto logits = at::randn({10, 3}), labels = at::randint(3, {10}, at::kLong);
  Whole engine;
  const Metrics found = evaluate(engine, FixedRows(logits, labels), {.metrics = {"top1", "loss"}, .batch = 128});
  const Metrics expected = measure(logits, labels, {"top1", "loss"});
  EXPECT_DOUBLE_EQ(found.at("top1"), expected.at("top1"));
  EXPECT_NEAR(found.at("loss"), expected.at("loss"), 1e-9);
}

TEST(Metrics, ClassesOfSquarePicturesAreInTheSecondDimension) {
  const auto scores = at::randn({3, 3, 3, 3});
  const auto labels = at::randint(3, {3, 3, 3}, at::kLong);
  const double right = scores.argmax(1).eq(labels).to(at::kDouble).mean().item<double>();
  const Metrics found = measure(scores, labels, {"top1", "loss"});
  EXPECT_DOUBLE_EQ(found.at("top1"), right);
  EXPECT_NEAR(found.at("loss"), at::cross_entropy_loss(scores.to(at::kDouble), labels).item<double>(), 1e-6);
}

TEST(MetricsErrors, AreReported) {
  const auto labels = at::zeros({4}, at::kLong);
  Spoiled broken(NAN);
  const Error numeric = error_of([&] { evaluate(broken, Rows(at::randn({4, 3}), labels), {.metrics = {"top1"}, .batch = 3}); });
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

// Examples with a second label, of a second output.
class TwoLabels final : public Rows {
 public:
  using Rows::Rows;
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t> seed) const override {
    Batch batch = Rows::batch(indices, seed);
    batch.labels.push_back({"kind", 1, 3 - batch.target});
    return batch;
  }
};
class TwoOutputs final : public Engine {
 public:
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override { return {inputs[0], inputs[0].flip(1) + inputs[0].roll(1, 1) * 2}; }
  std::string name() const override { return "two outputs"; }
};

TEST(Metrics, AMetricOfAFurtherLabelLooksAtThatLabelsOutput) {
  const at::Tensor scores =
      at::tensor({4.F, 1.F, 0.F, 0.F, 0.F, 3.F, 0.F, 1.F, 0.F, 1.F, 5.F, 0.F, 1.F, 0.F, 0.F, 2.F, 3.F, 0.F, 0.F, 1.F}).view({5, 4});
  const at::Tensor labels = at::tensor({0, 1, 2, 0, 3}, at::kLong);
  TwoOutputs engine;
  EvaluateOptions options{.metrics = {"top1", "top1(label=kind)", "loss(label=kind)"}, .batch = 2};
  const Metrics found = evaluate(engine, TwoLabels(scores, labels), options);
  double right = 0, kind_right = 0, loss = 0;
  for (std::int64_t i = 0; i < 5; ++i) {
    double second[4], all = 0;
    std::int64_t best = 0, second_best = 0;
    for (std::int64_t c = 0; c < 4; ++c) {
      second[c] = scores[i][3 - c].item<double>() + 2 * scores[i][(c + 3) % 4].item<double>();
      all += std::exp(second[c]);
      if (scores[i][c].item<double>() > scores[i][best].item<double>()) best = c;
      if (second[c] > second[second_best]) second_best = c;
    }
    const auto label = labels[i].item<std::int64_t>();
    right += best == label;
    kind_right += second_best == 3 - label;
    loss -= std::log(std::exp(second[3 - label]) / all);
  }
  EXPECT_DOUBLE_EQ(found.at("top1"), right / 5);
  EXPECT_DOUBLE_EQ(found.at("top1(label=kind)"), kind_right / 5);
  EXPECT_NE(right, kind_right);
  EXPECT_NEAR(found.at("loss(label=kind)"), loss / 5, 1e-5);
  options.metrics = {"top1(label=sort)"};
  EXPECT_NE(std::string(error_of([&] { evaluate(engine, TwoLabels(scores, labels), options); }).what()).find("no label `sort`"), std::string::npos);
}

}  // namespace
}  // namespace dsc
