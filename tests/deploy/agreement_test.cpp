// The judge of deployed models, shown engines that are right up to rounding, and engines that are wrong.
#include <gtest/gtest.h>

#include <functional>

#include "deploy/agreement.h"
#include "deploy/observe.h"
#include "deploy/quantized.h"
#include "deploy/text_model.h"
#include "dscompress/error.h"
#include "exec/executor.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

// LibTorch with something done to its results.
class Altered : public Engine {
 public:
  using Change = std::function<at::Tensor(const at::Tensor&)>;
  Altered(const Model& model, Change change) : model_(model.clone()), executor_(model_, {}), change_(std::move(change)) {}
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override {
    auto outputs = executor_.run(inputs);
    for (auto& output : outputs) output = change_(output);
    return outputs;
  }
  std::string name() const override { return "altered"; }

 private:
  Model model_;
  Executor executor_;
  Change change_;
};

at::Tensor unchanged(const at::Tensor& tensor) { return tensor; }
at::Tensor with_noise(const at::Tensor& tensor, double share) {
  return tensor + share * tensor.square().mean().sqrt() * test::noise(tensor.sizes().vec(), 3);
}

std::string judge(const Model& model, const Altered::Change& change, const Altered::Change& without_quantizers = unchanged) {
  Altered engine(model, change);
  return check_agreement(engine, model, [&](const Model& other) { return std::make_unique<Altered>(other, without_quantizers); }, "net.xml");
}

Model quantized_network() {
  Model model = test::tiny_residual_cnn(1, {.width = 16, .image = 16});
  test::quantize_everything(model, {test::noise({4, 3, 16, 16}, 5)});
  return model;
}

TEST(Agreement, TakesAnotherOrderOfAdditions) {
  EXPECT_NO_THROW(judge(test::tiny_residual_cnn(), [](const at::Tensor& tensor) { return with_noise(tensor, 1e-6); }));
}

TEST(Agreement, RefusesAWrongOperator) {
  const Model model = test::tiny_residual_cnn();
  EXPECT_THROW(judge(model, [](const at::Tensor& tensor) { return with_noise(tensor, 1e-3); }), Error);
  EXPECT_THROW(judge(model, [](const at::Tensor& tensor) { return at::softplus(tensor, 1.01); }), Error);
  EXPECT_THROW(judge(model, [](const at::Tensor& tensor) { return tensor.narrow(1, 0, 1); }), Error);
  EXPECT_THROW(judge(model, [](const at::Tensor& tensor) { return at::where(tensor > 0.5, NAN, tensor); }), Error);
}

TEST(Agreement, TakesTheSameNotNumbersAndInfinities) {
  const auto model = test::text_model(R"text(graph {
    input %x: f32[s0{2}, 40]
    %log: f32[s0{2}, 40] = aten.log.default(self=%x)
    %all: f32[s0{2}, 40] = aten.div.Scalar(self=%x, other=0.0)
    output %log
    output %all
  })text");
  EXPECT_NO_THROW(judge(model, unchanged));
  EXPECT_THROW(judge(model, [](const at::Tensor& tensor) { return tensor.nan_to_num(); }), Error);
}

// What the last bits decide can be judged only as well as LibTorch itself is sure of it.
TEST(Agreement, KnowsNetworksThatAmplifyRounding) {
  const auto model = test::text_model(R"text(graph {
    input %x: f32[s0{2}, 40]
    %big: f32[s0{2}, 40] = aten.add.Tensor(self=%x, other=10000)
    %small: f32[s0{2}, 40] = aten.sub.Tensor(self=%big, other=10000)
    %gain: f32[s0{2}, 40] = aten.mul.Tensor(self=%small, other=1000)
    output %gain
  })text");
  EXPECT_NO_THROW(judge(model, [](const at::Tensor& tensor) { return with_noise(tensor, 1e-5); }));
  EXPECT_THROW(judge(model, [](const at::Tensor& tensor) { return with_noise(tensor, 0.1); }), Error);
}

TEST(Agreement, JudgesQuantizedNetworksByWhatQuantisationChanges) {
  const Model model = quantized_network();
  EXPECT_NO_THROW(judge(model, [](const at::Tensor& tensor) { return with_noise(tensor, 0.01); }));  // some roundings fell the other way
  EXPECT_THROW(judge(model, [](const at::Tensor& tensor) { return with_noise(tensor, 0.3); }), Error);  // sums that overflowed
  EXPECT_THROW(judge(model, unchanged, [](const at::Tensor& tensor) { return with_noise(tensor, 1e-3); }), Error);  // a wrong operator
}

// 0.5 becomes 0 and 1.5 becomes 2, so that the sum is what it was; last bits make it anything from 1 to 3.
TEST(Agreement, TakesRoundingsThatFallTheOtherWayWhereQuantisationHappensToChangeNothing) {
  const auto model = test::text_model(R"text(graph {
    input %x: f32[s0{2}, 40]
    %zero: f32[s0{2}, 40] = aten.mul.Scalar(self=%x, other=0.0)
    %a: f32[s0{2}, 40] = aten.add.Scalar(self=%zero, other=0.5)
    %b: f32[s0{2}, 40] = aten.add.Scalar(self=%zero, other=1.5)
    %p: f32[s0{2}, 40] = aten.fake_quantize_per_tensor_affine.default(self=%a, scale=1.0, zero_point=0, quant_min=-128, quant_max=127)
    %q: f32[s0{2}, 40] = aten.fake_quantize_per_tensor_affine.default(self=%b, scale=1.0, zero_point=0, quant_min=-128, quant_max=127)
    %y: f32[s0{2}, 40] = aten.add.Tensor(self=%p, other=%q)
    output %y
  })text");
  EXPECT_NO_THROW(judge(model, [](const at::Tensor& tensor) { return tensor + 1; }));
  EXPECT_THROW(judge(model, [](const at::Tensor& tensor) { return tensor + 10; }), Error);
  EXPECT_THROW(judge(model, [](const at::Tensor& tensor) { return tensor + 1; }, [](const at::Tensor& tensor) { return tensor + 1; }), Error);
}

TEST(Agreement, CannotJudgeRandomNumbersOneByOne) {
  const auto model = test::text_model(R"text(graph {
    input %x: f32[s0{2}, 4]
    %noise: f32[s0{2}, 4] = aten.rand_like.default(self=%x)
    output %noise
    output %x
  })text");
  EXPECT_NO_THROW(judge(model, [](const at::Tensor& tensor) { return tensor; }));
  EXPECT_THROW(judge(model, [](const at::Tensor& tensor) { return tensor + 1; }), Error) << "the output that is not random";
}

TEST(WithoutQuantizers, IsTheGraphThatWasQuantized) {
  const Model model = quantized_network(), plain = without_quantizers(model), before = test::tiny_residual_cnn(1, {.width = 16, .image = 16});
  const std::vector<at::Tensor> inputs{test::noise({4, 3, 16, 16}, 6)};
  EXPECT_TRUE(observe(plain, inputs).outputs[0].equal(observe(before, inputs).outputs[0]));
  EXPECT_EQ(plain.graph.node_count(), before.graph.node_count());
}

}  // namespace
}  // namespace dsc
