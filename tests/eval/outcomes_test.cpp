#include "eval/outcomes.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "eval/class_choices.h"
#include "eval/metric.h"
#include "eval/metrics.h"

namespace dsc {
namespace {

// Token ids of different lengths, filled up with zeros to the longest of a batch.
class Texts : public Dataset {
 public:
  Texts(std::vector<std::vector<std::int64_t>> ids, std::vector<std::int64_t> labels) : ids_(std::move(ids)), labels_(std::move(labels)) {
    for (const auto& text : ids_) lengths_.push_back(static_cast<std::int64_t>(text.size()));
  }
  std::int64_t size() const override { return static_cast<std::int64_t>(ids_.size()); }
  const DatasetInfo& info() const override { return info_; }
  std::span<const std::int64_t> lengths() const override { return lengths_; }
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t>) const override {
    std::int64_t longest = 0;
    for (const auto i : indices) longest = std::max(longest, lengths_[static_cast<std::size_t>(i)]);
    Batch batch{.inputs = {at::zeros({static_cast<std::int64_t>(indices.size()), longest}, at::kLong)}, .indices = {indices.begin(), indices.end()}};
    std::vector<std::int64_t> labels;
    for (std::size_t row = 0; row < indices.size(); ++row) {
      const auto& text = ids_[static_cast<std::size_t>(indices[row])];
      for (std::size_t t = 0; t < text.size(); ++t) batch.inputs[0][static_cast<std::int64_t>(row)][static_cast<std::int64_t>(t)] = text[t];
      labels.push_back(labels_[static_cast<std::size_t>(indices[row])]);
    }
    batch.target = at::tensor(labels);
    return batch;
  }

 private:
  std::vector<std::vector<std::int64_t>> ids_;
  std::vector<std::int64_t> labels_, lengths_;
  DatasetInfo info_;
};

// Class 1 for texts whose first token is odd.
class FirstToken : public Engine {
 public:
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override {
    const auto odd = inputs[0].select(1, 0).remainder(2).to(at::kFloat);
    return {at::stack({1 - odd, odd}, 1)};
  }
  std::string name() const override { return "first token"; }
};

Evaluation evaluate_texts(const Texts& texts, std::int64_t batch) {
  FirstToken engine;
  return evaluate_examples(engine, texts, {.metrics = {"top1", "loss", "f1"}, .batch = batch});
}

TEST(Outcomes, AreInTheOrderOfTheExamplesWhateverTheBatches) {
  const Texts texts({{1, 2, 3, 4, 5}, {2}, {3, 3}, {4, 9, 9}, {5, 1}}, {1, 0, 0, 1, 1});
  for (const std::int64_t batch : {1, 2, 5}) {  // batches are made by length
    const auto found = evaluate_texts(texts, batch);
    EXPECT_EQ(found.outcomes.at("top1").value, (std::vector<float>{1, 1, 0, 0, 1})) << batch;
    EXPECT_EQ(found.outcomes.at("top1").against, std::vector<float>(5, 1)) << batch;
    EXPECT_EQ(found.outcomes.at("f1").value, (std::vector<float>{1, 0, 1, 0, 1})) << batch;
    EXPECT_EQ(found.outcomes.at("f1").against, (std::vector<float>{1, 0, 0, 1, 1})) << batch;
    EXPECT_EQ(found.examples, evaluate_texts(texts, 3).examples) << "padding is no part of an example";
  }
}

TEST(Outcomes, ClassesAndLossesAreKeptWhateverTheMetrics) {
  const Texts texts({{1, 2, 3}, {2}, {3, 3}}, {1, 0, 0});
  FirstToken engine;
  const auto found = evaluate_examples(engine, texts, {.metrics = {"top5"}, .batch = 2});
  EXPECT_EQ(found.outcomes.at(kChosenClass).value, (std::vector<float>{1, 0, 1}));
  EXPECT_EQ(found.outcomes.at(kChosenClass).against, (std::vector<float>{1, 0, 0}));
  const auto right = static_cast<float>(std::log(1 + std::exp(-1.0))), wrong = static_cast<float>(std::log(1 + std::exp(1.0)));  // scores are 0 and 1
  for (const auto& [example, loss] : {std::pair{0, right}, {1, right}, {2, wrong}}) EXPECT_NEAR(found.outcomes.at(kLabelLoss).value[static_cast<std::size_t>(example)], loss, 1e-6);
}

// Masked classes have the score -inf: JSON knows no infinity.
TEST(Outcomes, LossesOfMaskedClassesAreFinite) {
  const at::Tensor scores = at::tensor({0.F, -INFINITY, 1.F, 2.F}).view({2, 2});
  ClassChoices choices;
  choices.add(scores, {.inputs = {}, .target = at::tensor({std::int64_t{1}, std::int64_t{1}}), .indices = {0, 1}});
  std::map<std::string, Outcomes> kept;
  std::move(choices).take(kept);
  EXPECT_TRUE(std::isfinite(kept.at(kLabelLoss).value[0]));
  EXPECT_NEAR(kept.at(kLabelLoss).value[1], std::log(1 + std::exp(-1.0)), 1e-6);
}

TEST(Outcomes, OtherTextsOrLabelsAreOtherExamples) {
  const auto ids = [](const Texts& texts) { return evaluate_texts(texts, 2).examples; };
  const auto base = ids(Texts({{1, 2}, {3, 4}}, {1, 0}));
  EXPECT_NE(base[0], base[1]);
  const auto other_label = ids(Texts({{1, 2}, {3, 4}}, {1, 1}));
  EXPECT_EQ(other_label[0], base[0]);
  EXPECT_NE(other_label[1], base[1]);
  EXPECT_NE(ids(Texts({{1, 2}, {3, 5}}, {1, 0}))[1], base[1]);
  EXPECT_NE(ids(Texts({{1, 2, 0}, {3, 4}}, {1, 0}))[0], base[0]) << "a token that equals the filler is one all the same";
}

TEST(Outcomes, MeansAreComparedOneByOneAndFiguresOfTheSetAreNot) {
  for (const auto& metric : metric_names()) EXPECT_EQ(metric_kind(metric).name, metric);
  for (const auto* metric : {"top1", "top5", "loss", "mse", "agreement", "kl", "exact_match", "answer_f1"}) EXPECT_TRUE(is_mean_of_examples(metric)) << metric;
  for (const auto* metric : {"f1", "macro_f1", "matthews", "ece", "pearson", "spearman", "perplexity"}) EXPECT_FALSE(is_mean_of_examples(metric)) << metric;
}

}  // namespace
}  // namespace dsc
