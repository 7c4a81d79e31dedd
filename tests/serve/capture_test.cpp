#include "serve/capture.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/safetensors.h"
#include "nightly/traffic.h"
#include "support/program.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path().string());
  std::ranges::sort(files);
  return files;
}

at::Tensor row(float value) { return at::full({1, 2}, value); }

TEST(Capture, WritesWhatCameInTheFormThatNightlyReads) {
  const TempFolder folder;
  Capture capture({.folder = folder.file("traffic"), .examples = 10, .period_seconds = 3600});
  capture.offer("first", {"x"}, {row(1)});
  capture.offer("pair", {"x"}, {at::tensor({2.F, 2.F, 3.F, 3.F}).view({2, 2})});
  capture.offer("other", {"x"}, {at::ones({1, 5})});  // no file has columns of two sizes
  capture.write_if_over();
  EXPECT_TRUE(files_in(folder.file("traffic")).empty()) << "the hour is not over";
  capture.write();
  capture.write();
  capture.offer("later", {"x"}, {row(4)});
  capture.write();
  const auto files = files_in(folder.file("traffic"));
  ASSERT_EQ(files.size(), 2U) << "nothing came between the first two";
  EXPECT_EQ(capture.captured(), 4);
  EXPECT_EQ(nlohmann::json::parse(read_safetensors(files[0]).metadata.at("ids")), nlohmann::json({"first", "pair/0", "pair/1"}));

  LoopTraffic config;
  config.path.path = folder.file("traffic/*.safetensors");
  const auto traffic = gather_traffic(config, "traffic[-2:]", folder.file("gathered"));
  EXPECT_EQ(traffic.examples, 4);
  EXPECT_TRUE(traffic.notes.empty());
}

// 200 periods of 40 examples, 10 kept of each: every place in the order of arrival is kept in a quarter of them.
TEST(Capture, KeepsEachExampleOfAPeriodWithTheSameChance) {
  const TempFolder folder;
  constexpr int kPeriods = 200, kExamples = 40;
  std::vector<int> kept(kExamples, 0);
  Capture capture({.folder = folder.path(), .examples = 10, .period_seconds = 3600});
  for (int period = 0; period < kPeriods; ++period) {
    for (int i = 0; i < kExamples; ++i) capture.offer(std::to_string(i), {"x"}, {row(static_cast<float>(i))});
    capture.write();
    const auto file = files_in(folder.path()).front();
    const auto ids = nlohmann::json::parse(read_safetensors(file).metadata.at("ids"));
    EXPECT_EQ(ids.size(), 10U);
    for (const auto& id : ids) ++kept[static_cast<std::size_t>(std::stoi(id.get<std::string>()))];
    fs::remove(file);
  }
  // 50 of 200 are expected, with a standard deviation of 6.1.
  for (int i = 0; i < kExamples; ++i) EXPECT_NEAR(kept[static_cast<std::size_t>(i)], 50, 25) << i;
}

TEST(Capture, WithoutAFolderKeepsNothing) {
  Capture capture({});
  capture.offer("a", {"x"}, {row(1)});
  capture.write();
  EXPECT_EQ(capture.captured(), 0);
}

}  // namespace
}  // namespace dsc::test
