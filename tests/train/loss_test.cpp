// Oracle: plain double loops over the formulas of the papers.
#include <gtest/gtest.h>

#include <cmath>

#include "dscompress/error.h"
#include "support/tiny_models.h"
#include "train/distill/fusion.h"
#include "train/distill/losses/scores.h"
#include "train/distill/options.h"
#include "train/divergence.h"
#include "train/loss.h"

namespace dsc {
namespace {

using test::kl, test::softmax;

using Rows = std::vector<std::vector<double>>;

Rows rows_of(const at::Tensor& tensor) {
  Rows rows;
  for (std::int64_t i = 0; i < tensor.size(0); ++i) {
    rows.emplace_back();
    for (std::int64_t j = 0; j < tensor.size(1); ++j) rows.back().push_back(tensor[i][j].item<double>());
  }
  return rows;
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  double mean_a = 0, mean_b = 0, ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) mean_a += a[i] / a.size(), mean_b += b[i] / b.size();
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return ab / std::sqrt(aa * bb);
}

ScorePair pair_of(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& labels = {}) {
  return {.student = student, .teacher = [teacher](double) { return teacher; }, .teacher_mean = [teacher] { return teacher; }, .labels = labels};
}

at::Tensor soft_target_loss(const at::Tensor& student, const at::Tensor& teacher, double temperature) {
  return Kd{.temperature = {temperature}}.compare(pair_of(student, teacher));
}
at::Tensor decoupled_loss(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& labels, double alpha, double beta,
                          double temperature) {
  return Dkd{.temperature = {temperature}, .target_weight = alpha, .rest_weight = beta}.compare(pair_of(student, teacher, labels));
}
at::Tensor relation_loss(const at::Tensor& student, const at::Tensor& teacher, double beta, double gamma, double temperature) {
  return Dist{.temperature = {temperature}, .class_weight = beta, .example_weight = gamma}.compare(pair_of(student, teacher));
}
at::Tensor output_loss(const at::Tensor& student, const at::Tensor& teacher) { return OutputError{}.compare(pair_of(student, teacher)); }

class DistillLoss : public testing::Test {
 protected:
  const at::Tensor student = test::noise({5, 4}, 1, 2), teacher = test::noise({5, 4}, 2, 2);
  const Rows s = rows_of(student), t = rows_of(teacher);
};

TEST_F(DistillLoss, SoftTargetsEqualDoubleLoops) {
  for (const double temperature : {1.0, 3.0}) {
    double expected = 0;
    for (std::size_t i = 0; i < 5; ++i) expected += kl(softmax(t[i], temperature), softmax(s[i], temperature)) / 5;
    expected *= temperature * temperature;
    EXPECT_NEAR(soft_target_loss(student, teacher, temperature).item<double>(), expected, 1e-5 * expected);
    EXPECT_NEAR(soft_target_loss(student.reshape({5, 1, 4}), teacher.reshape({5, 1, 4}), temperature).item<double>(), expected, 1e-5 * expected);
  }
  EXPECT_NEAR(soft_target_loss(teacher, teacher, 3).item<double>(), 0, 1e-6);
}

TEST_F(DistillLoss, DecoupledEqualsDoubleLoops) {
  const std::vector<std::int64_t> labels = {0, 3, 1, 2, 3};
  const double alpha = 1, beta = 8, temperature = 4;
  double expected = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    const auto label = static_cast<std::size_t>(labels[i]);
    const auto ps = softmax(s[i], temperature), pt = softmax(t[i], temperature);
    std::vector<double> rest_s, rest_t;
    for (std::size_t c = 0; c < 4; ++c) {
      if (c == label) continue;
      rest_s.push_back(ps[c] / (1 - ps[label]));
      rest_t.push_back(pt[c] / (1 - pt[label]));
    }
    expected += alpha * kl({pt[label], 1 - pt[label]}, {ps[label], 1 - ps[label]}) + beta * kl(rest_t, rest_s);
  }
  expected *= temperature * temperature / 5;
  EXPECT_NEAR(decoupled_loss(student, teacher, at::tensor(labels), alpha, beta, temperature).item<double>(), expected, 1e-5 * expected);
}

TEST_F(DistillLoss, DecoupledWithTheTeachersWeightIsThePlainLoss) {
  // KL = target part + (1 - p_target) * rest part (equation 5 of the paper), for one example.
  const auto one = student.slice(0, 0, 1), two = teacher.slice(0, 0, 1);
  const double beta = 1 - softmax(t[0], 2)[1];
  EXPECT_NEAR(decoupled_loss(one, two, at::tensor(std::vector<std::int64_t>{1}), 1, beta, 2).item<double>(),
              soft_target_loss(one, two, 2).item<double>(), 1e-5);
}

TEST_F(DistillLoss, RelationsEqualDoubleLoops) {
  const double beta = 2, gamma = 3, temperature = 4;
  Rows ps, pt, columns_s(4), columns_t(4);
  double expected = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    ps.push_back(softmax(s[i], temperature));
    pt.push_back(softmax(t[i], temperature));
    expected += beta * (1 - correlation(ps[i], pt[i])) / 5;
    for (std::size_t c = 0; c < 4; ++c) columns_s[c].push_back(ps[i][c]), columns_t[c].push_back(pt[i][c]);
  }
  for (std::size_t c = 0; c < 4; ++c) expected += gamma * (1 - correlation(columns_s[c], columns_t[c])) / 4;
  expected *= temperature * temperature;
  EXPECT_NEAR(relation_loss(student, teacher, beta, gamma, temperature).item<double>(), expected, 1e-4 * expected);
}

// The same scores with two more classes that are -inf in both, and the gradient of the student's.
at::Tensor with_masked_classes(const at::Tensor& scores) {
  const auto masked = at::full({scores.size(0), 1}, -INFINITY);
  return at::cat({masked, scores, masked}, 1);
}

TEST_F(DistillLoss, MaskedClassesAreNoClasses) {
  const auto labels = at::tensor({0, 3, 1, 2, 3}, at::kLong);
  const std::vector<std::pair<std::string, std::function<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&)>>> losses{
      {"kd", [](const auto& a, const auto& b, const auto&) { return soft_target_loss(a, b, 3); }},
      {"dkd", [](const auto& a, const auto& b, const auto& y) { return decoupled_loss(a, b, y, 1, 8, 4); }},
      {"dist", [](const auto& a, const auto& b, const auto&) { return relation_loss(a, b, 2, 3, 4); }},
      {"outputs", [](const auto& a, const auto& b, const auto&) { return output_loss(a, b); }}};
  for (const auto& [name, loss] : losses) {
    const auto plain = student.detach().clone().set_requires_grad(true), masked = student.detach().clone().set_requires_grad(true);
    const auto expected = loss(plain, teacher, labels), found = loss(with_masked_classes(masked), with_masked_classes(teacher), labels + 1);
    EXPECT_NEAR(found.item<double>(), expected.item<double>(), 1e-5 * expected.item<double>()) << name;
    expected.backward();
    found.backward();
    EXPECT_TRUE(at::allclose(masked.grad(), plain.grad(), 1e-4, 1e-6)) << name << "\n" << masked.grad() << plain.grad();
  }
}

TEST_F(DistillLoss, WhatOnlyTheStudentMasksIsInfinitelyFar) {
  const auto masked = student.clone();
  masked.select(1, 2).fill_(-INFINITY);
  EXPECT_TRUE(std::isinf(soft_target_loss(masked, teacher, 1).item<double>()));
  EXPECT_TRUE(std::isinf(output_loss(masked, teacher).item<double>()));
  EXPECT_TRUE(std::isfinite(soft_target_loss(teacher, masked, 1).item<double>()));  // the teacher may exclude a class
}

TEST_F(DistillLoss, TeachersThatMaskAreFused) {
  const auto a = with_masked_classes(teacher), b = with_masked_classes(student);
  for (const auto fusion : {Fusion::mean, Fusion::confidence}) {
    const auto shares = fusion_shares({a, b}, fusion, {1, 1}), plain = fusion_shares({teacher, student}, fusion, {1, 1});
    EXPECT_TRUE(at::allclose(fuse_scores({a, b}, shares, 2), with_masked_classes(fuse_scores({teacher, student}, plain, 2)), 1e-4, 1e-5));
    EXPECT_TRUE(at::allclose(fuse_outputs({a, b}, shares), with_masked_classes(fuse_outputs({teacher, student}, plain)), 1e-4, 1e-5));
  }
}

Batch batch_of(at::Tensor target) { return {.inputs = {}, .target = std::move(target), .indices = {10, 11, 12, 13, 14}}; }

TEST(SupervisedObjective, SmoothedCrossEntropyEqualsDoubleLoops) {
  const auto scores = test::noise({5, 4}, 1);
  const std::vector<std::int64_t> labels = {0, 3, 1, 2, 3};
  const double smoothing = 0.2;
  double expected = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    const auto p = softmax(rows_of(scores)[i], 1);
    for (std::size_t c = 0; c < 4; ++c) {
      const double target = smoothing / 4 + (static_cast<std::size_t>(labels[i]) == c ? 1 - smoothing : 0);
      expected -= target * std::log(p[c]) / 5;
    }
  }
  EXPECT_NEAR(supervised_objective(smoothing)({scores}, batch_of(at::tensor(labels))).item<double>(), expected, 1e-6);
}

TEST(SupervisedObjective, FloatingTargetsGiveMeanSquaredError) {
  const auto output = at::tensor(std::vector<float>{1, 2, 3}).reshape({3, 1}), target = at::tensor(std::vector<float>{1, 4, 6});
  EXPECT_NEAR(supervised_objective(0)({output}, batch_of(target)).item<double>(), (0 + 4 + 9) / 3.0, 1e-6);
}

TEST(SupervisedObjective, FindsTheClassDimension) {
  const auto scores = test::noise({2, 3, 5}, 1);
  const auto per_token = at::zeros({2, 3}, at::kLong), per_pixel = at::zeros({2, 5}, at::kLong);
  const auto tokens = supervised_objective(0)({scores}, batch_of(per_token));
  EXPECT_NEAR(tokens.item<double>(), -at::log_softmax(scores, 2).select(2, 0).mean().item<double>(), 1e-6);
  const auto pixels = supervised_objective(0)({scores}, batch_of(per_pixel));
  EXPECT_NEAR(pixels.item<double>(), -at::log_softmax(scores, 1).select(1, 0).mean().item<double>(), 1e-6);
}

TEST(SupervisedObjective, TakesTheSecondDimensionOfSquarePictures) {
  const auto scores = test::noise({3, 3, 3, 3}, 1);
  const auto labels = at::tensor({0, 1, 2}, at::kLong).view({3, 1, 1}).expand({3, 3, 3}).contiguous();
  EXPECT_NEAR(supervised_objective(0)({scores}, batch_of(labels)).item<double>(), at::cross_entropy_loss(scores, labels).item<double>(), 1e-6);
}

std::string message_of(const at::Tensor& output, const at::Tensor& target) {
  try {
    supervised_objective(0)({output}, batch_of(target));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::data);
    return error.to_text();
  }
  return "no error";
}

TEST(SupervisedObjective, NamesBadLabels) {
  const auto scores = at::zeros({5, 4});
  EXPECT_NE(message_of(scores, at::tensor(std::vector<std::int64_t>{0, 1, 9, 2, 3})).find("label 9 of example 12 is out of range"), std::string::npos);
  EXPECT_NE(message_of(scores, at::tensor(std::vector<std::int64_t>{0, -1, 1, 2, 3})).find("label -1 of example 11"), std::string::npos);
  EXPECT_NE(message_of(scores, {}).find("needs labels"), std::string::npos);
  EXPECT_NE(message_of(scores, at::zeros({3, 7}, at::kLong)).find("does not fit the labels"), std::string::npos);
  EXPECT_NE(message_of(scores, at::zeros({3})).find("does not fit the labels"), std::string::npos);
}

TEST(LossSum, WeighsPartsAndKeepsTheirMeans) {
  const auto constant = [](double value) { return [value](const std::vector<at::Tensor>&, const Batch&) { return at::scalar_tensor(value); }; };
  int calls = 0;
  const LossSum sum({{"a", {0.25}, constant(4)}, {"b", {2}, constant(3)}, {"c", {0}, [&](const auto&, const Batch&) { ++calls; return at::scalar_tensor(1); }}});
  EXPECT_EQ(sum({}, {}).item<double>(), 7);
  sum({}, {});
  EXPECT_EQ(sum.take_means(), (std::map<std::string, double>{{"a", 4}, {"b", 3}}));
  EXPECT_TRUE(sum.take_means().empty());
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace dsc
