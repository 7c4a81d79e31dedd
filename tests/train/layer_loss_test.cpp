// Losses on inner values against plain double loops over the formulas of the papers.
#include <gtest/gtest.h>

#include <cmath>

#include "support/tiny_models.h"
#include "train/distill/fusion.h"
#include "train/distill/layer_terms.h"
#include "train/distill/options.h"
#include "train/divergence.h"
#include "train/loss.h"

namespace dsc {
namespace {

using test::kl, test::softmax;

double at4(const at::Tensor& t, std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d) { return t[a][b][c][d].item<double>(); }

// N, heads, S, size.
constexpr std::int64_t kN = 2, kH = 2, kS = 3, kD = 4;

class LayerLoss : public testing::Test {
 protected:
  const at::Tensor mask = at::tensor({1, 1, 1, 1, 1, 0}, at::kLong).reshape({kN, kS});
  bool counts(std::int64_t n, std::int64_t s) const { return mask[n][s].item<std::int64_t>() == 1; }
};

TEST_F(LayerLoss, StatesEqualDoubleLoops) {
  const auto a = test::noise({kN, kS, kD}, 1), b = test::noise({kN, kS, kD}, 2);
  double all = 0, seen = 0;
  for (std::int64_t n = 0; n < kN; ++n) {
    for (std::int64_t s = 0; s < kS; ++s) {
      for (std::int64_t d = 0; d < kD; ++d) {
        const double square = std::pow(a[n][s][d].item<double>() - b[n][s][d].item<double>(), 2);
        all += square / (kN * kS * kD);
        seen += counts(n, s) ? square / (5 * kD) : 0;
      }
    }
  }
  EXPECT_NEAR(Hidden{}.compare(a, b, {}).item<double>(), all, 1e-6);
  EXPECT_NEAR(Hidden{}.compare(a, b, mask).item<double>(), seen, 1e-6);
}

TEST_F(LayerLoss, ProjectionsEqualDoubleLoops) {
  const auto x = test::noise({2, 3, 2, 2}, 1), w = test::noise({5, 3}, 2);
  const auto y = project(x, w, 1);  // a 1x1 convolution
  ASSERT_EQ(y.sizes(), (std::vector<std::int64_t>{2, 5, 2, 2}));
  double expected = 0;
  for (std::int64_t c = 0; c < 3; ++c) expected += w[4][c].item<double>() * at4(x, 1, c, 0, 1);
  EXPECT_NEAR(at4(y, 1, 4, 0, 1), expected, 1e-5);
}

TEST_F(LayerLoss, AttentionScoresLeaveHiddenKeysOut) {
  auto a = test::noise({kN, kH, kS, kS}, 1), b = test::noise({kN, kH, kS, kS}, 2);
  a.select(3, 1).fill_(-1e9);  // hidden in both: no difference, whatever the number
  b.select(3, 1).fill_(-3e38);
  double all = 0, seen = 0;
  for (std::int64_t n = 0; n < kN; ++n) {
    for (std::int64_t h = 0; h < kH; ++h) {
      for (std::int64_t i = 0; i < kS; ++i) {
        for (std::int64_t j = 0; j < kS; ++j) {
          const double square = j == 1 ? 0 : std::pow(at4(a, n, h, i, j) - at4(b, n, h, i, j), 2);
          all += square / (kN * kH * kS * kS);
          seen += counts(n, i) && counts(n, j) ? square / (kH * (9 + 4)) : 0;
        }
      }
    }
  }
  EXPECT_NEAR(AttentionLoss{}.compare(a, b, {}).item<double>(), all, 1e-5);
  EXPECT_NEAR(AttentionLoss{}.compare(a, b, mask).item<double>(), seen, 1e-5);
}

TEST_F(LayerLoss, AttentionProbabilitiesAndDivergenceEqualDoubleLoops) {
  const auto a = test::noise({kN, kH, kS, kS}, 1), b = test::noise({kN, kH, kS, kS}, 2);
  double squares = 0, divergence = 0, seen = 0;
  for (std::int64_t n = 0; n < kN; ++n) {
    for (std::int64_t h = 0; h < kH; ++h) {
      for (std::int64_t i = 0; i < kS; ++i) {
        std::vector<double> s, t;
        for (std::int64_t j = 0; j < kS; ++j) s.push_back(at4(a, n, h, i, j)), t.push_back(at4(b, n, h, i, j));
        const auto ps = softmax(s), pt = softmax(t);
        for (std::size_t j = 0; j < kS; ++j) squares += std::pow(ps[j] - pt[j], 2) / (kN * kH * kS * kS);
        divergence += kl(pt, ps) / (kN * kH * kS);
        seen += counts(n, i) ? kl(pt, ps) / (kH * 5) : 0;
      }
    }
  }
  EXPECT_NEAR(AttentionLoss{.distance = AttentionDistance::probabilities}.compare(a.softmax(-1), b.softmax(-1), {}).item<double>(), squares, 1e-6);
  EXPECT_NEAR(AttentionLoss{.distance = AttentionDistance::divergence}.compare(a, b, {}).item<double>(), divergence, 1e-5);
  EXPECT_NEAR(AttentionLoss{.distance = AttentionDistance::divergence}.compare(a, b, mask).item<double>(), seen, 1e-5);
}

// Relations of position i of head h: softmax over the j that count of v_i . v_j / sqrt(size).
std::vector<double> relations(const std::vector<std::vector<double>>& vectors, std::size_t i, const std::vector<bool>& counts) {
  std::vector<double> scores;
  for (std::size_t j = 0; j < vectors.size(); ++j) {
    double product = 0;
    for (std::size_t d = 0; d < vectors[i].size(); ++d) product += vectors[i][d] * vectors[j][d];
    scores.push_back(counts[j] ? product / std::sqrt(static_cast<double>(vectors[i].size())) : -1e9);
  }
  return softmax(scores);
}

TEST_F(LayerLoss, RelationsEqualDoubleLoopsWithOtherHeads) {
  // The student: 2 heads of 4; the teacher: 4 heads of 3; compared as 4 heads of 2 and 3.
  const auto a = test::noise({kN, 2, kS, 4}, 1), b = test::noise({kN, 4, kS, 3}, 2);
  const auto head = [](const at::Tensor& values, std::int64_t n, std::int64_t h, std::int64_t size) {
    std::vector<std::vector<double>> vectors;
    for (std::int64_t s = 0; s < kS; ++s) {
      vectors.emplace_back();
      for (std::int64_t d = h * size; d < (h + 1) * size; ++d) vectors.back().push_back(at4(values, n, d / values.size(3), s, d % values.size(3)));
    }
    return vectors;
  };
  double expected = 0;
  for (std::int64_t n = 0; n < kN; ++n) {
    const std::vector<bool> shown = {counts(n, 0), counts(n, 1), counts(n, 2)};
    for (std::int64_t h = 0; h < 4; ++h) {
      for (std::int64_t i = 0; i < kS; ++i) {
        if (!counts(n, i)) continue;
        expected += kl(relations(head(b, n, h, 3), static_cast<std::size_t>(i), shown), relations(head(a, n, h, 2), static_cast<std::size_t>(i), shown)) / (4 * 5);
      }
    }
  }
  EXPECT_NEAR(RelationLoss{.heads = 4}.compare(a, b, mask).item<double>(), expected, 1e-5);
  EXPECT_NEAR(RelationLoss{}.compare(a, a, {}).item<double>(), 0, 1e-6);
}

TEST_F(LayerLoss, SpatialAttentionEqualsDoubleLoops) {
  const auto a = test::noise({kN, 3, 2, 2}, 1), b = test::noise({kN, 5, 2, 2}, 2);
  const auto map = [](const at::Tensor& x, std::int64_t n) {
    std::vector<double> q(4, 0);
    double norm = 0;
    for (std::int64_t p = 0; p < 4; ++p) {
      for (std::int64_t c = 0; c < x.size(1); ++c) q[static_cast<std::size_t>(p)] += std::pow(at4(x, n, c, p / 2, p % 2), 2);
      norm += q[static_cast<std::size_t>(p)] * q[static_cast<std::size_t>(p)];
    }
    for (double& value : q) value /= std::sqrt(norm);
    return q;
  };
  double expected = 0;
  for (std::int64_t n = 0; n < kN; ++n) {
    for (std::size_t p = 0; p < 4; ++p) expected += std::pow(map(a, n)[p] - map(b, n)[p], 2) / (kN * 4);
  }
  EXPECT_NEAR(SpatialAttention{}.compare(a, b, {}).item<double>(), expected, 1e-6);
}

using Pairs = std::vector<std::pair<std::size_t, std::size_t>>;

TEST(MapLayers, FollowThePaper) {
  EXPECT_EQ(map_layers(Mapping::uniform, 3, 6), (Pairs{{0, 1}, {1, 3}, {2, 5}}));    // g(m) = 2 m, counted from 1
  EXPECT_EQ(map_layers(Mapping::uniform, 4, 12), (Pairs{{0, 2}, {1, 5}, {2, 8}, {3, 11}}));
  EXPECT_EQ(map_layers(Mapping::uniform, 4, 6), (Pairs{{0, 1}, {1, 2}, {2, 4}, {3, 5}}));
  EXPECT_EQ(map_layers(Mapping::last, 3, 6), (Pairs{{0, 3}, {1, 4}, {2, 5}}));
  EXPECT_EQ(map_layers(Mapping::final, 3, 6), (Pairs{{2, 5}}));
}

TEST(Fusion, MixesProbabilitiesAtTheTemperature) {
  const std::vector<at::Tensor> scores = {test::noise({5, 4}, 1, 2), test::noise({5, 4}, 2, 2), test::noise({5, 4}, 3, 2)};
  const std::vector<double> weights = {1, 2, 5};
  for (const auto fusion : {Fusion::mean, Fusion::weighted, Fusion::confidence}) {
    const double temperature = 2;
    const auto fused = fuse_scores(scores, fusion_shares(scores, fusion, weights), temperature);
    for (std::int64_t row = 0; row < 5; ++row) {
      std::vector<double> shares, expected(4, 0), found;
      double sum = 0;
      for (std::size_t k = 0; k < 3; ++k) {
        std::vector<double> z;
        for (std::int64_t c = 0; c < 4; ++c) z.push_back(scores[k][row][c].item<double>());
        double entropy = 0;
        for (const double p : softmax(z)) entropy -= p * std::log(p);
        shares.push_back(fusion == Fusion::mean ? 1 : fusion == Fusion::weighted ? weights[k] : std::exp(-entropy));
        sum += shares.back();
      }
      for (std::size_t k = 0; k < 3; ++k) {
        std::vector<double> z;
        for (std::int64_t c = 0; c < 4; ++c) z.push_back(scores[k][row][c].item<double>() / temperature);
        for (std::size_t c = 0; c < 4; ++c) expected[c] += shares[k] / sum * softmax(z)[c];
      }
      for (std::int64_t c = 0; c < 4; ++c) found.push_back(fused[row][c].item<double>() / temperature);
      for (std::size_t c = 0; c < 4; ++c) EXPECT_NEAR(softmax(found)[c], expected[c], 1e-5);
    }
  }
}

TEST(Fusion, OneTeacherIsItself) {
  const std::vector<at::Tensor> one = {test::noise({5, 4}, 1)};
  EXPECT_TRUE(fuse_scores(one, fusion_shares(one, Fusion::confidence, {1}), 3).equal(one[0]));
}

TEST(LossSum, WeightsMoveAndAreLearned) {
  const auto constant = [](double value) { return [value](const std::vector<at::Tensor>&, const Batch&) { return at::scalar_tensor(value); }; };
  const auto s = at::scalar_tensor(0.5).set_requires_grad(true);
  const LossSum sum({{"loss_a", {1, 3.0}, constant(4)}, {"loss_b", {2}, constant(3), s}});
  sum.set_share(0.5);
  const auto total = sum({}, {});
  EXPECT_NEAR(total.item<double>(), 2 * 4 + std::exp(-0.5) * 2 * 3 + 0.25, 1e-5);
  total.backward();
  EXPECT_NEAR(s.grad().item<double>(), -std::exp(-0.5) * 6 + 0.5, 1e-5);
  const auto means = sum.take_means();
  EXPECT_NEAR(means.at("weight_a"), 2, 1e-9);
  EXPECT_NEAR(means.at("weight_b"), 2 * std::exp(-0.5), 1e-6);
  EXPECT_EQ(sum.learned().size(), 1U);
}

}  // namespace
}  // namespace dsc
