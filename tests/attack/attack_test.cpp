// Attacks through a graph against the same network in plain PyTorch, from the same starts (scripts/make_robustness_fixtures.py).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "attack/adversary.h"
#include "core/file.h"
#include "support/error_of.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

using test::error_of, test::ModelBuilder;

class RecordedAttack : public testing::Test {
 protected:
  void SetUp() override {
    const auto json = nlohmann::json::parse(read_file(DSC_SOURCE_DIR "/tests/fixtures/robustness.json")).at("attacks");
    sizes_ = json.at("shape").get<std::vector<std::int64_t>>();
    const auto pixels = at::tensor(json.at("pictures").get<std::vector<float>>()).reshape(sizes_);
    info_.pixels = PixelScale{json.at("mean").get<std::vector<float>>(), json.at("std").get<std::vector<float>>()};
    info_.classes = json.at("classes").get<std::int64_t>();
    info_.inputs = {TensorType{.dtype = ScalarType::f32, .sizes = {Dim{sizes_[1]}, Dim{sizes_[2]}, Dim{sizes_[3]}}}};
    mean_ = at::tensor(info_.pixels->mean).reshape({-1, 1, 1});
    std_ = at::tensor(info_.pixels->std).reshape({-1, 1, 1});
    clean_ = pixels / 255;
    batch_.inputs = {(clean_ - mean_) / std_};
    batch_.target = at::tensor(json.at("labels").get<std::vector<std::int64_t>>());
    for (std::int64_t i = 0; i < sizes_[0]; ++i) batch_.indices.push_back(i);
    seed_ = json.at("seed").get<std::uint64_t>();
    results_ = json.at("results");
    build(json.at("weights"));
  }

  void build(const nlohmann::json& weights) {
    const auto flat = 4 * sizes_[2] * sizes_[3];
    ModelBuilder builder(1);
    const auto recorded = [&](const std::string& name, std::vector<std::int64_t> sizes) {
      return builder.weight(InputKind::parameter, "p_", name, at::tensor(weights.at(name).get<std::vector<float>>()).reshape(sizes));
    };
    auto* x = builder.input("x", {sizes_[1], sizes_[2], sizes_[3]});
    const IntList one{std::int64_t{1}, std::int64_t{1}};
    x = builder.node("aten.conv2d.default",
                     {{"input", x}, {"weight", recorded("conv.weight", {4, sizes_[1], 3, 3})}, {"bias", recorded("conv.bias", {4})}, {"stride", one}, {"padding", one}},
                     {4, sizes_[2], sizes_[3]});
    x = builder.node("aten.flatten.using_ints", {{"self", builder.relu(x)}, {"start_dim", std::int64_t{1}}}, {flat});
    model_ = builder.finish(builder.node("aten.linear.default", {{"input", x}, {"weight", recorded("fc.weight", {*info_.classes, flat})}, {"bias", recorded("fc.bias", {*info_.classes})}}, {*info_.classes}));
  }

  // In [0, 1], as recorded.
  at::Tensor attacked(const Attack& attack) {
    Adversary adversary(model_.graph, model_.weights, info_, attack, "cpu");
    return adversary.inputs(batch_, seed_).at(0) * std_ + mean_;
  }
  void expect_recorded(const Attack& attack) {
    const auto expected = at::tensor(results_.at(name_of(attack)).get<std::vector<float>>()).reshape(sizes_);
    EXPECT_LT((attacked(attack) - expected).abs().max().item<double>(), 1e-5);
  }

  std::vector<std::int64_t> sizes_;
  DatasetInfo info_;
  at::Tensor mean_, std_, clean_;
  Batch batch_;
  std::uint64_t seed_ = 0;
  nlohmann::json results_;
  Model model_;
};

TEST_F(RecordedAttack, FgsmEqualsPyTorch) { expect_recorded(Fgsm{.epsilon = 8}); }
TEST_F(RecordedAttack, PgdEqualsPyTorch) { expect_recorded(Pgd{.epsilon = 8, .step_size = 2, .steps = 5}); }
TEST_F(RecordedAttack, AutoPgdEqualsItsAuthorsAlgorithm) { expect_recorded(AutoPgd{.epsilon = 8, .steps = 30}); }

TEST_F(RecordedAttack, KeepsTheBudgetInPixelsAndValidValues) {
  for (const Attack& attack : {Attack(Fgsm{.epsilon = 20}), Attack(Pgd{.epsilon = 20, .step_size = 7}), Attack(AutoPgd{.epsilon = 20, .steps = 20})}) {
    const auto pictures = attacked(attack);
    EXPECT_LT(((pictures - clean_).abs().max() * 255).item<double>(), 20.001) << name_of(attack);
    EXPECT_GT(((pictures - clean_).abs().max() * 255).item<double>(), 19) << name_of(attack);
    EXPECT_GE(pictures.min().item<double>(), -1e-6);
    EXPECT_LE(pictures.max().item<double>(), 1 + 1e-6);
  }
  EXPECT_LT((attacked(Pgd{.epsilon = 0}) - clean_).abs().max().item<double>(), 1e-6);
}

// Of one example, whatever batch it is in; rows that fill a fixed batch up stay.
TEST_F(RecordedAttack, AnExampleIsAttackedAlikeInEveryBatch) {
  const auto whole = attacked(Pgd{});
  batch_.inputs = {batch_.inputs[0].narrow(0, 3, 3).clone()};
  batch_.target = batch_.target.narrow(0, 3, 2).clone();
  batch_.indices = {3, 4};
  batch_.filler = 1;
  const auto part = attacked(Pgd{});
  EXPECT_EQ(part.size(0), 3);
  EXPECT_LT((part.narrow(0, 0, 2) - whole.narrow(0, 3, 2)).abs().max().item<double>(), 1e-5);
  EXPECT_LT((part[2] - clean_[5]).abs().max().item<double>(), 1e-6);
}

TEST_F(RecordedAttack, MoreStepsRaiseTheLoss) {
  Executor executor(model_, {});
  const auto loss = [&](const at::Tensor& pictures) { return at::cross_entropy_loss(executor.run({(pictures - mean_) / std_}).at(0), batch_.target).item<double>(); };
  const double clean = loss(clean_), one = loss(attacked(Pgd{.steps = 1, .random_start = false})), ten = loss(attacked(Pgd{.steps = 10, .random_start = false}));
  EXPECT_GT(one, clean);
  EXPECT_GT(ten, one);
  EXPECT_GT(loss(attacked(AutoPgd{.steps = 30})), clean);
}

// Straight through a quantiser: inside its range the gradient is that of the network without it.
TEST_F(RecordedAttack, GradientsPassQuantisers) {
  ModelBuilder builder(1);
  auto* x = builder.input("x", {3, 6, 6});
  auto* quantised = builder.node("aten.fake_quantize_per_tensor_affine.default",
                                 {{"self", x}, {"scale", 0.05}, {"zero_point", std::int64_t{128}}, {"quant_min", std::int64_t{0}}, {"quant_max", std::int64_t{255}}}, {3, 6, 6});
  auto* flat = builder.node("aten.flatten.using_ints", {{"self", quantised}, {"start_dim", std::int64_t{1}}}, {108});
  model_ = builder.finish(builder.linear(flat, "fc", 108, 3));
  const auto pictures = attacked(Fgsm{.epsilon = 8});
  // Of a linear network the loss's gradient is (softmax - one hot) times the weights.
  const auto weight = model_.weights.get("fc.weight");
  const auto seen = at::fake_quantize_per_tensor_affine((clean_ - mean_) / std_, 0.05, 128, 0, 255).flatten(1);
  const auto slope = (at::softmax(at::linear(seen, weight), 1) - at::one_hot(batch_.target, 3)).matmul(weight).reshape(clean_.sizes());
  EXPECT_LT((pictures - (clean_ + 8.0 / 255 * slope.sign()).clamp(0, 1)).abs().max().item<double>(), 1e-5);
}

TEST_F(RecordedAttack, AGraphWithoutGradientsIsRefusedWithTheWayOut) {
  ModelBuilder builder(1);
  auto* rounded = builder.node("aten.round.default", {{"self", builder.input("x", {3, 6, 6})}}, {3, 6, 6});
  auto* flat = builder.node("aten.flatten.using_ints", {{"self", rounded}, {"start_dim", std::int64_t{1}}}, {108});
  model_ = builder.finish(builder.linear(flat, "fc", 108, 3));
  const auto error = error_of([&] { attacked(Fgsm{}); });
  EXPECT_EQ(error.code(), ErrorCode::unsupported);
  EXPECT_NE(std::string(error.what()).find("no gradient reaches the pictures"), std::string::npos) << error.what();
  EXPECT_NE(std::string(error.what()).find("gradients_of: base"), std::string::npos) << error.what();
}

TEST_F(RecordedAttack, DataThatCannotBeAttackedIsNamed) {
  EXPECT_FALSE(problem_with_attack("pgd", info_));
  auto info = info_;
  info.pixels.reset();
  EXPECT_NE(problem_with_attack("pgd", info)->message.find("holds no pictures"), std::string::npos);
  info.inputs[0].dtype = ScalarType::u8;
  EXPECT_NE(problem_with_attack("pgd", info)->message.find("as integers (u8)"), std::string::npos);
  info = info_;
  info.classes.reset();
  EXPECT_NE(problem_with_attack("pgd", info)->message.find("no class labels"), std::string::npos);
}

}  // namespace
}  // namespace dsc
