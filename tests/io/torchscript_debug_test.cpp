// Found by scripts/fuzz: LibTorch read a source text at a number below 0.
#include "io/torchscript_debug.h"

#include <ATen/core/ivalue.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/serialization/pickle.h>

namespace dsc::torchscript {
namespace {

using c10::IValue;
using c10::ivalue::Tuple;

// A record of two texts, and one range that refers to them.
std::string record(const std::vector<std::int64_t>& texts, std::int64_t file) {
  const IValue source = Tuple::create({IValue(c10::List<std::int64_t>(texts)), IValue(file), IValue(7)});
  const IValue range = Tuple::create({IValue(0), Tuple::create({source, IValue(0), IValue(5)}), IValue(-1)});
  const auto bytes = torch::jit::pickle(Tuple::create({IValue("FORMAT_WITH_STRING_TABLE"), Tuple::create({IValue("net.py"), IValue("y = f(x)")}), Tuple::create({range})}));
  return {bytes.begin(), bytes.end()};
}

TEST(TorchScriptDebug, NumbersOfTextsAreThoseOfTheTable) {
  EXPECT_TRUE(source_numbers_are_right(record({1}, 0)));
  EXPECT_TRUE(source_numbers_are_right(record({}, 1)));
  EXPECT_FALSE(source_numbers_are_right(record({-1}, 0)));
  EXPECT_FALSE(source_numbers_are_right(record({0, 2}, 0)));
  EXPECT_FALSE(source_numbers_are_right(record({1}, -3)));
  EXPECT_FALSE(source_numbers_are_right(record({1}, 2)));
  EXPECT_FALSE(source_numbers_are_right("no pickle"));
}

}  // namespace
}  // namespace dsc::torchscript
