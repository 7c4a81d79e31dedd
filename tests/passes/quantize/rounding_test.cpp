#include "passes/quantize/weights/rounding.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "exec/executor.h"
#include "passes/quantize/weights/weight_grid.h"
#include "support/fake_context.h"
#include "support/tiny_models.h"

namespace dsc::quantize {
namespace {

struct Problem {
  at::Tensor weight, gram, inputs;
  MatrixGrid grid;
};

// Inputs with strongly tied columns, as those of real layers are.
Problem make_problem(std::int64_t group) {
  const at::Tensor mixing = test::noise({24, 24}, 3).to(at::kDouble) + at::ones({24, 24}, at::kDouble) * 0.8;
  const at::Tensor inputs = test::noise({400, 24}, 1).to(at::kDouble).matmul(mixing);
  const at::Tensor weight = test::noise({10, 24}, 2).to(at::kDouble);
  const WeightGrid grid = choose_weight_grid(weight, 0, {.bits = 3, .group_size = group});
  return {weight, inputs.t().matmul(inputs) / 400, inputs, grid_of_matrix(grid, 10, 24)};
}

class Rounding : public testing::TestWithParam<std::int64_t> {};

TEST_P(Rounding, OutputErrorIsThatOfTheOutputs) {
  const Problem p = make_problem(GetParam());
  const at::Tensor nearest = round_to_matrix_grid(p.weight, p.grid);
  const double expected = (p.inputs.matmul((p.weight - nearest).t())).square().sum().item<double>() / 400;
  EXPECT_NEAR(output_error(p.weight, nearest, p.gram), expected, 1e-9 * expected);
}

TEST_P(Rounding, LooksAtInputsForASmallerErrorAndStaysOnTheGrid) {
  const Problem p = make_problem(GetParam());
  const double nearest = output_error(p.weight, round_to_matrix_grid(p.weight, p.grid), p.gram);
  for (const at::Tensor& rounded : {gptq_round(p.weight, {p.gram, 0.01}, p.grid), adaround_round(p.weight, p.gram, p.grid, 400)}) {
    EXPECT_TRUE(at::allclose(round_to_matrix_grid(rounded, p.grid), rounded, 1e-12, 1e-12));
    EXPECT_LT(output_error(p.weight, rounded, p.gram), 0.7 * nearest);
  }
}

INSTANTIATE_TEST_SUITE_P(Groups, Rounding, testing::Values(0, 8));

// Uncorrelated inputs of one size: nothing is better than the nearest.
TEST(RoundingOfWhiteInputs, IsNearest) {
  Problem p = make_problem(0);
  p.gram = at::eye(24, at::kDouble);
  EXPECT_TRUE(gptq_round(p.weight, {p.gram, 0.01}, p.grid).equal(round_to_matrix_grid(p.weight, p.grid)));
}

TEST(RoundingOfDeadInputs, IsNearest) {
  Problem p = make_problem(0);
  const at::Tensor nothing = at::zeros({24, 24}, at::kDouble);
  EXPECT_TRUE(gptq_round(p.weight, {nothing, 0.01}, p.grid).equal(round_to_matrix_grid(p.weight, p.grid)));
}

// The least error, each element's counted, and its step, among those with which the largest |w| is one of `tops`; integers from -half to half - 1.
std::pair<double, double> least_step(const at::Tensor& part, const at::Tensor& counts, double half, const std::vector<double>& tops) {
  double least = INFINITY, wanted = 0;
  for (const double top : tops) {
    const double step = part.abs().max().item<double>() / top * (1 - 1e-9);  // halves go outwards
    double error = 0;
    for (std::int64_t k = 0; k < part.numel(); ++k) {
      const double w = part[k].item<double>(), difference = std::clamp(std::nearbyint(w / step), -half, half - 1) * step - w;
      error += counts[k].item<double>() * difference * difference;
    }
    if (error < least) least = error, wanted = step;
  }
  return {least, wanted};
}

// Of 16 integers, -8 to 7, with steps of which the largest |w| is half a step beyond 7, or 7 itself.
TEST(WeightGrids, GroupsHaveScalesOfTheirOwnAndUseEveryInteger) {
  const at::Tensor weight = test::noise({6, 32}, 1);
  const WeightGrid grid = choose_weight_grid(weight, 0, {.bits = 4, .group_size = 8});
  ASSERT_EQ(grid.scale.numel(), 6 * 4);
  for (std::int64_t g = 0; g < 24; ++g) {
    const at::Tensor part = weight.view({24, 8})[g].to(at::kDouble);
    EXPECT_NEAR(grid.scale[g].item<double>(), least_step(part, at::ones({8}, at::kDouble), 8, {7.5, 7}).second, 1e-6) << g;
  }
  EXPECT_EQ(integers_on_grid(weight, grid).min().item<int>(), -8);
}

TEST(WeightGrids, WeightedErrorsAreTheLeast) {
  const at::Tensor weight = test::noise({3, 16}, 1), importance = test::noise({3, 16}, 2).square() + 1e-3;
  const WeightGrid grid = choose_weight_grid(weight, 0, {.bits = 3, .group_size = 8, .observer = WeightObserver::weighted}, {}, importance);
  std::vector<double> tops = {3.5, 3};
  for (int i = 1; i < 64; ++i) tops.push_back(3.5 / (1 - 0.7 * i / 64));
  for (std::int64_t g = 0; g < 6; ++g) {
    const auto [least, wanted] = least_step(weight.view({6, 8})[g].to(at::kDouble), importance.view({6, 8})[g].to(at::kDouble), 4, tops);
    EXPECT_NEAR(grid.scale[g].item<double>(), wanted, 1e-5 * wanted) << g;
  }
  const WeightGrid even = choose_weight_grid(weight, 0, {.bits = 3, .group_size = 8, .observer = WeightObserver::mse});
  EXPECT_TRUE(choose_weight_grid(weight, 0, {.bits = 3, .group_size = 8, .observer = WeightObserver::weighted}, {}, at::full({3, 16}, 2.0F))
                  .scale.equal(even.scale));
  EXPECT_FALSE(grid.scale.equal(even.scale));
}

TEST(WeightGrids, WhatNothingMultipliesReachesToItsExtremes) {
  const at::Tensor weight = test::noise({3, 16}, 1);
  const WeightGrid grid = choose_weight_grid(weight, 0, {.bits = 3, .group_size = 8, .observer = WeightObserver::weighted}, {}, at::zeros({3, 16}));
  for (std::int64_t g = 0; g < 6; ++g) EXPECT_NEAR(grid.scale[g].item<float>(), weight.view({6, 8})[g].abs().max().item<float>() / 3.5, 1e-5) << g;
}

TEST(WeightGrids, GroupsDivideRows) {
  EXPECT_EQ(group_length(172, 64), 43);
  EXPECT_EQ(group_length(128, 64), 64);
  EXPECT_EQ(group_length(7, 64), 7);
}

TEST(WeightGrids, LeastErrorIsNoLargerThanThatOfTheExtremes) {
  const at::Tensor weight = test::noise({6, 200}, 1);
  for (const std::int64_t bits : {2, 3, 4, 8}) {
    const auto error = [&](WeightObserver observer) {
      return (snap_to_grid(weight, choose_weight_grid(weight, 0, {.bits = bits, .observer = observer})) - weight).square().sum(1);
    };
    const at::Tensor least = error(WeightObserver::mse), extremes = error(WeightObserver::minmax);
    EXPECT_TRUE(least.le(extremes + 1e-6).all().item<bool>()) << bits;
    if (bits == 4) {
      EXPECT_LT(least.sum().item<double>(), 0.95 * extremes.sum().item<double>());
    }
  }
}

// The moments against plain loops over what the convolution itself multiplies.
TEST(InputMoments, AreThoseOfTheRowsThatLayersMultiply) {
  Model model = test::tiny_residual_cnn();
  test::MemoryDataset data = test::synthetic_images(16);
  test::FakeContext context(model, {.train = &data});
  std::vector<Node*> layers;
  for (Node* node : model.graph.nodes()) {
    if (find_quant_layer(model.graph, node)) layers.push_back(node);
  }
  SampleWalk walk(model, uncut(model.graph), {.samples = 16, .batch = 5}, context);
  const auto moments = find_input_moments(model, layers, walk, Advance::no);
  ASSERT_EQ(moments.size(), layers.size());
  for (Node* node : layers) {
    const auto layer = *find_quant_layer(model.graph, node);
    const Use use = layer.activations.front().use;
    const Value* input = std::get<Value*>(node->arguments()[use.argument].value);
    const at::Tensor weight = model.weights.get(model.graph.find_input(node->find_value("weight"))->target);
    at::Tensor x, y;
    Executor(model, {}).run({data.inputs()}, {input, node->output()}, [&](const Value& value, const at::Tensor& tensor) { (&value == input ? x : y) = tensor; });
    const at::Tensor rows = input_rows(layer, x, weight), matrix = weight_matrix(layer, weight).value();
    at::Tensor product = rows.bmm(matrix.transpose(1, 2))[0];  // [rows, C], without bias
    if (y.dim() == 4) y = y.permute({0, 2, 3, 1}).reshape({-1, y.size(1)});
    else if (node->find_value("bias")) product = product + model.weights.get(model.graph.find_input(node->find_value("bias"))->target);
    EXPECT_TRUE(at::allclose(product, y, 1e-3, 1e-4)) << node->name();
    const InputMoments& m = moments.at(node->name());
    EXPECT_EQ(m.rows, rows.size(1));
    EXPECT_TRUE(at::allclose(m.gram[0], rows[0].t().matmul(rows[0]).to(at::kDouble) / rows.size(1), 1e-3, 1e-4)) << node->name();
    EXPECT_TRUE(at::allclose(m.mean[0], rows[0].mean(0).to(at::kDouble), 1e-3, 1e-5)) << node->name();
    EXPECT_TRUE(at::allclose(m.largest[0], rows[0].abs().amax(0).to(at::kDouble), 1e-3, 1e-5)) << node->name();
    EXPECT_TRUE(weight_from_matrix(layer, matrix, weight).equal(weight)) << node->name();
  }
}

}  // namespace
}  // namespace dsc::quantize
