#include "exec/branches.h"

#include <ATen/ATen.h>

#include "exec/fixture.h"
#include "io/pt2.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace dsc {
namespace {

// y = cond(sum(x) > 0, x + 1, x - 1); cond(sum(y) > 0, 2 y, y / 2)
TEST(Branches, AreTakenAsTheConditionSays) {
  const Model model = read_pt2(DSC_SOURCE_DIR "/tests/fixtures/io/control_flow.pt2");
  Executor executor(model, {});
  EXPECT_TRUE(executor.run({at::tensor({1.0F, 2.0F, -0.5F})})[0].equal(at::tensor({4.0F, 6.0F, 1.0F})));
  EXPECT_TRUE(executor.run({at::tensor({-1.0F, -2.0F, 0.5F})})[0].equal(at::tensor({-1.0F, -1.5F, -0.25F})));
}

constexpr const char* kWithWeights = R"text(graph {
  param %w: f32[3, 3]
  input %x: f32[s0{2}, 3]
  input %flag: bool[]
  %y: f32[s0{2}, 3] = higher_order.cond(%flag, if_true="graph {
    input %v: f32[s0{2}, 3]
    input %m: f32[3, 3]
    %product: f32[s0{2}, 3] = aten.linear.default(input=%v, weight=%m)
    output %product
  }", if_false="graph {
    input %v: f32[s0{2}, 3]
    input %m: f32[3, 3]
    %twice: f32[s0{2}, 3] = aten.mul.Tensor(self=%v, other=2)
    output %twice
  }", [%x, %w])
  output %y
})text";

Model with_weights() {
  std::string text;
  bool quoted = false;
  for (const char* at = kWithWeights; *at; ++at) {
    quoted ^= *at == '"';
    if (quoted && *at == '\n') text += "\\n";
    else text += *at;
  }
  Model model{.graph = parse_graph(text), .source = "text"};
  model.weights.set("w", at::arange(9, at::kFloat).view({3, 3}));
  return model;
}

TEST(Branches, TrainTheWeightsOfTheBranchTaken) {
  const Model model = with_weights();
  EXPECT_TRUE(verify(model).empty());
  const at::Tensor x = at::tensor({1.0F, 2.0F, 3.0F}).view({1, 3});
  for (const bool flag : {true, false}) {
    Executor executor(model, {.training = true});
    const auto output = executor.run({x, at::scalar_tensor(flag, at::kBool)})[0];
    EXPECT_TRUE(output.equal(flag ? at::tensor({8.0F, 26.0F, 44.0F}).view({1, 3}) : 2 * x));
    if (!flag) continue;
    output.sum().backward();
    EXPECT_TRUE(executor.weight("w").grad().equal(x.expand({3, 3})));
  }
}

TEST(Branches, ThatDoNotFitTheirNodeAreFound) {
  Model model = with_weights();
  Node* node = model.graph.find_node("y");
  auto arguments = node->arguments();
  arguments.back().value = ValueList{model.graph.find_value("x")};
  model.graph.set_arguments(node, std::move(arguments));
  EXPECT_EQ(verify(model.graph).size(), 2u);
}

}  // namespace
}  // namespace dsc
