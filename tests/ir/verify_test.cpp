#include "ir/verify.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include "ir/text.h"

namespace dsc {
namespace {

Graph small_graph() {
  return parse_graph(R"(graph {
  param %w "w": f32[4, 3]
  input %x: f32[s0{2}, 3]
  %n: sym_int s0{2} = aten.sym_size.int(self=%x, dim=0)
  %linear: f32[s0{2}, 4] = aten.linear.default(input=%x, weight=%w, bias=None)
  %relu: f32[s0{2}, 4] = aten.relu.default(self=%linear)
  output %relu
})");
}

// Whether one of the problems holds both texts, in message, place or fix.
bool says(const std::vector<Problem>& problems, const std::string& a, const std::string& b) {
  for (const Problem& problem : problems) {
    const std::string all = problem.place.pointer + " | " + problem.message + " | " + problem.hint;
    if (all.find(a) != std::string::npos && all.find(b) != std::string::npos) return true;
  }
  return false;
}

std::string listing(const std::vector<Problem>& problems) {
  std::string text;
  for (const Problem& problem : problems) text += problem.place.pointer + ": " + problem.message + " (" + problem.hint + ")\n";
  return text;
}

TEST(Verify, AcceptsAGoodGraph) { EXPECT_EQ(listing(verify(small_graph())), ""); }

TEST(Verify, NamesUseBeforeDefinition) {
  Graph graph = small_graph();
  graph.set_argument(graph.find_node("linear"), "input", graph.find_value("relu"));
  const auto problems = verify(graph);
  EXPECT_EQ(problems.size(), 1u) << listing(problems);
  EXPECT_TRUE(says(problems, "%linear", "uses %relu before it is defined")) << listing(problems);
}

TEST(Verify, NamesValuesOfAnotherGraph) {
  Graph graph = small_graph(), other = small_graph();
  graph.set_argument(graph.find_node("relu"), "self", other.find_value("linear"));
  EXPECT_TRUE(says(verify(graph), "%relu", "which is not in the graph"));
}

TEST(Verify, ReportsAllProblemsAtOnce) {
  Graph graph = small_graph();
  graph.set_argument(graph.find_node("linear"), "dims", IntList{graph.find_value("x")});
  graph.set_target(graph.find_node("relu"), "relu");
  graph.set_type(graph.find_value("relu"), TensorType{.sizes = {{.size = -3}}, .strides = {{.size = 1}, {.size = 1}}});
  graph.add_output(OutputKind::buffer_mutation, graph.find_value("relu"), "running_mean");
  graph.add_input(InputKind::parameter, "w2", "w", TensorType{});
  const auto problems = verify(graph);
  EXPECT_TRUE(says(problems, "takes integers", "%x")) << listing(problems);
  EXPECT_TRUE(says(problems, "`relu` is no operator", "aten.relu.default"));
  EXPECT_TRUE(says(problems, "negative dimension", "[-3]"));
  EXPECT_TRUE(says(problems, "2 strides for rank 1", "%relu"));
  EXPECT_TRUE(says(problems, "`running_mean`", "no input of that kind"));
  EXPECT_TRUE(says(problems, "%w2", "second input is called `w`"));
  EXPECT_EQ(problems.size(), 6u) << listing(problems);
  for (const Problem& problem : problems) EXPECT_FALSE(problem.hint.empty()) << problem.message;
}

TEST(Verify, NamesRegionsThatAreEnteredTwice) {
  Graph graph = small_graph();
  const Region* region = graph.add_region({.kind = Region::Kind::set_grad, .arguments = {false}, .name = "submod_1"});
  graph.set_region(graph.find_node("n"), region);
  graph.set_region(graph.find_node("relu"), region);
  EXPECT_TRUE(says(verify(graph), "%relu", "region `submod_1` is entered a second time"));
  graph.set_region(graph.find_node("linear"), region);
  EXPECT_EQ(listing(verify(graph)), "");
}

TEST(Verify, NamesRegionsOutsideTheGraph) {
  Graph graph = small_graph();
  const Region foreign{.kind = Region::Kind::set_grad, .arguments = {false}};
  graph.set_region(graph.find_node("relu"), &foreign);
  EXPECT_TRUE(says(verify(graph), "%relu", "region is not in the graph"));
}

TEST(Verify, ChecksTensorsAgainstTheGraph) {
  Model model;
  model.graph = small_graph();
  EXPECT_TRUE(says(verify(model), "`w` has no tensor", "%w"));
  model.weights.set("w", at::ones({4, 2}, at::kDouble));
  model.weights.set("orphan", at::ones({1}));
  const auto problems = verify(model);
  EXPECT_TRUE(says(problems, "shape [4, 2]", "[4, 3]")) << listing(problems);
  EXPECT_TRUE(says(problems, "tensor of Double", "f32"));
  EXPECT_TRUE(says(problems, "`orphan` is no input", "erase it"));
  EXPECT_EQ(problems.size(), 3u) << listing(problems);
}

TEST(Verify, ThrowsWithTheStepsName) {
  Model model;
  model.graph = small_graph();
  try {
    verify_or_throw(model, "prune");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::internal);
    EXPECT_EQ(error.problems().front().message, "after prune: `w` has no tensor");
  }
  model.weights.set("w", at::ones({4, 3}));
  verify_or_throw(model, "prune");
}

}  // namespace
}  // namespace dsc
