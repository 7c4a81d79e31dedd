// Networks at other resolutions than their export's, against PyTorch's outputs on pictures that PyTorch made smaller.
#include "exec/resolutions.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "exec/fixture.h"
#include "ir/verify.h"
#include "ops/cost.h"
#include "support/hybrid_network.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

constexpr PictureSize kOwn{16, 24};

std::vector<at::Tensor> scores_of_pictures(const Model& model, const at::Tensor& pictures) {
  c10::NoGradGuard no_grad;
  return Executor(model, {}).run({pictures});
}

class ResolutionsOf : public testing::TestWithParam<const char*> {};

// One export has open sides; the other's reshapes say 8 x 12 and 96 where smaller pictures have other sizes.
TEST_P(ResolutionsOf, GivePyTorchsScoresOfSmallerPictures) {
  const Model model = test::hybrid_network(GetParam());
  const at::Tensor pictures = test::hybrid_record("input0");
  for (const std::int64_t size : {8, 12, 16}) {
    const Model smaller = at_resolution(model, kOwn, {size, size * 3 / 2});
    EXPECT_TRUE(verify(smaller).empty());
    test::expect_near(scores_of_pictures(smaller, pictures), {test::hybrid_record("size" + std::to_string(size))}, 1e-5);
    for (const Node* node : smaller.graph.nodes()) {  // types say what runs
      if (node->op() != "aten.scaled_dot_product_attention") continue;
      EXPECT_EQ(node->output()->tensor().sizes.at(2), (Dim{size / 2 * (size * 3 / 4), {}}));
    }
  }
}

TEST_P(ResolutionsOf, CostWhatTheirPositionsDo) {
  const Model model = test::hybrid_network(GetParam());
  for (const std::int64_t size : {8, 12, 16}) {
    const std::int64_t half = size / 2, wide = size * 3 / 4, positions = half * wide, quarter = (half + 1) / 2 * ((wide + 1) / 2);
    const double convolutions = static_cast<double>(positions * 4 * 2 * 9 + quarter * 8 * 4 * 9),
                 linear = static_cast<double>(positions * (4 * 12 + 4 * 4) + 8 * 3);
    const double attention = static_cast<double>(2 * positions * positions * 4);
    EXPECT_EQ(model_cost(at_resolution(model, kOwn, {size, size * 3 / 2})).macs, convolutions + linear + attention) << size;
  }
}

TEST_P(ResolutionsOf, OfTheOwnSizeAreTheModelBitForBit) {
  const Model model = test::hybrid_network(GetParam());
  const at::Tensor pictures = test::hybrid_record("input0");
  EXPECT_TRUE(scores_of_pictures(at_resolution(model, kOwn, kOwn), pictures).front().equal(scores_of_pictures(model, pictures).front()));
}

INSTANTIATE_TEST_SUITE_P(, ResolutionsOf, testing::Values("hybrid", "hybrid_fixed"));

TEST(Resolutions, TakeWidthsInProportion) {
  const Resolutions some{.rule = {}, .height = 30, .width = 40, .sizes = {10, 20}};
  EXPECT_EQ(some.all(), (std::vector<PictureSize>{{10, 13}, {20, 27}, {30, 40}}));
  EXPECT_EQ(to_string(some.all().front()), "10 x 13");
}

TEST(Resolutions, AreKeptWithTheModel) {
  Model model = test::tiny_residual_cnn();
  EXPECT_FALSE(resolutions_of(model));
  set_resolutions(model, {.rule = {ExitCriterion::entropy, 0.25}, .height = 8, .width = 8, .sizes = {4}});
  const auto found = resolutions_of(model);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rule.threshold, 0.25);
  EXPECT_EQ(found->all(), (std::vector<PictureSize>{{4, 4}, {8, 8}}));
  model.archive.extra_files["resolutions.json"] = "{}";
  EXPECT_EQ(test::error_of([&] { resolutions_of(model); }).code(), ErrorCode::model_file);
}

// max_pool2d and a reshape to 32 numbers in front of a linear layer.
TEST(Resolutions, OfAFixedNetworkAreRefusedWithThePlaceAndTheRemedy) {
  const Model model = test::Fixture("residual").model;
  const Error error = test::error_of([&] { at_resolution(model, {8, 8}, {4, 4}); });
  EXPECT_EQ(error.code(), ErrorCode::unsupported);
  ASSERT_EQ(error.problems().size(), 1U);
  EXPECT_NE(std::string(error.what()).find("cannot run at several resolutions: at 4 x 4 pixels"), std::string::npos) << error.what();
  EXPECT_NE(error.problems().front().hint.find("--dynamic batch,height,width"), std::string::npos);
}

TEST(Resolutions, NeedOneInputOfPictures) {
  EXPECT_EQ(picture_input(test::Fixture("encoder").model.graph), nullptr);
  EXPECT_EQ(picture_input(test::tiny_mlp().graph), nullptr);
  const Model cnn = test::tiny_residual_cnn(), open = test::hybrid_network("hybrid");
  EXPECT_EQ(fixed_size(*picture_input(cnn.graph)), (PictureSize{8, 8}));
  EXPECT_EQ(fixed_size(*picture_input(open.graph)), (PictureSize{0, 0}));
}

TEST(Resolutions, OfAFixedBatchAreRefused) {
  Model model = test::tiny_residual_cnn();
  set_resolutions(model, {.rule = {}, .height = 8, .width = 8, .sizes = {4}});
  Value* pictures = model.graph.find_value("x");
  TensorType type = pictures->tensor();
  type.sizes.front() = {2, ""};
  model.graph.set_type(pictures, type);
  EXPECT_NE(std::string(test::error_of([&] { resolution_stages(model); }).what()).find("exported for 2 examples at a time"), std::string::npos);
}

}  // namespace
}  // namespace dsc
