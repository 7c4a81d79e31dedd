// Real networks from the data folder: groups through option-A shortcuts, cut and compared.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "io/pt2.h"
#include "ops/cut_check.h"
#include "support/data_folder.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

class ResNetCifar : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    path_ = test::data_file(std::string("resnet-cifar10/") + GetParam() + "-cifar10.pt2");
    if (!std::filesystem::exists(path_)) GTEST_SKIP() << test::data_missing(path_);
  }
  std::string path_;
};

TEST_P(ResNetCifar, CutEqualsZeroedModel) {
  Model model = read_pt2(path_);
  for (std::uint64_t seed : {1, 2}) test::expect_cut_equals_zeroed(model, 0.3 * static_cast<double>(seed), seed);
}

TEST_P(ResNetCifar, HasOneGroupForEachBlockAndStage) {
  Model model = read_pt2(path_);
  ChannelGroups groups(model);
  std::size_t blocks = std::string(GetParam()) == "resnet20" ? 9 : 27;
  // The stages' 16, 32 and 64 channels overlap through padded shortcuts: 16 + 16 + 32 of them are separate families.
  EXPECT_EQ(groups.groups().size(), blocks + 3) << test::describe(groups);
}

INSTANTIATE_TEST_SUITE_P(Both, ResNetCifar, testing::Values("resnet20", "resnet56"));

TEST(CutTiny, ResidualCnnAndMlpEqualZeroed) {
  for (std::uint64_t seed = 1; seed < 4; ++seed) {
    test::expect_cut_equals_zeroed(test::tiny_residual_cnn(seed), 0.25 * static_cast<double>(seed), seed);
    test::expect_cut_equals_zeroed(test::tiny_mlp(seed), 0.25 * static_cast<double>(seed), seed);
  }
}

TEST(CutTiny, ModelInterfaceIsNeverCut) {
  Model model = test::tiny_mlp();
  ChannelGroups groups(model);
  ASSERT_EQ(groups.groups().size(), 2U) << test::describe(groups);
  for (const ChannelGroup& group : groups.groups()) EXPECT_EQ(group.units.size(), 16U);
  bool input = false, output = false;
  for (const KeptDimension& kept : groups.kept_dimensions()) {
    input |= kept.weight == "fc1.weight" && kept.dim == 1 && kept.reason == "input of the model";
    output |= kept.weight == "fc3.weight" && kept.dim == 0 && kept.reason == "output of the model";
  }
  EXPECT_TRUE(input) << test::describe(groups);
  EXPECT_TRUE(output) << test::describe(groups);
}

}  // namespace
}  // namespace dsc
