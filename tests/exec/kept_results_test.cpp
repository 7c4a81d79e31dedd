// Results of weights' quantisers, kept between runs: the same tensor while its sources stay, a new one when they change.
#include "exec/kept_results.h"

#include <ATen/ATen.h>

#include "exec/fixture.h"

namespace dsc {
namespace {

using test::model_of;

// [rows, 4] in groups of two neighbours, a grid for each; the quantised weight is the first output.
Model grouped_model() {
  Model model = model_of(R"text(graph {
  param %w "w": f32[3, 4]
  constant %s "scale": f32[6]
  constant %z "zero": i32[6]
  input %x: f32[2, 4]
  %rows: f32[6, 2] = aten.view.default(self=%w, size=[6, 2])
  %q: f32[6, 2] = aten.fake_quantize_per_channel_affine.default(self=%rows, scale=%s, zero_point=%z, axis=0, quant_min=-7, quant_max=7)
  %back: f32[3, 4] = aten.view.default(self=%q, size=[3, 4])
  %y: f32[2, 3] = aten.linear.default(input=%x, weight=%back, bias=None)
  output %q
  output %y
}
)text");
  model.weights.set("w", at::linspace(-1, 1, 12).reshape({3, 4}));
  model.weights.set("scale", at::linspace(0.1, 0.2, 6));
  model.weights.set("zero", at::zeros({6}, at::kInt));
  return model;
}

at::Tensor quantised(const at::Tensor& weight, const Model& model) {
  return at::fake_quantize_per_channel_affine(weight.reshape({6, 2}), model.weights.get("scale"), model.weights.get("zero"), 0, -7, 7);
}

class KeptResultsTest : public testing::Test {
 protected:
  at::Tensor run() {
    const auto outputs = executor.run({x});
    EXPECT_TRUE(at::allclose(outputs[1], at::linear(x, outputs[0].reshape({3, 4}))));
    return outputs[0];
  }
  Model model = grouped_model();
  Executor executor{model, {}};
  at::Tensor x = at::ones({2, 4});
};

TEST_F(KeptResultsTest, AreMadeOnce) {
  const auto first = run();
  EXPECT_TRUE(at::equal(first, quantised(model.weights.get("w"), model)));
  EXPECT_TRUE(run().is_same(first));
}

TEST_F(KeptResultsTest, FollowWeightsThatChangeInPlace) {
  run();
  model.weights.get("w").mul_(0.5);
  EXPECT_TRUE(at::equal(run(), quantised(model.weights.get("w"), model)));
  model.weights.get("scale").mul_(2);
  EXPECT_TRUE(at::equal(run(), quantised(model.weights.get("w"), model)));
}

TEST_F(KeptResultsTest, FollowWeightsThatAreSwapped) {
  run();
  const auto other = at::linspace(3, -2, 12).reshape({3, 4});
  executor.set_weight("w", other);
  EXPECT_TRUE(at::equal(run(), quantised(other, model)));
}

TEST_F(KeptResultsTest, AreMadeAnewWhenSomeoneWroteOnThem) {
  run().zero_();
  EXPECT_TRUE(at::equal(run(), quantised(model.weights.get("w"), model)));
}

TEST_F(KeptResultsTest, DoNotHideReplacedWeights) {
  run();
  const Value* weight = model.graph.find_weight("w");
  const auto outputs = executor.run_replacing({x}, {weight}, [](const Value&, const at::Tensor& tensor) { return at::zeros_like(tensor); });
  EXPECT_TRUE(at::equal(outputs[0], at::zeros({6, 2})));
  EXPECT_TRUE(at::equal(run(), quantised(model.weights.get("w"), model)));
}

TEST(KeptResults, AreMadeAnewWhereTheGraphWritesOnThem) {
  Model model = model_of(R"text(graph {
  param %w "w": f32[8]
  %q: f32[8] = aten.fake_quantize_per_tensor_affine.default(self=%w, scale=0.1, zero_point=0, quant_min=-7, quant_max=7)
  %y: f32[8] = aten.mul_.Scalar(self=%q, other=2)
  output %y
}
)text");
  model.weights.set("w", at::linspace(-1, 1, 8));
  Executor executor(model, {});
  const at::Tensor expected = at::fake_quantize_per_tensor_affine(model.weights.get("w"), 0.1, 0, -7, 7) * 2;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(at::equal(executor.run({})[0], expected)) << i;
}

TEST_F(KeptResultsTest, AreNoneWhileTraining) {
  Executor training(model, {.training = true});
  EXPECT_FALSE(training.run({x})[0].is_same(training.run({x})[0]));
}

}  // namespace
}  // namespace dsc
