// Bytes that compressed-tensors 0.19 and torch 2.13 made (scripts/make_checkpoint_fixtures.py).
#include "checkpoint/folder.h"
#include "checkpoint/rows.h"

namespace dsc::checkpoint {
namespace {

using namespace test;

std::string recorded(const std::string& name) { return std::string(DSC_SOURCE_DIR) + "/tests/fixtures/checkpoint/" + name; }

struct Case {
  const char* name;
  std::int64_t bits, group_size;
  bool symmetric = true;
  std::int64_t activations = 16;
};

class Recorded : public testing::TestWithParam<Case> {};

TEST_P(Recorded, MinmaxGivesTheBytesOfCompressedTensors) {
  const auto& given = GetParam();
  const TempFolder folder;
  auto options = options_for(recorded(given.name));
  options.weights = {.bits = given.bits, .group_size = given.group_size, .symmetric = given.symmetric, .scales = Scales::minmax};
  options.activations.bits = given.activations;
  convert_to(options, folder.file("out"));
  const auto expected = read_tensors(recorded(given.name) + "/expected.st"), made = read_folder(folder.file("out"));
  ASSERT_EQ(made.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    ASSERT_TRUE(made.contains(name)) << name;
    EXPECT_EQ(made.at(name).dtype, tensor.dtype) << name;
    EXPECT_EQ(made.at(name).shape, tensor.shape) << name;
    EXPECT_TRUE(made.at(name).bytes == tensor.bytes) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Schemes, Recorded,
                         testing::Values(Case{"w4a16", 4, 32}, Case{"w4a16_asymmetric", 4, 32, false}, Case{"w4a16_asymmetric_rows", 4, 32, false},
                                         Case{"w8a16", 8, 32}, Case{"w8a16_rows", 8, 0}, Case{"w8a8", 8, 0, true, 8}, Case{"w4a16_f16", 4, 48},
                                         Case{"w4a16_f16_asymmetric", 4, 48, false}, Case{"w4a16_f32", 4, 32}, Case{"w4a16_f32_asymmetric", 4, 32, false},
                                         Case{"w3a16", 3, 32}, Case{"w5a16_asymmetric", 5, 32, false}),
                         [](const auto& instance) { return std::string(instance.param.name); });

TEST(Recorded, Fp8TimesItsScalesIsThatOfTorchBitForBit) {
  std::vector<Finding> findings;
  Plan plan;
  plan.source = open_source(recorded("fp8"), findings);
  ASSERT_TRUE(findings.empty());
  const ShardReader shards(plan.source.shards);
  const auto expected = read_tensors(recorded("fp8") + "/expected.st");
  std::size_t compared = 0;
  for (const auto& tensor : plan.source.tensors) {
    if (!tensor.scale) continue;
    const auto columns = static_cast<std::size_t>(tensor.columns());
    std::string bytes;
    std::vector<float> row(columns);
    RowReader rows(plan, shards);
    for (std::int64_t first = 0; first < tensor.rows(); first += 7) {  // blocks that end inside a block of scales
      const auto count = std::min<std::int64_t>(7, tensor.rows() - first);
      rows.load(tensor, first, count);
      for (std::int64_t i = 0; i < count; ++i) {
        rows.widen(i, row.data());
        bytes += test::bytes_of(row);
      }
    }
    EXPECT_TRUE(bytes == expected.at(tensor.name).bytes) << tensor.name;
    ++compared;
  }
  EXPECT_EQ(compared, 2U);
}

TEST(Recorded, Fp8BecomesBf16WhereItIsKept) {
  const TempFolder folder;
  auto options = options_for(recorded("fp8"));
  options.layers = {{.select = "**", .precision = Precision::source}};
  convert_to(options, folder.file("out"));
  const auto made = read_folder(folder.file("out")), expected = read_tensors(recorded("fp8") + "/expected.st");
  ASSERT_EQ(made.size(), 2U);  // the scales are used up
  for (const auto& [name, tensor] : expected) {
    EXPECT_EQ(made.at(name).dtype, "BF16");
    const auto is = numbers_of(made.at(name)), was = numbers_of(tensor);
    for (std::size_t i = 0; i < was.size(); ++i) EXPECT_NEAR(is[i], was[i], std::abs(was[i]) / 256) << name << i;
  }
  EXPECT_FALSE(contains(slurp(folder.file("out/config.json")), "quantization_config"));
}

}  // namespace
}  // namespace dsc::checkpoint
