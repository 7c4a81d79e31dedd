#include "ir/describe.h"

#include <gtest/gtest.h>

namespace dsc {
namespace {

TEST(Describe, SymbolsByNameAndLongerExpressionsByTheirExample) {
  EXPECT_EQ(describe_dim({3, ""}), "3");
  EXPECT_EQ(describe_dim({2, "s77"}), "s77");
  EXPECT_EQ(describe_dim({2, "Symbol('batch', positive=True, integer=True)"}), "batch");
  EXPECT_EQ(describe_dim({98, "Mul(Integer(49), Symbol('s77', positive=True, integer=True))"}), "?98");
  EXPECT_EQ(describe_dim({-1, "2*s77"}), "?");
}

TEST(Describe, Types) {
  EXPECT_EQ(describe_type(TensorType{.dtype = ScalarType::f32, .sizes = {{2, "s77"}, {3, ""}}}), "f32[s77, 3]");
  EXPECT_EQ(describe_type(TensorType{.dtype = ScalarType::i64}), "i64[]");
  EXPECT_EQ(describe_type(SymbolType{}), "symbol");
}

}  // namespace
}  // namespace dsc
