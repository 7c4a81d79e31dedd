// Every importance against plain double loops over the weights, gradients and activations of small networks.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "passes/prune/choose/importance.h"
#include "support/fake_context.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

using namespace prune;
using Scores = std::vector<double>;

const ChannelGroup& group_named(const ChannelGroups& groups, const std::string& name) {
  auto found = std::ranges::find(groups.groups(), name, &ChannelGroup::name);
  if (found == groups.groups().end()) throw Error(ErrorCode::internal, "no group " + name);
  return *found;
}

// The module's scores of one group, in the order of its channels.
Scores scores_of(const Model& model, const std::string& group, ImportanceOptions options, test::FakeData data = {}) {
  ChannelGroups groups(model);
  test::FakeContext context(model, data);
  std::vector<double> all = unit_scores(model, groups, options, context, 1);
  Scores scores;
  for (UnitId unit : group_named(groups, group).units) scores.push_back(all[static_cast<std::size_t>(unit)]);
  return scores;
}

ImportanceOptions plain(Importance importance) { return {.importance = importance, .normalize = Normalize::none}; }

void expect_near(const Scores& actual, const Scores& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-5 * (1 + std::abs(expected[i]))) << i;
}

// weight[out][in] of fc1 as doubles.
std::vector<Scores> rows_of(const at::Tensor& weight) {
  at::Tensor w = weight.detach().flatten(1).to(at::kDouble).contiguous();
  std::vector<Scores> rows;
  for (std::int64_t i = 0; i < w.size(0); ++i) rows.emplace_back(w.data_ptr<double>() + i * w.size(1), w.data_ptr<double>() + (i + 1) * w.size(1));
  return rows;
}

Scores per_row(const std::vector<Scores>& rows, const std::function<double(const Scores&)>& score) {
  Scores scores;
  for (const Scores& row : rows) scores.push_back(score(row));
  return scores;
}
double l1(const Scores& row) { return std::accumulate(row.begin(), row.end(), 0.0, [](double sum, double x) { return sum + std::abs(x); }); }
double squares(const Scores& row) { return std::accumulate(row.begin(), row.end(), 0.0, [](double sum, double x) { return sum + x * x; }); }

TEST(PruneImportance, NormsOfTheFilters) {
  Model model = test::tiny_mlp();
  auto rows = rows_of(model.weights.get("fc1.weight"));
  expect_near(scores_of(model, "fc1", plain(Importance::l1)), per_row(rows, l1));
  expect_near(scores_of(model, "fc1", plain(Importance::l2)), per_row(rows, [](const Scores& row) { return std::sqrt(squares(row)); }));
}

TEST(PruneImportance, BatchNormScale) {
  Model model = test::tiny_residual_cnn();
  at::Tensor gamma = test::noise({8}, 3);
  model.weights.set("layer1.0.bn1.weight", gamma);
  expect_near(scores_of(model, "layer1.0.conv1", plain(Importance::bn_scale)), per_row(rows_of(gamma.unsqueeze(1)), l1));
}

TEST(PruneImportance, GeometricMedianDistance) {
  Model model = test::tiny_mlp();
  auto rows = rows_of(model.weights.get("fc1.weight"));
  expect_near(scores_of(model, "fc1", plain(Importance::fpgm)), per_row(rows, [&](const Scores& row) {
                double sum = 0;
                for (const Scores& other : rows) {
                  double distance = 0;
                  for (std::size_t i = 0; i < row.size(); ++i) distance += (row[i] - other[i]) * (row[i] - other[i]);
                  sum += std::sqrt(distance);
                }
                return sum;
              }));
}

TEST(PruneImportance, LayerAdaptiveMagnitude) {
  Model model = test::tiny_mlp();
  auto rows = rows_of(model.weights.get("fc1.weight"));
  expect_near(scores_of(model, "fc1", plain(Importance::lamp)), per_row(rows, [&](const Scores& row) {
                double larger = 0;
                for (const Scores& other : rows) larger += squares(other) >= squares(row) ? squares(other) : 0;
                return squares(row) / larger;
              }));
}

// Gradient of the mean cross-entropy with respect to fc1.weight, by hand: x -> fc1 -> relu -> fc2 -> relu -> fc3.
at::Tensor gradient_by_hand(const Model& model, const Batch& batch) {
  auto w = [&](const char* name) { return model.weights.get(name).detach().to(at::kDouble); };
  at::Tensor x = batch.inputs[0].to(at::kDouble);
  at::Tensor a1 = x.matmul(w("fc1.weight").t()) + w("fc1.bias"), h1 = a1.clamp_min(0);
  at::Tensor a2 = h1.matmul(w("fc2.weight").t()) + w("fc2.bias"), h2 = a2.clamp_min(0);
  at::Tensor p = (h2.matmul(w("fc3.weight").t()) + w("fc3.bias")).softmax(1);
  at::Tensor d3 = (p - at::one_hot(batch.target, p.size(1)).to(at::kDouble)) / x.size(0);
  at::Tensor d2 = d3.matmul(w("fc3.weight")) * a2.gt(0), d1 = d2.matmul(w("fc2.weight")) * a1.gt(0);
  return d1.t().matmul(x);
}

TEST(PruneImportance, TaylorAndHessianFromGradients) {
  Model model = test::tiny_mlp();
  test::MemoryDataset train = test::synthetic_classes(64);
  std::vector<std::int64_t> all(64);
  std::iota(all.begin(), all.end(), 0);
  at::Tensor terms = gradient_by_hand(model, train.batch(all, std::nullopt)) * model.weights.get("fc1.weight").to(at::kDouble);
  ImportanceOptions options = plain(Importance::taylor);
  options.batches = 1;  // one batch of all examples, whatever their order
  expect_near(scores_of(model, "fc1", options, {.train = &train}),
              per_row(rows_of(terms), [](const Scores& row) { return std::abs(std::accumulate(row.begin(), row.end(), 0.0)); }));
  options.importance = Importance::hessian;
  expect_near(scores_of(model, "fc1", options, {.train = &train}), per_row(rows_of(terms), squares));
}

TEST(PruneImportance, MeanActivationThatTheNextLayerReads) {
  Model model = test::tiny_mlp();
  test::MemoryDataset train = test::synthetic_classes(100);
  ImportanceOptions options = plain(Importance::activation);
  options.batch = 30;  // the last batch is smaller and counts less
  at::Tensor h = (train.inputs().matmul(model.weights.get("fc1.weight").t()) + model.weights.get("fc1.bias")).clamp_min(0);
  Scores expected = per_row(rows_of(h.t()), [](const Scores& row) { return l1(row) / static_cast<double>(row.size()); });
  expect_near(scores_of(model, "fc1", options, {.train = &train}), expected);
}

TEST(PruneImportance, ActivationOfChannelsInPictures) {
  Model model = test::tiny_residual_cnn();
  test::MemoryDataset train = test::synthetic_images(16);
  Executor executor(model, {});
  at::Tensor read;
  const Value* value = model.graph.find_value("relu_1");  // between the block's convolutions
  executor.run({train.inputs()}, {value}, [&](const Value&, const at::Tensor& tensor) { read = tensor.detach().clone(); });
  Scores expected = per_row(rows_of(read.transpose(0, 1)), [](const Scores& row) { return l1(row) / static_cast<double>(row.size()); });
  expect_near(scores_of(model, "layer1.0.conv1", plain(Importance::activation), {.train = &train}), expected);
}

TEST(PruneImportance, RandomFollowsTheSeedAlone) {
  Model model = test::tiny_mlp();
  ChannelGroups groups(model);
  test::FakeContext context(model);
  auto a = unit_scores(model, groups, plain(Importance::random), context, 1), b = unit_scores(model, groups, plain(Importance::random), context, 1);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, unit_scores(model, groups, plain(Importance::random), context, 2));
  EXPECT_GT(*std::ranges::max_element(a), 0.5);
}

TEST(PruneImportance, MembersCombine) {
  Model model = test::tiny_mlp();
  Scores made = per_row(rows_of(model.weights.get("fc1.weight")), l1), read = per_row(rows_of(model.weights.get("fc2.weight").t()), l1);
  ImportanceOptions options = plain(Importance::l1);
  options.members = Members::all;
  std::map<Combine, std::function<double(double, double)>> how = {{Combine::mean, [](double a, double b) { return (a + b) / 2; }},
                                                                  {Combine::sum, [](double a, double b) { return a + b; }},
                                                                  {Combine::max, [](double a, double b) { return std::max(a, b); }},
                                                                  {Combine::product, [](double a, double b) { return std::sqrt(a * b); }}};
  for (const auto& [combine, function] : how) {
    options.combine = combine;
    Scores expected;
    for (std::size_t i = 0; i < made.size(); ++i) expected.push_back(function(made[i], read[i]));
    expect_near(scores_of(model, "fc1", options), expected);
  }
}

TEST(PruneImportance, ScoresAreNormalisedOverTheGroup) {
  Model model = test::tiny_mlp();
  Scores raw = scores_of(model, "fc1", plain(Importance::l1));
  double sum = std::accumulate(raw.begin(), raw.end(), 0.0), mean = sum / 16, variance = 0;
  for (double score : raw) variance += (score - mean) * (score - mean) / 16;
  std::map<Normalize, std::pair<double, double>> shift_and_scale = {{Normalize::mean, {0, mean}}, {Normalize::sum, {0, sum}},
                                                                    {Normalize::max, {0, *std::ranges::max_element(raw)}},
                                                                    {Normalize::standardize, {mean, std::sqrt(variance)}}};
  for (const auto& [normalize, values] : shift_and_scale) {
    ImportanceOptions options{.importance = Importance::l1, .normalize = normalize};
    Scores expected;
    for (double score : raw) expected.push_back((score - values.first) / values.second);
    expect_near(scores_of(model, "fc1", options), expected);
  }
}

TEST(PruneImportance, RehearsalsLookAtNoData) {
  Model model = test::tiny_mlp();
  ChannelGroups groups(model);
  test::FakeContext context(model);
  context.rehearsal = true;
  EXPECT_EQ(unit_scores(model, groups, plain(Importance::taylor), context, 1), unit_scores(model, groups, plain(Importance::l1), context, 1));
  EXPECT_EQ(unit_scores(model, groups, plain(Importance::activation), context, 1), unit_scores(model, groups, plain(Importance::l1), context, 1));
}

}  // namespace
}  // namespace dsc
