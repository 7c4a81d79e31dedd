#include "io/pt2.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace dsc {
namespace {

std::string shared_data(const std::string& name) {
  const char* folder = std::getenv("DSCOMPRESS_DATA");
  return (folder ? std::string(folder) : std::string(DSC_SOURCE_DIR "/../shared/data")) + "/" + name;
}

TEST(ReadPt2, ReadsResNetWithItsNamesAndShapes) {
  const auto path = shared_data("resnet-cifar10/resnet20-cifar10.pt2");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const auto model = read_pt2(path);
  const auto* weight = model.graph.find_weight("conv1.weight");
  ASSERT_NE(weight, nullptr);
  EXPECT_EQ(weight->tensor().sizes.size(), 4u);
  EXPECT_TRUE(model.weights.has("linear.bias"));
  ASSERT_EQ(model.graph.outputs().size(), 1u);
  const auto nodes = model.graph.nodes();
  EXPECT_EQ(nodes.back()->target(), "aten.linear.default");
  EXPECT_EQ(nodes.back()->module_path(), "linear");
  const auto& input = model.graph.inputs().back();
  EXPECT_EQ(input.kind, InputKind::user);
  EXPECT_EQ(input.target, "x");
  EXPECT_FALSE(input.value->tensor().sizes[0].is_fixed());
}

TEST(ReadPt2, FlattensSubGraphsIntoRegions) {
  const auto path = shared_data("stories260k/stories260k.pt2");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const auto model = read_pt2(path);
  for (const auto* node : model.graph.nodes()) EXPECT_EQ(node->target().find("higher_order"), std::string::npos);
}

}  // namespace
}  // namespace dsc
