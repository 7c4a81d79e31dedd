// Walks tests/errors: each recipe there is wrong, and the .txt beside it is what dscompress says.
//
// Lines `#! --set path=value`, `#! --vars-file FILE` and `#! env NAME=VALUE` at the start of a recipe set what comes from
// outside. DSC_UPDATE_GOLDENS=1 writes the .txt files anew; read their diff.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "core/file.h"
#include "pipeline/recipe_support.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(DSC_SOURCE_DIR) / "tests" / "errors";

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    const auto extension = entry.path().extension();
    if (extension == ".yaml" || extension == ".json") names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

RecipeInput input_of(const std::string& name) {
  RecipeInput input{.path = name};
  std::istringstream lines(read_file(name));
  std::string line;
  while (std::getline(lines, line) && line.starts_with("#! ")) {
    line = line.substr(3);
    const auto space = line.find(' ');
    const auto kind = line.substr(0, space), value = line.substr(space + 1);
    if (kind == "--set") input.overrides.push_back(parse_override(value));
    if (kind == "--vars-file") input.vars_files.push_back(value);
    if (kind == "env") ::setenv(value.substr(0, value.find('=')).c_str(), value.substr(value.find('=') + 1).c_str(), 1);
  }
  return input;
}

std::string message_of(const std::string& name) {
  try {
    load_recipe(input_of(name), test::recipe_passes());
  } catch (const Error& error) {
    return "exit " + std::to_string(exit_status(error.code())) + "\n" + error.to_text() + "\n";
  }
  return "no error\n";
}

// Messages name files as they were given: relative to the folder of the cases.
class RecipeErrors : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    before_ = fs::current_path();
    fs::current_path(kFolder);
  }
  void TearDown() override { fs::current_path(before_); }
  fs::path before_;
};

TEST_P(RecipeErrors, SayWhatWasFoundWhereAndWhatToDo) {
  const auto message = message_of(GetParam());
  const auto golden = fs::path(GetParam()).replace_extension(".txt").string();
  if (std::getenv("DSC_UPDATE_GOLDENS")) write_file_atomically(golden, message);
  ASSERT_TRUE(fs::exists(golden)) << "run with DSC_UPDATE_GOLDENS=1 to write it";
  EXPECT_EQ(message, read_file(golden));
  EXPECT_TRUE(message.starts_with("exit 2\n")) << message;
}

INSTANTIATE_TEST_SUITE_P(All, RecipeErrors, testing::ValuesIn(cases()), [](const auto& info) {
  auto name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
});

TEST(RecipeErrorCases, AreManyAndEachHasItsText) {
  EXPECT_GE(cases().size(), 80u);
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".txt") continue;
    const auto base = fs::path(entry.path()).replace_extension("");
    EXPECT_TRUE(fs::exists(base.string() + ".yaml") || fs::exists(base.string() + ".json")) << entry.path();
  }
}

}  // namespace
}  // namespace dsc
