#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "data/answers.h"
#include "data/text_files.h"

namespace dsc::test {
namespace {

// Answers are counted in characters: é is one of them, and two bytes.
const char* const kFile = R"({"data": [{"paragraphs": [{"context": "Clichés, the movie: nothing started in 1854, again.", "qas": [
  {"id": "1", "question": "the city", "answers": [{"text": "1854", "answer_start": 39}, {"text": "in 1854", "answer_start": 36}]},
  {"id": "2", "question": "a movie", "answers": [{"text": "Clichés", "answer_start": 0}]},
  {"id": "3", "question": "a plot", "answers": [{"text": "tart", "answer_start": 29}]}]}]}]})";

SplitConfig questions(const Folder& folder, std::int64_t max_length, const std::string& content = kFile) {
  return text_split(DataFormat::squad, write_text(folder / "dev.json", content), max_length);
}

// The text between the labels of an example; empty where they are nowhere.
std::string labelled(const Dataset& dataset, std::int64_t index) {
  const auto span = numbers(batch_of(dataset, {index}).target);
  const auto& key = *dataset.answers();
  return span[0] == 0 ? "" : key.text(key.windows[static_cast<std::size_t>(index)], span[0], span[1]);
}

TEST(SquadData, LabelsAreTheAnswersTokens) {
  const Folder folder;
  const auto dataset = open_dataset(questions(folder, 96), std::nullopt);
  ASSERT_EQ(dataset->size(), 3);
  EXPECT_EQ(labelled(*dataset, 0), "1854");
  EXPECT_EQ(labelled(*dataset, 1), "Clichés");
  EXPECT_EQ(labelled(*dataset, 2), "started");  // the answer begins and ends inside a word
  ASSERT_EQ(dataset->info().notes.size(), 1U);
  EXPECT_EQ(dataset->info().notes[0], "1 of 3 questions have an answer that begins or ends inside a word; its label is the whole word");
  EXPECT_EQ(dataset->answers()->questions[0].answers, (std::vector<std::string>{"1854", "in 1854"}));
}

TEST(SquadData, LongContextsAreCutOrReadInWindows) {
  const Folder folder;
  auto split = questions(folder, 11);
  const auto cut = open_dataset(split, std::nullopt);
  ASSERT_EQ(cut->size(), 3);
  EXPECT_EQ(labelled(*cut, 0), "");  // 1854 is beyond the cut
  EXPECT_EQ(labelled(*cut, 1), "Clichés");
  EXPECT_NE(cut->info().notes[0].find("3 of 3 questions have their context cut to fit into 11 tokens"), std::string::npos) << cut->info().notes[0];
  split.text.overlap = 2;
  const auto windows = open_dataset(split, std::nullopt);
  EXPECT_GT(windows->size(), 3);
  std::vector<std::size_t> found(3);
  std::vector<bool> covered(windows->answers()->contexts[0].tokens.ids.size());
  for (std::int64_t i = 0; i < windows->size(); ++i) {
    const auto& window = windows->answers()->windows[static_cast<std::size_t>(i)];
    EXPECT_LE(windows->lengths()[static_cast<std::size_t>(i)], 11);
    for (std::int64_t t = 0; window.question == 0 && t < window.tokens; ++t) covered[static_cast<std::size_t>(window.first_token + t)] = true;
    if (labelled(*windows, i) == (window.question == 0 ? "1854" : window.question == 1 ? "Clichés" : "started")) ++found[window.question];
  }
  for (const auto count : found) EXPECT_GE(count, 1U);
  EXPECT_TRUE(std::all_of(covered.begin(), covered.end(), [](bool there) { return there; }));
}

TEST(SquadData, MistakesAreNamedWithTheirPlace) {
  const Folder folder;
  const auto problem = [&](const std::string& content) { return error_of([&] { open_dataset(questions(folder, 96, content), std::nullopt); }); };
  EXPECT_NE(problem("{").find("no JSON"), std::string::npos);
  EXPECT_NE(problem(R"({"data": [{"paragraphs": [{"qas": []}]}]})").find("expected a text `context`"), std::string::npos);
  EXPECT_NE(problem(R"({"data": [{"paragraphs": [{"qas": []}]}]})").find("/data/0/paragraphs/0"), std::string::npos);
  EXPECT_NE(problem(R"({"data": []})").find("no questions"), std::string::npos);
  std::string moved = kFile;
  moved.replace(moved.find("39"), 2, "38");
  EXPECT_NE(problem(moved).find("\"1854\" is not at character 38"), std::string::npos) << problem(moved);
}

}  // namespace
}  // namespace dsc::test
