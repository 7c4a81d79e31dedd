#include "exec/unknown_operators.h"

#include <gtest/gtest.h>

#include "ir/text.h"

namespace dsc {
namespace {

TEST(UnknownOperators, OfPythonLibrariesAreNamedWithTheWayOut) {
  const Graph graph = parse_graph(R"(graph {
  param %w "w": f32[4, 8]
  input %x: f32[s0{2}, 8]
  %q: f32[s0{2}, 8] = quantized_decomposed.dequantize_per_tensor.default(input=%x, scale=1.0, zero_point=0, quant_min=0, quant_max=255, dtype=u8)
  %y: f32[s0{2}, 4] = transformers.grouped_mm_fallback.default(input=%q, weight=%w) @mlp.experts
  %z: f32[s0{2}, 4] = elsewhere.turn.default(input=%y)
  output %z
}
)");
  const auto problems = find_unknown_operators(graph);
  ASSERT_EQ(problems.size(), 2U);
  EXPECT_NE(problems[0].message.find("elsewhere.turn"), std::string::npos);
  EXPECT_NE(problems[1].message.find("transformers.grouped_mm_fallback"), std::string::npos);
  EXPECT_NE(problems[1].hint.find("--experts batched_mm"), std::string::npos) << problems[1].hint;
}

}  // namespace
}  // namespace dsc
