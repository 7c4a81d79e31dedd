// Oracle: PyTorch's own optimisers, recorded by scripts/fixtures/optimizers.py.
#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "dscompress/error.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

struct Recorded {
  nlohmann::json json;
  Recorded() { std::ifstream(DSC_SOURCE_DIR "/tests/fixtures/optimizers.json") >> json; }

  // The two tensors [3, 2] and [4] from ten numbers.
  static std::vector<at::Tensor> tensors(const nlohmann::json& numbers) {
    const auto all = at::tensor(numbers.get<std::vector<double>>(), at::kDouble).to(at::kFloat);
    return {all.slice(0, 0, 6).reshape({3, 2}).clone(), all.slice(0, 6, 10).clone()};
  }
  std::vector<at::Tensor> parameters() const {
    auto made = tensors(json.at("start"));
    for (auto& tensor : made) tensor.set_requires_grad(true);
    return made;
  }
  void set_gradients(std::vector<at::Tensor>& parameters, std::size_t step) const {
    const auto values = tensors(json.at("gradients").at(step));
    for (std::size_t i = 0; i < 2; ++i) parameters[i].mutable_grad() = values[i];
  }
};

struct Case {
  const char* name;
  OptimizerConfig config;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class OptimizerEqualsTorch : public testing::TestWithParam<Case> {};

TEST_P(OptimizerEqualsTorch, AfterSixSteps) {
  const Recorded recorded;
  auto parameters = recorded.parameters();
  Optimizer optimizer(GetParam().config, {"a", "b"});
  for (std::size_t step = 0; step < 6; ++step) {
    recorded.set_gradients(parameters, step);
    optimizer.step(parameters, optimizer.base_lr());
  }
  const auto expected = Recorded::tensors(recorded.json.at("optimizers").at(GetParam().name));
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(at::allclose(parameters[i].detach(), expected[i], 1e-6, 1e-7)) << parameters[i] << expected[i];
    EXPECT_FALSE(parameters[i].grad().defined());
  }
}

TEST_P(OptimizerEqualsTorch, WhenSavedAndLoadedHalfWay) {
  const Recorded recorded;
  auto parameters = recorded.parameters(), others = recorded.parameters();
  Optimizer whole(GetParam().config, {"a", "b"}), first(GetParam().config, {"a", "b"}), second(GetParam().config, {"a", "b"});
  for (std::size_t step = 0; step < 6; ++step) {
    recorded.set_gradients(parameters, step);
    recorded.set_gradients(others, step);
    whole.step(parameters, whole.base_lr());
    if (step == 3) {
      OptimizerState copy;
      for (const auto& [key, tensor] : first.state()) copy[key] = tensor.clone();
      second.load(copy);
    }
    (step < 3 ? first : second).step(others, whole.base_lr());
  }
  for (std::size_t i = 0; i < 2; ++i) EXPECT_TRUE(parameters[i].equal(others[i]));
}

INSTANTIATE_TEST_SUITE_P(, OptimizerEqualsTorch, testing::Values(
    Case{"sgd plain", Sgd{.lr = 0.1, .momentum = 0, .weight_decay = 0}},
    Case{"sgd momentum", Sgd{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01}},
    Case{"sgd nesterov", Sgd{.lr = 0.05, .momentum = 0.8, .weight_decay = 0.01, .nesterov = true}},
    Case{"adam", Adam{.lr = 0.01, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-6, .weight_decay = 0.02}},
    Case{"adamw", AdamW{.lr = 0.01, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1}}));

TEST(Optimizer, LeavesOneDimensionalParametersUndecayedOnRequest) {
  auto matrix = at::ones({2, 2}).set_requires_grad(true), vector = at::ones({2}).set_requires_grad(true);
  for (auto& tensor : {matrix, vector}) tensor.mutable_grad() = at::zeros_like(tensor);
  Optimizer optimizer(Sgd{.lr = 1, .momentum = 0, .weight_decay = 0.25, .decay_1d = false}, {"matrix", "vector"});
  optimizer.step(std::vector<at::Tensor>{matrix, vector}, 1);
  EXPECT_TRUE(matrix.equal(at::full({2, 2}, 0.75)));
  EXPECT_TRUE(vector.equal(at::ones({2})));
}

TEST(Optimizer, LeavesParametersWithoutGradientAlone) {
  auto used = at::ones({2}).set_requires_grad(true), unused = at::ones({2}).set_requires_grad(true);
  used.mutable_grad() = at::ones({2});
  Optimizer optimizer(AdamW{.weight_decay = 0.5}, {"used", "unused"});
  optimizer.step(std::vector<at::Tensor>{used, unused}, 0.1);
  EXPECT_FALSE(used.equal(at::ones({2})));
  EXPECT_TRUE(unused.equal(at::ones({2})));
  EXPECT_FALSE(optimizer.state().contains("steps/unused"));
}

TEST(Optimizer, StepsWeightsInNhwcMemoryLikeContiguousOnes) {
  const auto start = test::noise({4, 3, 3, 3}, 1), gradient = test::noise({4, 3, 3, 3}, 2);
  for (const OptimizerConfig& config : {OptimizerConfig(Sgd{}), OptimizerConfig(AdamW{})}) {
    auto plain = start.clone().set_requires_grad(true);
    auto nhwc = start.clone(at::MemoryFormat::ChannelsLast).set_requires_grad(true);
    Optimizer a(config, {"w"}), b(config, {"w"});
    for (int step = 0; step < 3; ++step) {
      plain.mutable_grad() = gradient.clone();
      nhwc.mutable_grad() = gradient.clone();  // laid out unlike its parameter
      a.step({plain}, 0.1);
      b.step({nhwc}, 0.1);
    }
    EXPECT_TRUE(at::allclose(plain, nhwc, 1e-6, 1e-7));  // the vector code's remainder falls on other elements
  }
}

TEST(Optimizer, StateFollowsCutParameters) {
  auto weight = test::noise({4, 3}, 1).set_requires_grad(true), bias = test::noise({4}, 2).set_requires_grad(true);
  Optimizer optimizer(AdamW{}, {"fc.weight", "fc.bias"});
  weight.mutable_grad() = test::noise({4, 3}, 3);
  bias.mutable_grad() = test::noise({4}, 4);
  optimizer.step(std::vector<at::Tensor>{weight, bias}, 0.1);
  auto state = optimizer.state();
  const auto before = state.at("exp_avg/fc.weight");
  keep_state(state, "fc.weight", 0, {0, 2});
  keep_state(state, "fc.weight", 1, {1});
  keep_state(state, "fc.bias", 0, {0, 2});
  EXPECT_TRUE(state.at("exp_avg/fc.weight").equal(at::stack({before[0][1], before[2][1]}).reshape({2, 1})));
  EXPECT_EQ(state.at("exp_avg_sq/fc.bias").sizes(), (std::vector<std::int64_t>{2}));
  EXPECT_EQ(state.at("steps/fc.weight").item<double>(), 1);

  auto cut = at::ones({2, 1}).set_requires_grad(true), cut_bias = at::ones({2}).set_requires_grad(true);
  Optimizer next(AdamW{}, {"fc.weight", "fc.bias"});
  next.load(state);
  cut.mutable_grad() = at::ones({2, 1});
  cut_bias.mutable_grad() = at::ones({2});
  next.step(std::vector<at::Tensor>{cut, cut_bias}, 0.1);
  EXPECT_EQ(next.state().at("steps/fc.weight").item<double>(), 2);
}

TEST(Optimizer, RefusesStateOfAnotherShapeOrName) {
  auto weight = at::ones({4, 3}).set_requires_grad(true);
  weight.mutable_grad() = at::ones({4, 3});
  Optimizer optimizer(Sgd{}, {"w"});
  optimizer.load({{"momentum/w", at::zeros({2, 3})}});
  EXPECT_THROW(optimizer.step(std::vector<at::Tensor>{weight}, 0.1), Error);
  EXPECT_THROW(optimizer.load({{"momentum/other", at::zeros({2})}}), Error);
  EXPECT_THROW(optimizer.load({{"exp_avg/w", at::zeros({2})}}), Error);
}

TEST(ClipGradients, EqualsTorch) {
  const Recorded recorded;
  const double limits[] = {0.5, 100};
  for (std::size_t i = 0; i < 2; ++i) {
    auto parameters = recorded.parameters();
    recorded.set_gradients(parameters, 0);
    clip_gradients(parameters, limits[i]);
    const auto expected = Recorded::tensors(recorded.json.at("clipped").at(i));
    for (std::size_t p = 0; p < 2; ++p) EXPECT_TRUE(at::allclose(parameters[p].grad(), expected[p], 1e-6, 1e-7));
  }
}

}  // namespace
}  // namespace dsc
