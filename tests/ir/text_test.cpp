#include "ir/text.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/random.h"
#include "dscompress/error.h"
#include "ir/random_graph.h"

namespace dsc {
namespace {

constexpr const char* kSmall = R"text(graph {
  region autocast("cpu", bf16, true, None) "submod_1"
  region set_grad(false) "submod_2" in r0
  param %p_conv1_weight "conv1.weight": f32[16, 3, 3, 3] strides [27, 9, 3, 1] grad
  buffer %b_mask "mask": bool[4] non_persistent
  constant %c_lifted "lifted_0": i64[] device cuda:0
  input %x: f32[s77{2}, 3, 32, "Max(1, s0)"]
  input %"odd name" "y": bf16["s1"]
  literal "causal" = true
  %sym_size: sym_int s77{2} = aten.sym_size.int(self=%x, dim=0)
  %half: sym_float "s77/2"{1.0} = _operator.truediv(%sym_size, 2)
  %conv2d: f32[s77{2}, 16, 32, 32] = aten.conv2d.default(input=%x, weight=%p_conv1_weight, bias=None, stride=[1, 1], eps:=1e-05) @layer1.0.conv1 in r0
  [%a: f32[2], %b: f32[2]] = aten.split.Tensor(self=%conv2d, split_size=[%sym_size, 8])
  %c: f32[2], %d: i64[2] = aten.max.dim(self=%a, dim=-1) in r1
  %e: f32[] = aten.index.Tensor(self=%a, indices=[None, %b]) name "index 0" {"nn_module_stack": "L__self__,,net.Net", "stack_trace": "File \"m.py\", line 3, in f\n    x[i]"}
  %f: f32[] = my.all.default(ints[], floats[], bools[], strings[], tensors[], [1.0, inf, -inf, nan, -0.0], [true, false], ["a", "b"], complex(1.0, -0.0), f32, channels_last, strided, device(cuda:0), "text", tensors[%sym_size], ints[%a])
  _ = aten._assert_async.msg(self=%e, assert_msg:="not ok") name "assert_1"
  output %f
  output None
  mutate_buffer "mask" = %e
}
)text";

TEST(Node, ItsSourceLineIsAPersonsOrElseTheGeneratedOne) {
  const auto line_of = [](const std::string& trace) {
    const Graph graph = parse_graph("graph {\n  input %x: f32[4]\n  %y: f32[4] = aten.relu.default(self=%x) {\"stack_trace\": \"" + trace + "\"}\n  output %y\n}\n");
    return graph.nodes().front()->source_line();
  };
  const std::string person = "File \\\"m.py\\\", line 3, in f\\n    cond(x)\\n", generated = "  File \\\"<eval_with_key>.7\\\", line 9, in forward\\n    relu(x)";
  EXPECT_EQ(line_of(person + generated), "m.py:3 in f: cond(x)");
  EXPECT_EQ(line_of(generated), "<eval_with_key>.7:9 in forward: relu(x)");
}

TEST(GraphText, PrintsWhatItParsed) {
  const Graph graph = parse_graph(kSmall);
  std::string expected = kSmall;
  const std::string stack = "@layer1.0.conv1 in r0";
  expected.replace(expected.find(stack), stack.size(), stack + R"( {"nn_module_stack": "@,layer1.0.conv1,"})");
  EXPECT_EQ(print_graph(graph), expected);
  EXPECT_EQ(print_graph(parse_graph(print_graph(graph))), expected);
}

TEST(GraphText, HoldsTheKindOfEveryArgument) {
  const Graph graph = parse_graph(kSmall);
  const auto& arguments = graph.find_node("f")->arguments();
  EXPECT_TRUE(std::holds_alternative<IntList>(arguments[0].value));
  EXPECT_TRUE(std::holds_alternative<std::vector<double>>(arguments[1].value));
  EXPECT_TRUE(std::holds_alternative<std::vector<bool>>(arguments[2].value));
  EXPECT_TRUE(std::holds_alternative<std::vector<std::string>>(arguments[3].value));
  EXPECT_TRUE(std::holds_alternative<ValueList>(arguments[4].value));
  const auto& reals = std::get<std::vector<double>>(arguments[5].value);
  EXPECT_TRUE(std::isinf(reals[1]) && std::isnan(reals[3]) && std::signbit(reals[4]));
  EXPECT_EQ(std::get<ScalarType>(arguments[9].value), ScalarType::f32);
  EXPECT_EQ(std::get<MemoryFormat>(arguments[10].value), MemoryFormat::channels_last);
  EXPECT_EQ(std::get<Device>(arguments[12].value), (Device{"cuda", 0}));
  EXPECT_TRUE(std::holds_alternative<ValueList>(arguments[14].value));
  EXPECT_TRUE(std::holds_alternative<IntList>(arguments[15].value));
  EXPECT_TRUE(graph.find_node("conv2d")->arguments().back().is_keyword);
  EXPECT_EQ(graph.find_node("conv2d")->module_path(), "layer1.0.conv1");
  EXPECT_EQ(graph.find_value("x")->tensor().sizes[0], (Dim{2, "s77"}));
  EXPECT_EQ(graph.find_value("odd name")->tensor().sizes[0], (Dim{-1, "s1"}));
  EXPECT_EQ(graph.find_node("a")->output_structure(), (std::vector<int>{2}));
  EXPECT_EQ(graph.find_node("c")->region()->parent, graph.find_node("conv2d")->region());
}

TEST(GraphText, ReadingFormLeavesMetadataOut) {
  const std::string text = print_graph(parse_graph(kSmall), {.metadata = false});
  EXPECT_EQ(text.find("strides"), std::string::npos);
  EXPECT_EQ(text.find("stack_trace"), std::string::npos);
  EXPECT_NE(text.find("@layer1.0.conv1"), std::string::npos);
  EXPECT_EQ(print_graph(parse_graph(text), {.metadata = false}), text);
}

TEST(GraphText, EmptyGraphRoundTrips) { EXPECT_EQ(print_graph(parse_graph("graph {\n}")), "graph {\n}\n"); }

TEST(GraphText, RandomGraphsRoundTrip) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    const Graph graph = test::RandomGraph(seed).make();
    const std::string text = print_graph(graph);
    ASSERT_EQ(print_graph(parse_graph(text)), text) << "seed " << seed;
    ASSERT_EQ(print_graph(*graph.clone()), text) << "seed " << seed;
    const std::string brief = print_graph(graph, {.metadata = false});
    ASSERT_EQ(print_graph(parse_graph(brief), {.metadata = false}), brief) << "seed " << seed;
  }
}

struct BadText {
  const char* text;
  int line, column;
  const char* message;
};
class GraphTextErrors : public testing::TestWithParam<BadText> {};

TEST_P(GraphTextErrors, NameThePlaceAndWhatWasExpected) {
  try {
    parse_graph(GetParam().text, "bad.txt");
    FAIL() << "parsed " << GetParam().text;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::model_file);
    const Problem& problem = error.problems().front();
    EXPECT_EQ(problem.place.file, "bad.txt");
    EXPECT_EQ(problem.place.line, GetParam().line) << problem.message;
    EXPECT_EQ(problem.place.column, GetParam().column) << problem.message;
    EXPECT_NE((problem.message + " " + problem.hint).find(GetParam().message), std::string::npos) << problem.message << " / " << problem.hint;
  }
}

INSTANTIATE_TEST_SUITE_P(
    GraphText, GraphTextErrors,
    testing::Values(
        BadText{"", 1, 1, "expected `graph {`, found the end of the text"},
        BadText{"graph {\n", 2, 1, "expected a node, an output or `}`"},
        BadText{"graph {\n  inptu %x: f32[1]\n}", 2, 3, "did you mean `input`?"},
        BadText{"graph {\n  input %x: f33[1]\n}", 2, 13, "`f33` is no type"},
        BadText{"graph {\n  input %x f32[1]\n}", 2, 12, "expected `:`, found `f32`"},
        BadText{"graph {\n  input %x: f32[1]\n  output %y\n}", 3, 10, "%y is not defined above"},
        BadText{"graph {\n  input %x: f32[1]\n  input %x: f32[1]\n}", 3, 9, "%x is defined twice"},
        BadText{"graph {\n  input %x: f32[1]\n  output []\n}", 3, 10, "write ints[], floats[]"},
        BadText{"graph {\n  input %x: f32[1]\n  output [1, \"a\"]\n}", 3, 10, "several kinds"},
        BadText{"graph {\n  output \"abc\n}", 2, 10, "the string has no end"},
        BadText{"graph {\n  output \"a\\q\"\n}", 2, 12, "unknown escape"},
        BadText{"graph {\n  output 99999999999999999999\n}", 2, 10, "not a number of 64 bits"},
        BadText{"graph {\n  output bloat\n}", 2, 10, "`bloat` is no value"},
        BadText{"graph {\n  _ = aten.f.default()\n}", 2, 3, "needs a name"},
        BadText{"graph {\n  input %x: f32[1] grad extra\n}", 2, 25, "expected the end of the line"},
        BadText{"graph {\n  %y: f32[1] = aten.f.default(a=1 b=2)\n}", 2, 35, "expected `,`"},
        BadText{"graph {\n  %y: f32[1] = aten.f.default() in r3\n}", 2, 36, "there is no region `r3`"},
        BadText{"graph {\n  input %x: f32[s77{a}]\n}", 2, 21, "the dimension's value"},
        BadText{"graph {\n}\nmore", 3, 1, "expected the end of the text"}));

// Random mutations of a good text: the parser ends with a graph or an Error with a place, never otherwise.
TEST(GraphText, SurvivesMutatedText) {
  const std::string_view kSigns = "%[]{}():=,\"\\.#-+0123456789abcfgrx \n\xff\x00";
  const std::string good = print_graph(parse_graph(kSmall));
  Random random(7);
  int parsed = 0;
  for (int round = 0; round < 6000; ++round) {
    std::string text = good;
    for (std::int64_t edits = 1 + random.below(4); edits > 0; --edits) {
      const auto at = static_cast<std::size_t>(random.below(static_cast<std::int64_t>(text.size())));
      const std::int64_t kind = random.below(5);
      if (kind == 0) text.erase(at, static_cast<std::size_t>(1 + random.below(20)));
      if (kind == 1) text.insert(at, 1, kSigns[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(kSigns.size())))]);
      if (kind == 2) text[at] = kSigns[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(kSigns.size())))];
      if (kind == 3) text.insert(at, text.substr(static_cast<std::size_t>(random.below(static_cast<std::int64_t>(text.size()))), 12));
      if (kind == 4 && text.size() > 2) text.resize(text.size() - static_cast<std::size_t>(random.below(static_cast<std::int64_t>(text.size() / 2))));
      if (text.empty()) text = "g";
    }
    try {
      const std::string once = print_graph(parse_graph(text));
      ASSERT_EQ(print_graph(parse_graph(once)), once) << text;
      ++parsed;
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ErrorCode::model_file);
      ASSERT_GT(error.problems().front().place.line, 0);
    }
  }
  EXPECT_GT(parsed, 100);
}

}  // namespace
}  // namespace dsc
