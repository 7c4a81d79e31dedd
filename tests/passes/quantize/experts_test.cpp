// Stacks of experts as integers: a grid for each row of each expert, or for groups of its elements.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "deploy/artifact.h"
#include "deploy/openvino_engine.h"
#include "exec/kernels/fake_quant.h"
#include "ir/verify.h"
#include "ops/expert_loops.h"
#include "ops/quantization.h"
#include "ops/tiny_experts.h"
#include "passes/quantize/trained_network.h"
#include "passes/quantize/weights/rounding.h"
#include "passes/quantize/weights/weight_grid.h"

namespace dsc {
namespace {

using test::count, test::distance, test::FakeContext, test::quantize, test::route, test::Row, test::row_of, test::times, test::tiny_experts;

// --- a mixture in plain loops ---

// [E][outputs][inputs], rounded to the nearest of 2^bits - 1 levels for each row, or of 2^bits for each `group` of one,
// the largest exact or half a step out, whichever errs less.
std::vector<std::vector<Row>> rounded_stack(const at::Tensor& stack, std::int64_t bits, std::int64_t group) {
  std::vector<std::vector<Row>> result;
  const double half = std::pow(2.0, bits - 1), least = group < stack.size(2) ? -half : 1 - half, most = half - 1;
  for (std::int64_t e = 0; e < stack.size(0); ++e) {
    result.emplace_back();
    for (std::int64_t o = 0; o < stack.size(1); ++o) {
      Row row;
      for (std::int64_t start = 0; start < stack.size(2); start += group) {
        double largest = 0;
        for (std::int64_t i = start; i < start + group; ++i) largest = std::max(largest, std::abs(stack[e][o][i].item<double>()));
        Row best;
        double error = INFINITY;
        for (const double top : {group < stack.size(2) ? most + 0.5 : most, most}) {
          const double step = largest / top * (1 - 1e-9);  // halves go outwards
          Row tried;
          double sum = 0;
          for (std::int64_t i = start; i < start + group; ++i) {
            tried.push_back(std::clamp(std::nearbyint(stack[e][o][i].item<double>() / step), least, most) * step);
            sum += std::pow(tried.back() - stack[e][o][i].item<double>(), 2);
          }
          if (sum < error * (1 - 1e-6)) error = sum, best = tried;
        }
        row.insert(row.end(), best.begin(), best.end());
      }
      result.back().push_back(std::move(row));
    }
  }
  return result;
}

// gate_up [E, 12, 8] with the gates first, down [E, 8, 6].
at::Tensor mixture(const at::Tensor& x, const std::vector<Row>& router, const std::vector<std::vector<Row>>& gate_up,
                   const std::vector<std::vector<Row>>& down) {
  at::Tensor y = at::zeros(x.sizes(), at::kDouble);
  for (std::int64_t t = 0; t < x.size(0); ++t) {
    const Row row = row_of(x[t]);
    for (const auto& [expert, share] : route(router, row)) {
      const Row both = times(gate_up[expert], row);
      Row hidden;
      for (std::size_t i = 0; i < both.size() / 2; ++i) hidden.push_back(both[i] / (1 + std::exp(-both[i])) * both[i + both.size() / 2]);
      const Row out = times(down[expert], hidden);
      for (std::size_t i = 0; i < out.size(); ++i) y[t][static_cast<std::int64_t>(i)] += share * out[i];
    }
  }
  return y;
}

class QuantizeExperts : public testing::Test {
 protected:
  static void SetUpTestSuite() { set_threads(1); }
  Model quantized(const Model& model, const std::string& options) const {
    Model copy = model.clone();
    FakeContext context{model, {}};
    quantize(options).run(copy, context);
    EXPECT_TRUE(verify(copy).empty());
    return copy;
  }
};

TEST_F(QuantizeExperts, ComputeWhatLoopsOverRoutedRowsDoWithRoundedWeights) {
  const Model model = tiny_experts();
  const at::Tensor x = example_inputs(model, 9, 5).at(0);
  std::vector<Row> router;
  for (std::int64_t e = 0; e < 8; ++e) router.push_back(row_of(model.weights.get("mlp.gate.weight")[e]));
  for (const auto& [options, bits, group, group_down] : std::vector<std::tuple<std::string, std::int64_t, std::int64_t, std::int64_t>>{
           {"{mode: weight_only, weights: {bits: 8}", 8, 8, 6}, {"{mode: weight_only, weights: {bits: 4}", 4, 8, 6},
           {"{mode: weight_only, weights: {bits: 4, group_size: 4}", 4, 4, 3}, {"{mode: dynamic, weights: {bits: 3}", 3, 8, 6}}) {
    const Model copy = quantized(model, options + ", skip: [mlp.gate]}");
    const at::Tensor wanted = mixture(x, router, rounded_stack(model.weights.get("mlp.experts.gate_up_proj"), bits, group),
                                      rounded_stack(model.weights.get("mlp.experts.down_proj"), bits, group_down));
    EXPECT_LT(distance(test::run_model(copy, x), wanted), 1e-5) << options;
    EXPECT_EQ(quantized_weights(copy).size(), 2U) << options;
  }
}

TEST_F(QuantizeExperts, OfEitherOrientationHaveTheSameRows) {
  const Model model = tiny_experts(test::kSoftmaxRouter, test::kInputsFirst);
  const at::Tensor original = model.weights.get("mlp.experts.gate_up_proj");
  const Model copy = quantized(model, "{mode: weight_only, weights: {bits: 4, group_size: 4}}");
  const auto wanted = rounded_stack(original.transpose(1, 2), 4, 4);
  for (const QuantizedWeight& weight : quantized_weights(copy)) {
    if (weight.name != "mlp.experts.gate_up_proj") continue;
    const at::Tensor found = snap_to_grid(weight.source, weight.grid);
    for (std::int64_t o = 0; o < 12; ++o) {
      for (std::int64_t i = 0; i < 8; ++i)
        EXPECT_NEAR(found[3][o][i].item<double>(), wanted[3][static_cast<std::size_t>(o)][static_cast<std::size_t>(i)], 3e-6);
    }
  }
  EXPECT_EQ(quantized_weights(copy).size(), 3U);
}

TEST_F(QuantizeExperts, KeepTheirActivationsInFloatingPoint) {
  const Model model = tiny_experts();
  test::MemoryDataset data(example_inputs(model, 16, 5).at(0), {});
  Model copy = model.clone();
  FakeContext context{model, {.train = &data}};
  quantize("{mode: ptq}").run(copy, context);
  EXPECT_EQ(count(copy, "aten.fake_quantize_per_tensor_affine.default"), 1);  // the router's input
  EXPECT_EQ(quantized_weights(copy).size(), 3U);
}

TEST_F(QuantizeExperts, AreStoredInTheirBitsInEveryFormat) {
  const Model model = tiny_experts();
  const Model copy = quantized(model, "{mode: weight_only, weights: {bits: 4, group_size: 8}}");
  const TensorFile file = stored_tensors(copy);
  const auto find = [&](const std::string& name) {
    const auto found = std::find_if(file.tensors.begin(), file.tensors.end(), [&](const auto& entry) { return entry.first == name; });
    return found == file.tensors.end() ? std::int64_t{-1} : found->second.numel();
  };
  EXPECT_EQ(find("mlp.experts.gate_up_proj.int4"), 8 * 12 * 8 / 2);
  EXPECT_EQ(find("mlp.experts.down_proj.int4"), 8 * 8 * 6 / 2);
  if (!openvino_available()) GTEST_SKIP() << "built without OpenVINO";
  const auto inputs = example_inputs(model, 6, 5);
  EXPECT_LT(distance(make_openvino_engine(copy)->run(inputs).at(0), test::run_model(copy, inputs.at(0))), 1e-5);
}

TEST_F(QuantizeExperts, QatDeploysWhatItValidated) {
  const Model model = tiny_experts();
  test::MemoryDataset data(example_inputs(model, 16, 5).at(0), at::arange(16).remainder(8));
  for (const char* steps : {"", ", learned_steps: true"}) {
    Model trained = model.clone();
    FakeContext context{model, {.train = &data, .valid = &data}};
    at::Tensor last;
    const at::Tensor x = example_inputs(model, 16, 5).at(0);
    context.metrics = [&](const Model& now, const Dataset&, std::int64_t) {
      last = test::run_model(now, x);
      return Metrics{{"top1", 0}};
    };
    quantize(std::string("{mode: qat, epochs: 2, batch: 8, weights: {bits: 4}, optimizer: {adam: {lr: 0.01}}") + steps + "}").run(trained, context);
    EXPECT_TRUE(verify(trained).empty());
    EXPECT_TRUE(test::run_model(trained, x).equal(last)) << steps;
    EXPECT_EQ(quantized_weights(trained).size(), 3U) << steps;
    EXPECT_EQ(count(trained, kFakeQuantWeight), 0) << steps;
  }
}

TEST_F(QuantizeExperts, MatricesThatNoLayerReadsAreNamed) {
  const Model known = tiny_experts();
  FakeContext context{known, {}};
  Model copy = known.clone();
  EXPECT_TRUE(quantize("{mode: weight_only, skip: [mlp.gate]}").run(copy, context).notes.empty());
  const Model unknown = test::text_model(R"(
  param %w "odd.weight": f32[8, 8]
  param %l "head.weight": f32[8, 8]
  input %x: f32[s0{2}, 8]
  %t: f32[] = aten.sin.default(self=%w) @odd
  %m: f32[] = aten.matmul.default(self=%x, other=%t) @odd
  %y: f32[] = aten.linear.default(input=%m, weight=%l) @head
  output %y
)");
  copy = unknown.clone();
  const auto notes = quantize("{mode: weight_only}").run(copy, context).notes;
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes[0].find("50.0 % of the bytes"), std::string::npos) << notes[0];
  EXPECT_NE(notes[0].find("odd.weight"), std::string::npos) << notes[0];
}

// --- looking at what each expert reads ---

// By expert, the rows that plain loops send there, and what its down projection reads of them.
struct Routed {
  std::vector<std::vector<at::Tensor>> inputs = std::vector<std::vector<at::Tensor>>(8), hidden = inputs;
};

Routed routed(const Model& model, const at::Tensor& x, const at::Tensor& gate_up) {
  std::vector<Row> router;
  for (std::int64_t e = 0; e < 8; ++e) router.push_back(row_of(model.weights.get("mlp.gate.weight")[e]));
  Routed rows;
  for (std::int64_t t = 0; t < x.size(0); ++t) {
    for (const auto& [expert, share] : route(router, row_of(x[t]))) {
      const at::Tensor both = gate_up[static_cast<std::int64_t>(expert)].to(at::kDouble).matmul(x[t].to(at::kDouble)), gate = both.narrow(0, 0, 6);
      rows.inputs[expert].push_back(x[t].to(at::kDouble));
      rows.hidden[expert].push_back(gate * gate.sigmoid() * both.narrow(0, 6, 6));
    }
  }
  return rows;
}

// The distance of the outputs of one expert's layer, over its own rows.
double output_distance(const at::Tensor& a, const at::Tensor& b, const std::vector<at::Tensor>& rows) {
  return rows.empty() ? 0 : at::stack(rows).matmul((a - b).to(at::kDouble).t()).square().sum().item<double>();
}

TEST_F(QuantizeExperts, GptqRoundsEachExpertForTheRowsThatItGets) {
  const Model model = tiny_experts();
  const at::Tensor x = example_inputs(model, 200, 5).at(0);
  const std::string form = "{mode: weight_only, weights: {bits: 3}, skip: [mlp.gate], calibration: {samples: 200, batch: 50}";
  const auto rounded = [&](const std::string& options) {
    Model copy = model.clone();
    test::MemoryDataset data(x, {});
    FakeContext context{copy, {.train = &data}};
    quantize(form + options + "}").run(copy, context);
    return copy;
  };
  const Model nearest = rounded(""), gptq = rounded(", rounding: gptq");
  const auto grid_of = [](const at::Tensor& stack, std::int64_t expert) {
    const auto grid = quantize::choose_weight_grid(stack[expert], 0, {.bits = 3});
    return quantize::grid_of_matrix(grid, stack.size(1), stack.size(2));
  };
  // The second stack sees what the first, rounded, makes.
  const Routed rows = routed(model, x, gptq.weights.get("mlp.experts.gate_up_proj"));
  for (const auto& [name, read] : {std::pair{"mlp.experts.gate_up_proj", rows.inputs}, std::pair{"mlp.experts.down_proj", rows.hidden}}) {
    const at::Tensor whole = model.weights.get(name), found = gptq.weights.get(name);
    double error = 0, error_nearest = 0;
    for (std::int64_t e = 0; e < 8; ++e) {
      const auto& own = read[static_cast<std::size_t>(e)];
      const auto grid = grid_of(whole, e);
      const at::Tensor matrix = whole[e].to(at::kDouble), near = quantize::round_to_matrix_grid(matrix, grid);
      const at::Tensor gram = own.empty() ? at::zeros({matrix.size(1), matrix.size(1)}, at::kDouble) : at::stack(own).t().matmul(at::stack(own));
      const at::Tensor wanted = quantize::gptq_round(matrix, {gram, 0.01}, grid);
      EXPECT_LT(((found[e].to(at::kDouble) - wanted).abs() > 1e-6).sum().item<std::int64_t>(), 2) << name << e;  // a tie may fall either way in f32
      error += output_distance(found[e], whole[e], own);
      error_nearest += output_distance(near, whole[e], own);
    }
    EXPECT_LT(error, error_nearest) << name;
  }
  EXPECT_EQ(quantized_weights(nearest).size(), 2U);
}

// [rows, columns] on a grid for each row, in plain loops.
at::Tensor rounded_rows(const at::Tensor& matrix, std::int64_t bits) {
  const at::Tensor stack = matrix.to(at::kFloat).unsqueeze(0), result = at::empty_like(matrix);
  const auto rows = rounded_stack(stack, bits, stack.size(2)).front();
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < rows[r].size(); ++c) result[static_cast<std::int64_t>(r)][static_cast<std::int64_t>(c)] = rows[r][c];
  }
  return result;
}

TEST_F(QuantizeExperts, AwqScalesInsideOfEachExpertByTheRowsThatItGets) {
  const Model model = tiny_experts();
  const at::Tensor x = example_inputs(model, 200, 5).at(0);
  test::MemoryDataset data(x, {});
  Model scaled = model.clone();
  FakeContext context{model, {.train = &data}};
  quantize("{mode: weight_only, weights: {bits: 3}, scaling: awq, skip: [mlp.gate], calibration: {samples: 200, batch: 50}}").run(scaled, context);
  const at::Tensor before = model.weights.get("mlp.experts.down_proj").to(at::kDouble), up = model.weights.get("mlp.experts.gate_up_proj");
  const Routed rows = routed(model, x, up);
  int moved = 0;
  for (std::int64_t e = 0; e < 8; ++e) {
    const auto& own = rows.hidden[static_cast<std::size_t>(e)];
    ASSERT_FALSE(own.empty());
    const at::Tensor inputs = at::stack(own).abs().mean(0);
    const at::Tensor weights = (before[e].abs() / before[e].abs().amax(1, true)).mean(0);
    double least = -1;
    at::Tensor wanted;
    for (int i = 0; i < 40; ++i) {
      const double exponent = i / 2 / 20.0;
      at::Tensor factors = (inputs / inputs.mean()).pow(exponent);
      if (i % 2 == 1) factors = factors / weights.pow(1 - exponent);
      factors = factors / (factors.max() * factors.min()).sqrt();
      const double error = output_distance(before[e], rounded_rows(before[e] * factors, 3) / factors, own);
      if (least >= 0 && error >= least) continue;
      least = error;
      wanted = factors;
    }
    const at::Tensor found = scaled.weights.get("mlp.experts.down_proj")[e].to(at::kDouble) / before[e];
    EXPECT_LT((found - wanted).abs().max().item<double>(), 1e-4) << e;
    const at::Tensor ups = scaled.weights.get("mlp.experts.gate_up_proj")[e].narrow(0, 6, 6) / up[e].narrow(0, 6, 6);
    EXPECT_LT((ups.to(at::kDouble) - wanted.reciprocal().unsqueeze(1)).abs().max().item<double>(), 1e-4) << e;
    moved += (wanted - 1).abs().max().item<double>() > 1e-3;
  }
  EXPECT_GE(moved, 4);
}

}  // namespace
}  // namespace dsc
