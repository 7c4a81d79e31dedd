// Losses on labels against plain loops in double precision.
#include "train/label_losses.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "data/class_dimension.h"
#include "dscompress/error.h"
#include "support/error_of.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

using test::error_of;

Batch labelled_batch(at::Tensor target) {
  Batch batch;
  for (std::int64_t i = 0; i < target.size(0); ++i) batch.indices.push_back(i);
  batch.target = std::move(target);
  return batch;
}

double value(std::vector<LabelLoss> losses, const std::vector<at::Tensor>& outputs, const Batch& batch) {
  return supervised_objective(0, std::move(losses))(outputs, batch).item<double>();
}

// Scores of 2 pictures of 3 x 4 pixels in 3 classes, some without a label.
struct Pixels {
  at::Tensor scores = test::noise({2, 3, 3, 4}, 1, 2);
  at::Tensor labels = at::arange(24).remainder(3).reshape({2, 3, 4}).clone();
  Pixels() { labels.flatten().slice(0, 0, 24, 7).fill_(kNoLabel); }

  double share(std::int64_t n, std::int64_t c, std::int64_t y, std::int64_t x) const {
    double sum = 0;
    for (std::int64_t k = 0; k < 3; ++k) sum += std::exp(scores[n][k][y][x].item<double>());
    return std::exp(scores[n][c][y][x].item<double>()) / sum;
  }
  template <class Visit>
  void visit(Visit visit) const {
    for (std::int64_t i = 0; i < 24; ++i) {
      const auto label = labels.flatten()[i].item<std::int64_t>();
      if (label != kNoLabel) visit(label, i / 12, i / 4 % 3, i % 4);
    }
  }
};

TEST(LabelLosses, DiceIsThatOfAPlainLoop) {
  const Pixels pixels;
  for (const double smooth : {0.0, 1.5}) {
    double both[3] = {}, shares[3] = {}, wanted[3] = {}, expected = 0;
    pixels.visit([&](std::int64_t label, std::int64_t n, std::int64_t y, std::int64_t x) {
      for (std::int64_t c = 0; c < 3; ++c) shares[c] += pixels.share(n, c, y, x);
      both[label] += pixels.share(n, label, y, x);
      wanted[label] += 1;
    });
    for (int c = 0; c < 3; ++c) expected += (1 - (2 * both[c] + smooth) / (shares[c] + wanted[c] + smooth)) / 3;
    Dice dice;
    dice.smooth = smooth;
    EXPECT_NEAR(value({dice}, {pixels.scores}, labelled_batch(pixels.labels)), expected, 1e-6);
  }
}

// A class that the labels do not have says nothing.
TEST(LabelLosses, DiceLeavesOutClassesWithoutLabels) {
  const auto scores = at::tensor({5.0F, 0.0F, 0.0F, 5.0F, 0.0F, 0.0F}).reshape({2, 3});
  const double p = std::exp(5) / (std::exp(5) + 2);
  EXPECT_NEAR(value({Dice{}}, {scores}, labelled_batch(at::zeros({2}, at::kLong))), 1 - 2 * 2 * p / (2 * p + 2), 1e-6);
}

TEST(LabelLosses, FocalIsThatOfAPlainLoop) {
  const Pixels pixels;
  for (const double gamma : {0.0, 2.0, 3.5}) {
    double sum = 0, count = 0;
    pixels.visit([&](std::int64_t label, std::int64_t n, std::int64_t y, std::int64_t x) {
      const double p = pixels.share(n, label, y, x);
      sum -= std::pow(1 - p, gamma) * std::log(p);
      count += 1;
    });
    Focal focal;
    focal.gamma = gamma;
    EXPECT_NEAR(value({focal}, {pixels.scores}, labelled_batch(pixels.labels)), sum / count, 1e-6);
  }
}

TEST(LabelLosses, CrossEntropyOfPixelsLeavesOutThoseWithoutALabel) {
  const Pixels pixels;
  Focal plain;
  plain.gamma = 0;
  EXPECT_NEAR(value({}, {pixels.scores}, labelled_batch(pixels.labels)), value({plain}, {pixels.scores}, labelled_batch(pixels.labels)), 1e-6);
}

TEST(LabelLosses, OfSeveralLabelsAnExample) {
  const auto scores = test::noise({4, 3}, 2), labels = test::noise({4, 3}, 3).gt(0).to(at::kFloat);
  Batch batch = labelled_batch(labels);
  batch.multi_label = true;
  double bce = 0, focal = 0, dice = 0, present = 0;
  for (std::int64_t c = 0; c < 3; ++c) {
    double both = 0, sum = 0, wanted = 0;
    for (std::int64_t i = 0; i < 4; ++i) {
      const double p = 1 / (1 + std::exp(-scores[i][c].item<double>())), y = labels[i][c].item<double>(), right = y > 0 ? p : 1 - p;
      bce -= std::log(right) / 12;
      focal -= (1 - right) * (1 - right) * std::log(right) / 12;
      both += p * y;
      sum += p;
      wanted += y;
    }
    if (wanted == 0) continue;
    dice += 1 - 2 * both / (sum + wanted);
    present += 1;
  }
  EXPECT_NEAR(value({}, {scores}, batch), bce, 1e-6);
  EXPECT_NEAR(value({Bce{}}, {scores}, batch), bce, 1e-6);
  EXPECT_NEAR(value({Focal{}}, {scores}, batch), focal, 1e-6);
  EXPECT_NEAR(value({Dice{}}, {scores}, batch), dice / present, 1e-6);
}

TEST(LabelLosses, OneScoreAnExampleIsOfTwoClasses) {
  const auto scores = at::tensor({0.5F, -1.0F, 2.0F}).reshape({3, 1});
  const double expected = (std::log(1 + std::exp(-0.5)) + std::log(1 + std::exp(-1.0))) / 2;
  EXPECT_NEAR(value({Bce{}}, {scores}, labelled_batch(at::tensor(std::vector<std::int64_t>{1, 0, kNoLabel}))), expected, 1e-6);
}

TEST(LabelLosses, SmoothL1IsSquaredBelowBeta) {
  const auto outputs = at::tensor({0.0F, 0.5F, 3.0F}).reshape({3, 1}), targets = at::tensor({0.1F, 0.1F, 0.0F});
  SmoothL1 loss;
  loss.beta = 0.5;
  EXPECT_NEAR(value({loss}, {outputs}, labelled_batch(targets)), (0.01 / 2 / 0.5 + 0.16 / 2 / 0.5 + 3 - 0.25) / 3, 1e-6);
}

TEST(LabelLosses, LogCoshIsThatOfAPlainLoop) {
  const std::vector<float> outputs{0.0F, 0.5F, 3.0F, 100.0F}, targets{0.1F, 0.1F, 0.0F, -100.0F};
  double expected = 200 - std::log(2.0);  // of the last, whose cosh is beyond f32
  for (std::size_t i = 0; i < 3; ++i) expected += std::log(std::cosh(static_cast<double>(outputs[i]) - targets[i]));
  EXPECT_NEAR(value({LogCosh{}}, {at::tensor(outputs).reshape({4, 1})}, labelled_batch(at::tensor(targets))), expected / 4, 1e-5);
}

// The gradient is tanh(error), also at 0.
TEST(LabelLosses, GradientOfLogCoshIsTanh) {
  const auto outputs = at::tensor({0.0F, 0.5F, -40.0F}).set_requires_grad(true);
  supervised_objective(0, {LogCosh{}})({outputs}, labelled_batch(at::zeros({3}))).backward();
  EXPECT_TRUE(at::allclose(outputs.grad(), at::tanh(outputs.detach()) / 3, 1e-5, 1e-6));
}

TEST(LabelLosses, AreSummedOverOutputs) {
  const Pixels pixels;
  const auto other = test::noise({2, 3, 3, 4}, 9, 2);
  const Batch batch = labelled_batch(pixels.labels);
  CrossEntropy auxiliary;
  auxiliary.weight = 0.4;
  auxiliary.output = 1;
  Dice half;
  half.weight = 0.5;
  EXPECT_NEAR(value({CrossEntropy{}, half, auxiliary}, {pixels.scores, other}, batch),
              value({}, {pixels.scores}, batch) + 0.5 * value({Dice{}}, {pixels.scores}, batch) + 0.4 * value({}, {other}, batch), 1e-6);
}

TEST(LabelLosses, GradientsReachTheScoresOfDiceAndFocal) {
  for (const LabelLoss& loss : std::vector<LabelLoss>{Dice{}, Focal{}}) {
    const auto scores = test::noise({4, 3}, 2).to(at::kDouble).set_requires_grad(true), labels = at::tensor({0, 1, 2, 1}, at::kLong);
    supervised_objective(0, {loss})({scores}, labelled_batch(labels)).backward();
    const double step = 1e-3;
    for (std::int64_t i = 0; i < 4; ++i) {
      at::Tensor up = scores.detach().clone(), down = up.clone();
      up[i][1] += step;
      down[i][1] -= step;
      EXPECT_NEAR(scores.grad()[i][1].item<double>(),
                  (value({loss}, {up}, labelled_batch(labels)) - value({loss}, {down}, labelled_batch(labels))) / (2 * step), 1e-3);
    }
  }
}

TEST(LabelLossErrors, SayWhatTheLabelsAre) {
  const auto scores = test::noise({4, 3}, 2), numbers = test::noise({4, 3}, 3), classes = at::zeros({4}, at::kLong);
  EXPECT_NE(
      error_of([&] { value({Dice{}}, {scores}, labelled_batch(numbers)); }).to_text().find("`dice` takes classes, and the labels are real numbers"),
      std::string::npos);
  EXPECT_NE(error_of([&] { value({SmoothL1{}}, {scores}, labelled_batch(classes)); })
                .to_text()
                .find("`smooth_l1` takes real numbers, and the labels are classes"),
            std::string::npos);
  EXPECT_EQ(error_of([&] { value({Focal{}}, {scores}, labelled_batch(at::full({4}, 3, at::kLong))); }).code(), ErrorCode::data);
  Mse missing;
  missing.output = 2;
  EXPECT_NE(error_of([&] { value({missing}, {scores}, labelled_batch(numbers)); }).to_text().find("output 2, and the model has 1"),
            std::string::npos);
}

// Two outputs, each with labels of its own.
struct TwoHeads {
  at::Tensor scores = test::noise({5, 3}, 1, 2), prices = test::noise({5, 1}, 2, 2);
  Batch batch = labelled_batch(at::tensor({2, 0, 1, 1, 2}, at::kLong));
  TwoHeads() { batch.labels.push_back({"price", 1, at::tensor({0.5F, -1.0F, 3.0F, 0.0F, 2.0F})}); }

  double cross_entropy() const {
    double sum = 0;
    for (std::int64_t i = 0; i < 5; ++i) {
      double all = 0;
      for (std::int64_t c = 0; c < 3; ++c) all += std::exp(scores[i][c].item<double>());
      sum -= std::log(std::exp(scores[i][batch.target[i].item<std::int64_t>()].item<double>()) / all);
    }
    return sum / 5;
  }
  double squared_error() const {
    double sum = 0;
    for (std::int64_t i = 0; i < 5; ++i) sum += std::pow(prices[i][0].item<double>() - batch.labels[0].target[i].item<double>(), 2);
    return sum / 5;
  }
};

TEST(LabelLosses, AFurtherLabelIsOfItsOwnOutput) {
  const TwoHeads heads;
  Mse price;
  price.label = "price";
  price.weight = 0.25;
  EXPECT_NEAR(value({CrossEntropy{}, price}, {heads.scores, heads.prices}, heads.batch), heads.cross_entropy() + 0.25 * heads.squared_error(), 1e-5);
  EXPECT_NEAR(value({price}, {heads.scores, heads.prices}, heads.batch), 0.25 * heads.squared_error(), 1e-5);
}

TEST(LabelLosses, WithoutLossesAllLabelsCount) {
  TwoHeads heads;
  EXPECT_NEAR(value({}, {heads.scores, heads.prices}, heads.batch), heads.cross_entropy() + heads.squared_error(), 1e-5);
  heads.batch.target = at::Tensor();
  EXPECT_NEAR(value({}, {heads.scores, heads.prices}, heads.batch), heads.squared_error(), 1e-5);
}

TEST(LabelLosses, ALabelThatTheDataHasNotIsNamed) {
  const TwoHeads heads;
  Mse prize;
  prize.label = "prize";
  const auto error = error_of([&] { value({prize}, {heads.scores, heads.prices}, heads.batch); });
  EXPECT_EQ(error.code(), ErrorCode::data);
  EXPECT_NE(error.problems()[0].hint.find("price"), std::string::npos);
}

}  // namespace
}  // namespace dsc
