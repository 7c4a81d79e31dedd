#include "ops/joined_grids.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "ir/text.h"

namespace dsc {
namespace {

using Names = std::vector<std::string>;

// Value name -> nodes that take its quantised form, then the values whose ranges its grid holds.
std::map<std::string, std::pair<Names, Names>> joined(Graph& graph) {
  const QuantPlacement placement = place_quantizers(graph);
  std::map<std::string, std::pair<Names, Names>> out;
  for (const JoinedQuantizer& one : join_grids(graph, placement)) {
    auto& [users, ranges] = out[one.quantizer.value->name()];
    for (const Use& use : one.quantizer.uses) users.push_back(use.node->name());
    for (const std::size_t i : one.ranges) ranges.push_back(placement.activations[i].value->name());
  }
  return out;
}

std::string graph_of(const std::string& body) {
  return "graph {\n  param %w \"w\": f32[8, 8, 3, 3]\n  param %v \"v\": f32[8, 4, 3, 3]\n  param %u \"u\": f32[4, 16, 1, 1]\n  input %x: f32[2, 8, "
         "8, 8]\n"
         "  %a: f32[2, 8, 8, 8] = aten.conv2d.default(input=%x, weight=%w, bias=None, stride=[1, 1], padding=[1, 1])\n"
         "  %s: f32[2, 8, 8, 8] = aten.silu.default(self=%a)\n" +
         body + "}";
}

// A split whose second part goes through a convolution and into the concatenation as well.
TEST(JoinedGrids, ASplitOfWhatIsConcatenatedIsQuantisedBeforeIt) {
  Graph graph = parse_graph(graph_of(R"text(
  [%p: f32[2, 4, 8, 8], %q: f32[2, 4, 8, 8]] = aten.chunk.default(self=%s, chunks=2, dim=1)
  %c: f32[2, 8, 8, 8] = aten.conv2d.default(input=%q, weight=%v, bias=None, stride=[1, 1], padding=[1, 1])
  %t: f32[2, 8, 8, 8] = aten.silu.default(self=%c)
  %j: f32[2, 16, 8, 8] = aten.cat.default(tensors=[%p, %q, %t], dim=1)
  %y: f32[2, 4, 8, 8] = aten.conv2d.default(input=%j, weight=%u, bias=None, stride=[1, 1])
  output %y
)text"));
  const auto found = joined(graph);
  EXPECT_EQ(found.size(), 3U) << "x, s, t";
  EXPECT_EQ(found.at("s"), (std::pair<Names, Names>{{"p"}, {"q", "j"}}));
  EXPECT_EQ(found.at("t"), (std::pair<Names, Names>{{"j"}, {"q", "j"}}));
  EXPECT_EQ(found.at("x").second, (Names{"x"}));
}

TEST(JoinedGrids, ReachOverPoolingAndEnlarging) {
  Graph graph = parse_graph(graph_of(R"text(
  %m: f32[2, 8, 8, 8] = aten.max_pool2d.default(self=%s, kernel_size=[5, 5], stride=[1, 1], padding=[2, 2])
  %n: f32[2, 8, 8, 8] = aten.max_pool2d.default(self=%m, kernel_size=[5, 5], stride=[1, 1], padding=[2, 2])
  %j: f32[2, 16, 8, 8] = aten.cat.default(tensors=[%m, %n], dim=1)
  %y: f32[2, 4, 8, 8] = aten.conv2d.default(input=%j, weight=%u, bias=None, stride=[1, 1])
  output %y
)text"));
  const auto found = joined(graph);
  EXPECT_EQ(found.size(), 2U);
  EXPECT_EQ(found.at("s"), (std::pair<Names, Names>{{"m"}, {"j"}}));
}

// The other half is not measured, and might lie outside of the grid.
TEST(JoinedGrids, LeaveASplitWhoseOtherHalfIsNotQuantised) {
  Graph graph = parse_graph(graph_of(R"text(
  [%p: f32[2, 4, 8, 8], %q: f32[2, 4, 8, 8]] = aten.chunk.default(self=%s, chunks=2, dim=1)
  %e: f32[2, 4, 8, 8] = aten.exp.default(self=%q)
  %c: f32[2, 8, 8, 8] = aten.conv2d.default(input=%e, weight=%v, bias=None, stride=[1, 1], padding=[1, 1])
  %j: f32[2, 12, 8, 8] = aten.cat.default(tensors=[%p, %c], dim=1)
  %k: f32[2, 16, 8, 8] = aten.cat.default(tensors=[%j, %p], dim=1)
  %y: f32[2, 4, 8, 8] = aten.conv2d.default(input=%k, weight=%u, bias=None, stride=[1, 1])
  output %y
)text"));
  const auto found = joined(graph);
  EXPECT_FALSE(found.contains("s"));
  EXPECT_EQ(found.at("p").second, (Names{"k"}));
}

TEST(JoinedGrids, LeaveAConcatenationThatIsAnOutputToo) {
  Graph graph = parse_graph(graph_of(R"text(
  %j: f32[2, 16, 8, 8] = aten.cat.default(tensors=[%s, %a], dim=1)
  %y: f32[2, 4, 8, 8] = aten.conv2d.default(input=%j, weight=%u, bias=None, stride=[1, 1])
  output %y
  output %j
)text"));
  EXPECT_TRUE(joined(graph).contains("j"));
}

}  // namespace
}  // namespace dsc
