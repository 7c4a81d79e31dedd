// dscompress inspect data: what a recipe's data looks like.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "data/files.h"
#include "support/program.h"

namespace dsc::test {
namespace {

constexpr const char* kTokenizer = DSC_SOURCE_DIR "/tests/fixtures/text/word_pieces.tokenizer.xml";

// A recipe over three reviews, with `more` settings of its training data.
std::string write_recipe(const TempFolder& folder, const std::string& more = {}) {
  spit(folder.file("train.tsv"), "sentence\tlabel\na gorgeous movie\tgood\nthe plot is boring\tbad\nwitty jokes\tgood\n");
  spit(folder.file("words.txt"), "movie film\n");
  spit(folder.file("recipe.yaml"),
       "version: 1\nmodel: {path: none.pt2}\ndata:\n  train: {format: text, path: train.tsv, columns: {text: sentence}, classes: [bad, good], cache: "
       "\"\", tokenizer: " +
           std::string(kTokenizer) + more + "}\n");
  return folder.file("recipe.yaml");
}

TEST(InspectData, ShowsExamplesLabelsLengthsAndCopies) {
  const TempFolder folder;
  const auto recipe = write_recipe(folder, ", augment: [{synonyms: {path: words.txt, share: 1}}]");
  const auto result = run_program("inspect data " + recipe + " --json --show 1");
  ASSERT_EQ(result.status, 0) << result.err;
  const auto split = nlohmann::json::parse(result.out).at("splits").at(0);
  EXPECT_EQ(split.at("split"), "train");
  EXPECT_EQ(split.at("labels"), (nlohmann::json{{"bad", 1}, {"good", 3}}));
  EXPECT_EQ(split.at("examples").at(0).at("text"), "a gorgeous movie");
  EXPECT_EQ(split.at("examples").at(0).at("label"), "good");
  EXPECT_EQ(split.at("examples").at(0).at("input_ids").at(0), 2);
  EXPECT_EQ(split.at("augmented").at(0).at("text"), "a gorgeous film");
  EXPECT_LT(split.at("lengths").at("padding").get<double>(), 1);
  const auto text = run_program("inspect data " + recipe);
  EXPECT_EQ(text.status, 0);
  EXPECT_TRUE(contains(text.out, "the plot is boring") && contains(text.out, "padding") && contains(text.out, "a gorgeous film")) << text.out;
}

TEST(InspectData, NearestSeriesByTimeWarpingSayTheClass) {
  const TempFolder folder;
  spit(folder.file("T_TRAIN.csv"), "1,0,0,5,0,0\n2,0,0,0,0,0\n");
  spit(folder.file("T_TEST.csv"),
       "1,0,5,0,0,0\n2,0,0,0.5,0,0\n1,0,0,0,5,0\n2,4,4,4,4,4\n");  // the last: 4 x 16 + 1 from the first, 5 x 16 from the second
  spit(folder.file("recipe.yaml"),
       "version: 1\nmodel: {path: none.pt2}\ndata:\n  train: {format: series, path: ., split: train}\n  eval: {format: series, path: ., split: "
       "test}\n");
  const auto result = run_program("inspect data " + folder.file("recipe.yaml") + " --dtw 0 --json");
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(nlohmann::json::parse(result.out).at("nearest_by_dtw").at("accuracy"), 0.75);
  EXPECT_TRUE(contains(run_program("inspect data " + folder.file("recipe.yaml") + " --dtw 0").out, "75.00 % of 4 right"));
}

// A split without pictures of a class numbers the others as the training does.
TEST(InspectData, ClassesAreThoseOfTheTrainingInAllSplits) {
  const TempFolder folder;
  const auto write = [&](const std::string& name, std::uint8_t value) {
    write_bmp(folder.file(name), 4, 4, [value](int, int) { return std::array<std::uint8_t, 3>{value, value, value}; });
  };
  for (const auto* name : {"train/ant/0.bmp", "train/moth/0.bmp", "train/zebra/0.bmp", "eval/ant/0.bmp", "eval/zebra/0.bmp"}) write(name, 7);
  spit(folder.file("recipe.yaml"), "version: 1\nmodel: {path: none.pt2}\ndata:\n  train: {format: image_folder, path: ., split: train}\n  eval: {format: image_folder, path: ., split: eval}\n");
  const auto result = run_program("inspect data " + folder.file("recipe.yaml") + " --split eval --json");
  ASSERT_EQ(result.status, 0) << result.err;
  const auto split = nlohmann::json::parse(result.out).at("splits").at(0);
  EXPECT_EQ(split.at("labels"), (nlohmann::json{{"ant", 1}, {"zebra", 1}}));
  EXPECT_TRUE(contains(split.at("notes").dump(), "no pictures of 1 of 3 classes: moth")) << split;
  write("eval/wasp/0.bmp", 7);
  const auto unknown = run_program("inspect data " + folder.file("recipe.yaml") + " --split eval");
  EXPECT_TRUE(contains(unknown.err, "wasp is none of the classes: ant, moth, zebra")) << unknown.err;
}

TEST(InspectData, ReportsWhatIsWrongWithTheData) {
  const TempFolder folder;
  const auto recipe = write_recipe(folder, ", max_length: 64");
  spit(folder.file("train.tsv"), "sentence\tlabel\nwitty\tgreat\n");
  const auto result = run_program("inspect data " + recipe);
  EXPECT_EQ(result.status, 3);
  EXPECT_TRUE(contains(result.err, "train.tsv:2") && contains(result.err, "great")) << result.err;
  EXPECT_EQ(run_program("inspect data " + recipe + " --split eval").status, 2);
  EXPECT_EQ(run_program("inspect").status, 2);
}

}  // namespace
}  // namespace dsc::test
