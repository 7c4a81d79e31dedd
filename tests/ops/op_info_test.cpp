#include "ops/op_info.h"

#include <gtest/gtest.h>

#include <set>
#include <string_view>

#include "ops/channel_groups.h"
#include "ops/text_model.h"

namespace dsc {
namespace {

TEST(OpInfo, EveryOperatorHasOneRow) {
  std::set<std::string_view> names;
  for (const auto& family : {attention_ops(), conv_ops(), create_ops(), elementwise_ops(), index_ops(), join_ops(), linear_ops(), norm_ops(),
                             pool_ops(), recurrent_ops(), reduce_ops(), shape_ops(), view_ops()}) {
    for (const OpInfo& info : family) EXPECT_TRUE(names.insert(info.op).second) << info.op;
  }
}

TEST(OpInfo, TraitsAreOfTheOperatorUnlessAnyFormIsAskedFor) {
  const Model model = test::text_model(R"(
  input %x: f32[s0{2}, 3]
  %a: f32[] = aten.relu_.default(self=%x)
  output %a
)");
  const Node& in_place = *model.graph.nodes().front();
  EXPECT_FALSE(traits_of(in_place).is_homogeneous);
  EXPECT_TRUE(traits_in_any_form(in_place).is_homogeneous);
  EXPECT_TRUE(traits_named("aten.relu").is_homogeneous);
  EXPECT_FALSE(traits_named("aten.unheard_of").is_homogeneous);
}

// An operator that only some analyses know about keeps all channels, and is said to be unknown, as one without a row is.
TEST(OpInfo, ARowWithoutTiesKeepsChannels) {
  const Model model = test::text_model(R"(
  param %w1 "a.weight": f32[6, 3]
  param %w2 "b.weight": f32[5, 6]
  buffer %i "i": i64[4]
  input %x: f32[s0{2}, 3]
  %a: f32[] = aten.linear.default(input=%x, weight=%w1)
  %b: f32[] = aten.index_fill.int_Scalar(self=%a, dim=1, index=%i, value=0)
  %y: f32[] = aten.linear.default(input=%b, weight=%w2)
  output %y
)");
  const ChannelGroups groups(model);
  EXPECT_TRUE(groups.groups().empty());
  ASSERT_EQ(groups.unknown_operators().size(), 1U);
  EXPECT_EQ(groups.unknown_operators().front()->op(), "aten.index_fill");
}

}  // namespace
}  // namespace dsc
