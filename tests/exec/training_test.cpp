// Training through the executor against recorded steps of PyTorch.
#include <ATen/ATen.h>

#include "exec/executor.h"
#include "exec/fixture.h"

namespace dsc {
namespace {

using test::error_of;
using test::Fixture;
using test::model_of;
using test::relative_error;

at::Tensor loss_of(const at::Tensor& output, const at::Tensor& target) {
  return at::cross_entropy_loss(output.flatten(0, -2), target);
}

// torch.optim.SGD(lr=0.1, momentum=0.9).
class PlainSgd {
 public:
  void step(Executor& executor) {
    const at::NoGradGuard no_grad;
    for (const std::string& name : executor.parameter_names()) {
      at::Tensor weight = executor.weight(name);
      auto [momentum, first] = momentum_.emplace(name, weight.grad().clone());
      if (!first) momentum->second.mul_(0.9).add_(weight.grad());
      weight.add_(momentum->second, -0.1);
      weight.mutable_grad().reset();
    }
  }

 private:
  std::map<std::string, at::Tensor> momentum_;
};

class TrainingFixture : public testing::TestWithParam<std::tuple<const char*, bool>> {};

TEST_P(TrainingFixture, TwoStepsEqualPyTorchs) {
  const auto [name, channels_last] = GetParam();
  Fixture fixture(name);
  Executor executor(fixture.model, {.training = true, .channels_last = channels_last});
  PlainSgd sgd;
  at::manual_seed(7);  // of dropout, as recorded
  for (int step = 0; step < 2; ++step) {
    const auto loss = loss_of(executor.run(fixture.list("input")).front(), fixture.get("train.target"));
    EXPECT_LE(relative_error(loss.detach(), fixture.get("train.loss" + std::to_string(step))), 1e-5) << step;
    loss.backward();
    sgd.step(executor);
  }
  executor.store_weights(fixture.model);
  for (const auto& [weight, expected] : fixture.starting_with("train.weight.")) {
    EXPECT_LE(relative_error(fixture.model.weights.get(weight), expected), 1e-5) << weight;
  }
}

INSTANTIATE_TEST_SUITE_P(Training, TrainingFixture,
                         testing::Values(std::tuple{"residual", false}, std::tuple{"encoder", false}, std::tuple{"decoder", false}));

// The dropout mask follows memory order, so the recorded steps hold for contiguous memory; NHWC is compared without it.
TEST(Training, ChannelsLastGivesTheSameGradients) {
  const Fixture fixture("residual");
  std::map<std::string, at::Tensor> gradients;
  for (const bool channels_last : {false, true}) {
    Executor executor(fixture.model, {.channels_last = channels_last, .record_gradients = true});
    loss_of(executor.run(fixture.list("input")).front(), fixture.get("train.target")).backward();
    for (const std::string& name : executor.parameter_names()) {
      const at::Tensor gradient = executor.weight(name).grad();
      const auto [first, added] = gradients.emplace(name, gradient);
      if (!added) {
        EXPECT_LE(relative_error(gradient, first->second), 1e-5) << name;
      }
    }
  }
  EXPECT_EQ(gradients.size(), 8U);
}

TEST(Training, EveryParameterGetsAGradient) {
  for (const char* name : {"residual", "encoder", "decoder"}) {
    const Fixture fixture(name);
    Executor executor(fixture.model, {.training = true, .autocast = ScalarType::bf16});
    loss_of(executor.run(fixture.list("input")).front().to(at::kFloat), fixture.get("train.target")).backward();
    for (const std::string& parameter : executor.parameter_names()) {
      const at::Tensor gradient = executor.weight(parameter).grad();
      ASSERT_TRUE(gradient.defined()) << parameter;
      EXPECT_EQ(gradient.scalar_type(), at::kFloat);
      EXPECT_TRUE(at::isfinite(gradient).all().item<bool>()) << parameter;
    }
  }
}

TEST(Training, SharesItsTensorsWithTheModel) {
  const Fixture fixture("residual");
  Executor executor(fixture.model, {.training = true});
  const at::Tensor mean = fixture.model.weights.get("bn1.running_mean").clone();
  executor.run(fixture.list("input"));
  EXPECT_FALSE(at::equal(fixture.model.weights.get("bn1.running_mean"), mean));
  {
    const at::NoGradGuard no_grad;
    executor.weight("linear.bias").fill_(5);
  }
  EXPECT_TRUE(at::equal(fixture.model.weights.get("linear.bias"), at::full({5}, 5.0F)));
  EXPECT_FALSE(fixture.model.weights.get("linear.bias").requires_grad());
}

TEST(Training, FrozenBatchNormKeepsItsStatistics) {
  const Fixture fixture("residual");
  Executor executor(fixture.model, {.training = true, .freeze_batch_norm = true});
  const at::Tensor mean = fixture.model.weights.get("bn1.running_mean").clone();
  executor.run(fixture.list("input"));
  EXPECT_TRUE(at::equal(fixture.model.weights.get("bn1.running_mean"), mean));
}

TEST(Training, DropsOnlyInTraining) {
  const Model model = model_of(R"text(graph {
  input %x: f32[1000]
  %a: f32[1000] = aten.dropout.default(input=%x, p=0.5, train=false)
  %b: f32[1000] = aten.dropout.default(input=%x, p=0.5, train=true)
  output %a
  output %b
}
)text");
  for (const bool training : {false, true}) {
    Executor executor(model, {.training = training});
    for (const at::Tensor& output : executor.run({at::ones({1000})})) {
      EXPECT_EQ((output == 0).any().item<bool>(), training);
    }
  }
}

TEST(Training, BatchNormWithoutStatisticsAlwaysUsesTheBatchs) {
  const Model model = model_of(R"text(graph {
  input %x: f32[4, 2]
  %a: f32[4, 2] = aten.batch_norm.default(input=%x, weight=None, bias=None, running_mean=None, running_var=None, training=true, momentum=0.1, eps=1e-05, cudnn_enabled=false)
  output %a
}
)text");
  Executor executor(model, {});
  EXPECT_LE(executor.run({at::arange(8).view({4, 2}).to(at::kFloat)}).front().mean().abs().item<float>(), 1e-5F);
}

TEST(Training, TiedParametersAreOneLeaf) {
  const at::Tensor shared = at::ones({3});
  const Model model = model_of(R"text(graph {
  param %a "a.weight": f32[3] grad
  param %b "b.weight": f32[3] grad
  input %x: f32[3]
  %p: f32[3] = aten.mul.Tensor(self=%x, other=%a)
  %q: f32[3] = aten.mul.Tensor(self=%p, other=%b)
  output %q
}
)text", [&](const std::string&, at::IntArrayRef) { return shared; });
  Executor executor(model, {.training = true});
  EXPECT_EQ(executor.parameter_names(), std::vector<std::string>{"a.weight"});
  executor.run({at::ones({3})}).front().sum().backward();
  EXPECT_TRUE(at::equal(executor.weight("b.weight").grad(), at::full({3}, 2.0F)));
}

TEST(Training, WritesThroughAliasesAsPyTorchDoes) {
  // y = (x * w); y[:, 0] *= 3 in place; the gradient passes through the write.
  const Model model = model_of(R"text(graph {
  param %w "w": f32[2] grad
  input %x: f32[3, 2]
  %y: f32[3, 2] = aten.mul.Tensor(self=%x, other=%w)
  %column: f32[3] = aten.select.int(self=%y, dim=1, index=0)
  %written: f32[3] = aten.mul_.Tensor(self=%column, other=3)
  output %y
}
)text");
  Executor executor(model, {.training = true});
  const auto output = executor.run({at::ones({3, 2})}).front();
  EXPECT_TRUE(at::equal(output.detach()[0], at::tensor({3.0F, 1.0F})));
  output.sum().backward();
  EXPECT_TRUE(at::equal(executor.weight("w").grad(), at::tensor({9.0F, 3.0F})));
}

TEST(Training, InPlaceOnAParameterFailsAsInPyTorch) {
  const Model model = model_of(R"text(graph {
  param %w "w": f32[2] grad
  input %x: f32[2]
  %v: f32[2] = aten.mul_.Tensor(self=%w, other=3)
  %y: f32[2] = aten.mul.Tensor(self=%x, other=%v)
  output %y
}
)text");
  Executor executor(model, {.training = true});
  const Error error = error_of([&] { executor.run({at::ones({2})}); });
  EXPECT_NE(error.to_text().find("leaf Variable"), std::string::npos) << error.to_text();
  EXPECT_NE(error.to_text().find("%v"), std::string::npos);
}

TEST(Training, RegionsWithoutGradientsAreHonoured) {
  const Model model = model_of(R"text(graph {
  region set_grad(false) "no_grad"
  param %w "w": f32[2] grad
  input %x: f32[2]
  %a: f32[2] = aten.mul.Tensor(self=%x, other=%w) in r0
  %b: f32[2] = aten.mul.Tensor(self=%a, other=%w)
  output %b
}
)text");
  Executor executor(model, {.training = true});
  executor.run({at::ones({2})}).front().sum().backward();
  EXPECT_TRUE(at::equal(executor.weight("w").grad(), at::ones({2})));  // 2 with the first product
}

}  // namespace
}  // namespace dsc
