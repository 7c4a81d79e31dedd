// Types after a rewrite, example inputs, symbolic sizes.
#include <ATen/ATen.h>

#include "ir/dim_expression.h"
#include "exec/executor.h"
#include "exec/fixture.h"
#include "ir/text.h"

namespace dsc {
namespace {

using test::Fixture;
using test::model_of;

std::string types_of(const Graph& graph) { return print_graph(graph, {.metadata = false}); }

TEST(DimExpression, BothFormsAreUnderstood) {
  const SymbolValues values{{"s0", 7}, {"s77", 3}};
  const std::pair<const char*, std::int64_t> cases[] = {
      {"s0", 7},
      {"12", 12},
      {"2*s0 + s77 - 1", 16},
      {"((s0 - 1)//2) + 1", 4},
      {"-s0//2", -4},
      {"s77**2", 9},
      {"Max(1, s77)", 3},
      {"Mod(s0, s77)", 1},
      {"Symbol('s77', positive=True, integer=True)", 3},
      {"Mul(Integer(49), Symbol('s77', positive=True, integer=True))", 147},
      {"Add(Mul(Integer(-1), Symbol('s0', integer=True)), Integer(9))", 2},
      {"Pow(Symbol('s77', positive=True, integer=True), Integer(2))", 9},
      {"torch.utils._sympy.functions.FloorDiv(Symbol('s0', positive=True, integer=True), Integer(2))", 3},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(evaluate_dim(text, values), expected) << text;
}

TEST(DimExpression, WhatIsNotUnderstoodHasNoValue) {
  for (const char* text : {"", "s1", "s0 +", "(s0", "sin(s0)", "s0 // 0", "Symbol('u0'", "s0 s0", "Mul()", "FloorDiv(s0, 0)"}) {
    EXPECT_EQ(evaluate_dim(text, {{"s0", 7}}), std::nullopt) << text;
  }
}

TEST(DimExpression, NewOnesAreWrittenInTheFormOfTheirSymbols) {
  EXPECT_EQ(make_dim(4, {"s0"}, 0), "4*s0");
  EXPECT_EQ(make_dim(1, {"s0"}, -1), "s0 + -1");
  EXPECT_EQ(make_dim(2, {"s0", "s1"}, 0), "2*s0*s1");
  EXPECT_EQ(make_dim(1, {"Symbol('s0')"}, 0), "Symbol('s0')");
  EXPECT_EQ(make_dim(3, {"Symbol('s0')"}, 1), "Add(Mul(Integer(3), Symbol('s0')), Integer(1))");
  EXPECT_EQ(symbol_of("Symbol('s0', positive=True, integer=True)"), "s0");
  EXPECT_EQ(symbol_of("s0"), "s0");
  EXPECT_EQ(symbol_of("2*s0"), "");
  EXPECT_EQ(symbol_of("12"), "");
}

class TypesFixture : public testing::TestWithParam<const char*> {};

TEST_P(TypesFixture, AGraphThatWasNotChangedKeepsItsTypes) {
  Fixture fixture(GetParam());
  const std::string before = print_graph(fixture.model.graph);
  for (const std::int64_t batch : {2, 3, 5}) {
    refresh_types(fixture.model, example_inputs(fixture.model, batch, 1));
    EXPECT_EQ(print_graph(fixture.model.graph), before);
  }
}

TEST_P(TypesFixture, AreFoundAgainAfterTheyWereLost) {
  Fixture fixture(GetParam());
  const std::string before = types_of(fixture.model.graph);
  for (Node* node : fixture.model.graph.nodes()) {
    for (Value* value : node->outputs()) {
      if (value->is_tensor()) fixture.model.graph.set_type(value, TensorType{.dtype = ScalarType::u8, .sizes = {Dim{1, ""}}});
    }
  }
  refresh_types(fixture.model, fixture.list("input"));
  const std::string after = types_of(fixture.model.graph);
  // Values whose size depends on nothing but the inputs' sizes come back exactly.
  EXPECT_EQ(after, before);
}

TEST_P(TypesFixture, ExampleInputsRun) {
  const Fixture fixture(GetParam());
  for (const std::int64_t batch : {0, 2, 7}) {
    const auto inputs = example_inputs(fixture.model, batch, 5);
    Executor executor(fixture.model, {});
    const auto outputs = executor.run(inputs);
    if (batch > 0) {
      EXPECT_EQ(inputs[0].size(0), batch);
    }
    EXPECT_TRUE(at::isfinite(outputs[0].to(at::kFloat)).all().item<bool>());
    const auto again = example_inputs(fixture.model, batch, 5);
    for (std::size_t i = 0; i < inputs.size(); ++i) EXPECT_TRUE(at::equal(inputs[i], again[i]));
  }
}

INSTANTIATE_TEST_SUITE_P(Types, TypesFixture, testing::Values("residual", "encoder", "decoder", "structures", "moving"),
                         [](const auto& info) { return std::string(info.param); });

TEST(RefreshTypes, FixedSizesFollowTheWeights) {
  Model model = model_of(R"text(graph {
  param %w "w": f32[8, 3, 1, 1]
  input %x: f32[s0{2}, 3, 4, 4]
  %y: f32[s0{2}, 16, 4, 4] = aten.conv2d.default(input=%x, weight=%w)
  %z: f32["s0*256"{512}] = aten.flatten.using_ints(self=%y)
  %h: f16[s0{2}, 16, 4, 4] = aten.relu.default(self=%y)
  output %z
  output %h
}
)text");
  refresh_types(model, {at::ones({4, 3, 4, 4})});
  EXPECT_EQ(model.graph.find_value("y")->tensor().sizes, (std::vector<Dim>{{2, "s0"}, {8, ""}, {4, ""}, {4, ""}}));
  EXPECT_EQ(model.graph.find_value("z")->tensor().sizes, (std::vector<Dim>{{256, "128*s0"}}));
  EXPECT_EQ(model.graph.find_value("h")->tensor().dtype, ScalarType::f32);
}

TEST(RefreshTypes, SymbolsThatMustAgreeAreChangedTogether) {
  Model model = model_of(R"text(graph {
  input %x: f32[s0{2}, 4]
  input %mask: f32[s5{2}, 4]
  %y: f32[7] = aten.mul.Tensor(self=%x, other=%mask)
  %z: f32["4*s5"{8}] = aten.flatten.using_ints(self=%y)
  output %z
}
)text");
  refresh_types(model, {at::ones({4, 4}), at::ones({4, 4})});
  EXPECT_EQ(model.graph.find_value("y")->tensor().sizes, (std::vector<Dim>{{2, "s0"}, {4, ""}}));
  EXPECT_EQ(model.graph.find_value("z")->tensor().sizes, (std::vector<Dim>{{8, "4*s5"}}));
}

TEST(RefreshTypes, NewSizesTakeTheSymbolMetFirst) {
  Model model = model_of(R"text(graph {
  input %x: f32[s9{2}, 4]
  input %mask: f32[s5{2}, 4]
  %y: f32[] = aten.mul.Tensor(self=%x, other=%mask)
  output %y
}
)text");
  refresh_types(model, {at::ones({4, 4}), at::ones({4, 4})});
  EXPECT_EQ(model.graph.find_value("y")->tensor().sizes, (std::vector<Dim>{{2, "s9"}, {4, ""}}));
}

TEST(RefreshTypes, LeavesBuffersAsTheyAre) {
  Fixture fixture("structures");
  refresh_types(fixture.model, fixture.list("input"));
  EXPECT_EQ(fixture.model.weights.get("calls").item<std::int64_t>(), 0);
}

// The inputs of a graph in text form; weights are ones unless given.
std::vector<at::Tensor> made_for(const std::string& text, std::vector<std::pair<std::string, at::Tensor>> weights = {}) {
  Model model = model_of(text);
  for (auto& [name, tensor] : weights) model.weights.set(name, tensor);
  return example_inputs(model, 3, 1);
}

void expect_within(const at::Tensor& input, std::int64_t least, std::int64_t most) {
  EXPECT_GE(input.min().item<std::int64_t>(), least);
  EXPECT_LE(input.max().item<std::int64_t>(), most);
  EXPECT_GT(input.max().item<std::int64_t>(), input.min().item<std::int64_t>());
}

TEST(ExampleInputs, IndicesLieInWhatTheyPointInto) {
  expect_within(made_for(R"text(graph {
  input %x: f32[s0{2}, 4]
  input %i: i64[s0{2}, 50]
  %y: f32[s0{2}, 50] = aten.gather.default(self=%x, dim=-1, index=%i)
  output %y
}
)text")[1], 0, 3);
  expect_within(made_for(R"text(graph {
  input %x: f32[7, 4]
  input %i: i32[50]
  %y: f32[50, 4] = aten.index_select.default(self=%x, dim=0, index=%i)
  output %y
}
)text")[1], 0, 6);
  const auto both = made_for(R"text(graph {
  input %x: f32[6, 3]
  input %i: i64[50]
  input %j: i64[50]
  %y: f32[50] = aten.index.Tensor(self=%x, indices=[%i, %j])
  output %y
}
)text");
  expect_within(both[1], 0, 5);
  expect_within(both[2], 0, 2);
  expect_within(made_for(R"text(graph {
  param %w "w": f32[9, 4]
  input %i: i64[s0{2}, 50]
  %j: i64[s0{2}, 50] = aten.add.Tensor(self=%i, other=6)
  %y: f32[s0{2}, 50, 4] = aten.embedding.default(weight=%w, indices=%j)
  output %y
}
)text")[0], 0, 2);
}

TEST(ExampleInputs, IndicesAreFollowedThroughWhatPartsAndJoinsThem) {
  expect_within(made_for(R"text(graph {
  input %x: f32[7, 4]
  input %i: i64[2, 50]
  [%a: i64[1, 50], %b: i64[1, 50]] = aten.chunk.default(self=%i, chunks=2)
  %f: i64[50] = aten.flatten.using_ints(self=%b)
  %y: f32[50, 4] = aten.index_select.default(self=%x, dim=0, index=%f)
  output %y
}
)text")[1],
                0, 6);
}

TEST(ExampleInputs, BagsBeginInOrder) {
  const auto inputs = made_for(R"text(graph {
  param %w "w": f32[30, 4]
  input %i: i64[20]
  input %o: i64[5]
  %y: f32[5, 4] = aten.embedding_bag.default(weight=%w, indices=%i, offsets=%o)
  output %y
}
)text");
  expect_within(inputs[0], 0, 29);
  EXPECT_TRUE(inputs[1].equal(at::arange(5)));
}

TEST(ExampleInputs, PicturesOfBytesVary) {
  expect_within(made_for(R"text(graph {
  input %x: u8[s0{2}, 16, 16, 3]
  output %x
}
)text")[0], 0, 255);
}

// Some positions are hidden, never all: whatever true means to the model.
TEST(ExampleInputs, MasksHideTheLastPositionOnly) {
  const auto mask_of = [](const std::string& body) {
    return made_for("graph {\n  input %s: f32[s0{2}, 5]\n  input %m: bool[s0{2}, 5]\n" + body + "  output %y\n}\n")[1];
  };
  const auto hidden = at::tensor({0, 0, 0, 0, 1}, at::kLong).to(at::kBool).expand({3, 5}), shown = hidden.logical_not();
  EXPECT_TRUE(mask_of("  %y: f32[s0{2}, 5] = aten.masked_fill.Scalar(self=%s, mask=%m, value=-1e9)\n").equal(hidden));
  EXPECT_TRUE(mask_of("  %n: bool[s0{2}, 5] = aten.logical_not.default(self=%m)\n  %y: f32[s0{2}, 5] = aten.masked_fill.Scalar(self=%s, mask=%n, value=-1e9)\n").equal(shown));
  EXPECT_TRUE(mask_of("  %y: f32[s0{2}, 5] = aten.where.ScalarOther(condition=%m, self=%s, other=-1e9)\n").equal(shown));
  EXPECT_TRUE(mask_of("  %y: f32[s0{2}, 5] = aten.where.ScalarSelf(condition=%m, self=-1e9, other=%s)\n").equal(hidden));
  EXPECT_TRUE(mask_of("  %b: bool[s0{2}, 5] = aten.__and__.Tensor(self=%m, other=%m)\n  %y: f32[s0{2}, 5] = aten.masked_fill.Scalar(self=%s, "
                      "mask=%b, value=-1e9)\n")
                  .equal(hidden));
  const auto unknown = mask_of("  %y: f32[s0{2}, 5] = aten.where.self(condition=%m, self=%s, other=%s)\n");
  EXPECT_TRUE(unknown.any(1).all().item<bool>());
  EXPECT_FALSE(unknown.all(1).any().item<bool>());
}

TEST(ExampleInputs, IdsFitTheEmbeddingAndMasksAreOnes) {
  const Fixture fixture("encoder");
  const auto inputs = example_inputs(fixture.model, 6, 1);
  EXPECT_EQ(inputs[0].sizes(), (at::IntArrayRef{6, 7}));
  EXPECT_LT(inputs[0].max().item<std::int64_t>(), 40);
  EXPECT_GE(inputs[0].min().item<std::int64_t>(), 0);
  EXPECT_GT(inputs[0].max().item<std::int64_t>(), inputs[0].min().item<std::int64_t>());
  EXPECT_TRUE(at::equal(inputs[1], at::ones({6, 7}, at::kLong)));
}

}  // namespace
}  // namespace dsc
