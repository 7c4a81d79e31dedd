#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "data/text_files.h"
#include "text/tokenizer.h"

namespace dsc::test {
namespace {

const char* const kReviews = "sentence\tlabel\na gorgeous movie\t1\nthe plot is boring\t0\nwitty\t1\n";

SplitConfig reviews(const Folder& folder, const std::string& content = kReviews) {
  auto split = text_split(DataFormat::text, write_text(folder / "reviews.tsv", content));
  split.text.columns.text = "sentence";
  return split;
}

std::int64_t length_of(const std::string& text) {
  static const Tokenizer tokenizer(tiny_tokenizer());
  return static_cast<std::int64_t>(tokenizer.tokenize({text})[0].size()) + 2;
}

TEST(TextData, BatchesAreFilledUpToTheirLongestExample) {
  const Folder folder;
  const auto dataset = open_dataset(reviews(folder), std::nullopt);
  ASSERT_EQ(dataset->size(), 3);
  EXPECT_EQ(dataset->info().input_names, (std::vector<std::string>{"input_ids", "attention_mask", "token_type_ids"}));
  EXPECT_EQ(dataset->info().classes, 2);
  const auto batch = batch_of(*dataset, {2, 0});
  const std::int64_t longest = std::max(length_of("witty"), length_of("a gorgeous movie"));
  ASSERT_EQ(batch.inputs.size(), 3U);
  for (const auto& input : batch.inputs) EXPECT_EQ(input.sizes(), (std::vector<std::int64_t>{2, longest}));
  EXPECT_EQ(numbers(batch.inputs[1].sum(1)), (std::vector<std::int64_t>{length_of("witty"), length_of("a gorgeous movie")}));
  EXPECT_TRUE(at::equal(batch.inputs[0].ne(0), batch.inputs[1].ne(0)));  // [PAD] is 0, and no text here has it
  EXPECT_EQ(batch.inputs[0][0][0].item<std::int64_t>(), 2);              // [CLS]
  EXPECT_EQ(numbers(batch.target), (std::vector<std::int64_t>{1, 1}));
  EXPECT_EQ(dataset->show(1), "the plot is boring");
  EXPECT_EQ(std::vector<std::int64_t>(dataset->lengths().begin(), dataset->lengths().end()),
            (std::vector<std::int64_t>{length_of("a gorgeous movie"), length_of("the plot is boring"), length_of("witty")}));
}

// Whole numbers are classes, others real numbers.
TEST(TextData, FurtherLabelsAreReadAsTheyAreWritten) {
  const Folder folder;
  auto split = reviews(folder, "sentence\tlabel\tstars\ttopic\na gorgeous movie\t1\t4.5\t2\nthe plot is boring\t0\t1\t0\nwitty\t1\t4\t1\n");
  split.labels = {{"stars", "1"}, {"topic", "2"}};
  const auto batch = batch_of(*open_dataset(split, std::nullopt), {2, 0});
  EXPECT_EQ(numbers(batch.target), (std::vector<std::int64_t>{1, 1}));
  EXPECT_TRUE(batch.labels.at(0).target.equal(at::tensor({4.0F, 4.5F})));
  EXPECT_EQ(numbers(batch.labels.at(1).target), (std::vector<std::int64_t>{1, 2}));
}

TEST(TextData, CanBeFilledUpToAFixedLength) {
  const Folder folder;
  auto split = reviews(folder);
  split.text.padding = Padding::max_length;
  const auto dataset = open_dataset(split, std::nullopt);
  EXPECT_EQ(batch_of(*dataset, {2}).inputs[0].sizes(), (std::vector<std::int64_t>{1, 64}));
  EXPECT_TRUE(dataset->lengths().empty());
  EXPECT_TRUE(dataset->info().inputs[0].sizes[0].is_fixed());
}

TEST(TextData, WhatIsCutIsCounted) {
  const Folder folder;
  auto split = reviews(folder);
  split.text.max_length = 5;
  const auto dataset = open_dataset(split, std::nullopt);
  EXPECT_EQ(batch_of(*dataset, {0, 1, 2}).inputs[0].size(1), 5);
  ASSERT_EQ(dataset->info().notes.size(), 1U);
  EXPECT_NE(dataset->info().notes[0].find("1 of 3 examples are cut to 5 tokens (1 tokens lost)"), std::string::npos) << dataset->info().notes[0];
}

TEST(TextData, PairsHaveTypesAndSlicesWork) {
  const Folder folder;
  auto split = text_split(DataFormat::text, write_text(folder / "pairs.csv", "movie,plot,5.0\nwitty jokes,boring,2.25\na,the,0\n"));
  split.split = "pairs[:2]";
  split.text.header = false;
  split.text.columns = {.text = "1", .pair = "2", .label = "3"};
  split.text.regression = true;
  const auto dataset = open_dataset(split, std::nullopt);
  ASSERT_EQ(dataset->size(), 2);
  const auto batch = batch_of(*dataset, {0, 1});
  EXPECT_TRUE(at::equal(batch.target, at::tensor({5.0F, 2.25F})));
  EXPECT_FALSE(dataset->info().classes);
  EXPECT_EQ(batch.inputs[2][0].sum().item<std::int64_t>(), length_of("plot") - 1);  // the second text and its [SEP]
  EXPECT_EQ(dataset->show(1), "witty jokes | boring");
}

TEST(TextData, LabelsMayBeNamesOrAbsent) {
  const Folder folder;
  auto split = reviews(folder, "sentence\tlabel\nwitty\tgood\nboring\tbad\n");
  split.text.classes = {"bad", "good"};
  const auto dataset = open_dataset(split, std::nullopt);
  EXPECT_EQ(numbers(batch_of(*dataset, {0, 1}).target), (std::vector<std::int64_t>{1, 0}));
  EXPECT_EQ(dataset->info().classes, 2);
  EXPECT_FALSE(batch_of(*open_dataset(reviews(folder, "sentence\nwitty\n"), std::nullopt), {0}).target.defined());
}

TEST(TextData, MistakesAreNamedWithTheirLines) {
  const Folder folder;
  const auto problem = [&](const SplitConfig& split) { return error_of([&] { open_dataset(split, std::nullopt); }); };
  auto split = reviews(folder, "sentence\tlabel\nwitty\t1\nboring\tbad\n \t0\n");
  EXPECT_NE(problem(split).find("column `sentence` is empty"), std::string::npos);
  EXPECT_NE(problem(split).find("reviews.tsv:4"), std::string::npos);
  split = reviews(folder, "sentence\tlabel\nwitty\t1\nboring\tbad\n");
  EXPECT_NE(problem(split).find("label `bad`, expected a class number"), std::string::npos) << problem(split);
  EXPECT_NE(problem(split).find("reviews.tsv:3"), std::string::npos);
  split.text.classes = {"bed", "good"};
  EXPECT_NE(problem(split).find("which `classes` does not name"), std::string::npos);
  split = reviews(folder);
  split.text.columns.text = "sentense";
  EXPECT_NE(problem(split).find("did you mean `sentence`"), std::string::npos);
  split = reviews(folder);
  split.text.columns.label = "gold";
  EXPECT_NE(problem(split).find("no column `gold`"), std::string::npos);
  split = reviews(folder);
  split.text.max_length = 2;
  EXPECT_NE(problem(split).find("no room for text"), std::string::npos);
  split = reviews(folder);
  split.text.tokenizer.path = "/no/such.tokenizer.xml";
  EXPECT_NE(problem(split).find("scripts/export_tokenizer.py"), std::string::npos);
  split = reviews(folder);
  split.split = "dev";
  EXPECT_NE(problem(split).find("it has no split `dev`"), std::string::npos);
  split = reviews(folder);
  split.inputs = {"ids"};
  EXPECT_NE(problem(split).find("no input `ids`"), std::string::npos);
}

TEST(TextData, AFolderHoldsOneFileASplit) {
  const Folder folder;
  write_text(folder / "dev.tsv", kReviews);
  auto split = text_split(DataFormat::text, folder.string());
  split.text.columns.text = "sentence";
  split.split = "dev[1:]";
  EXPECT_EQ(open_dataset(split, std::nullopt)->size(), 2);
  split.split = "test";
  EXPECT_NE(error_of([&] { open_dataset(split, std::nullopt); }).find("none of test.tsv"), std::string::npos);
}

TEST(TextData, TokensAreRememberedByContent) {
  const Folder folder;
  auto split = reviews(folder);
  split.text.cache = (folder / "cache").string();
  const auto files = [&] { return std::distance(fs::directory_iterator(folder / "cache"), fs::directory_iterator()); };
  const auto ids = [&] { return batch_of(*open_dataset(split, std::nullopt), {0, 1, 2}).inputs[0]; };
  const auto first = ids();
  EXPECT_EQ(files(), 1);
  EXPECT_TRUE(at::equal(ids(), first));
  EXPECT_EQ(files(), 1);
  for (const auto& entry : fs::directory_iterator(folder / "cache")) write_text(entry.path(), "damaged");
  EXPECT_TRUE(at::equal(ids(), first));
  split.split = "train[:2]";
  open_dataset(split, std::nullopt);
  EXPECT_EQ(files(), 2);
}

TEST(TextData, AugmentedCopiesFollowTheExamples) {
  const Folder folder;
  auto split = reviews(folder, "sentence\tlabel\tother\na gorgeous movie\t1\tgorgeous movie\nthe plot is boring\t0\t\n");
  SynonymReplacement synonyms;
  synonyms.path.path = write_text(folder / "words.txt", "movie film\nmovie picture\ngorgeous lovely\n");
  synonyms.share = 1;
  split.augment = {synonyms};
  split.text.variants = 4;
  const auto dataset = open_dataset(split, std::nullopt);
  ASSERT_GT(dataset->size(), 2);
  for (std::int64_t i = 2; i < dataset->size(); ++i) {
    EXPECT_TRUE(dataset->show(i) == "a lovely film" || dataset->show(i) == "a lovely picture") << dataset->show(i);
    EXPECT_EQ(numbers(batch_of(*dataset, {i}).target), (std::vector<std::int64_t>{1}));
  }
  EXPECT_LE(dataset->size(), 4);  // two copies are all that differ
  EXPECT_NE(dataset->info().notes[0].find("augmented copies of 2 examples"), std::string::npos);
  split.augment = {BackTranslation{.column = "other"}};
  const auto translated = open_dataset(split, std::nullopt);
  ASSERT_EQ(translated->size(), 3);
  EXPECT_EQ(translated->show(2), "gorgeous movie");
  split.augment = {HorizontalFlip{}};
  EXPECT_NE(error_of([&] { open_dataset(split, std::nullopt); }).find("this is text"), std::string::npos);
}

TEST(LanguageModelData, EveryTokenButTheFirstIsPredictedOnce) {
  const Folder folder;
  const std::string text = "a gorgeous , witty , seductive movie .\n\nthe plot is nothing\nbut jokes";
  const auto path = write_text(folder / "corpus.txt", text);
  const auto dataset = open_dataset(text_split(DataFormat::lm, path, 8), std::nullopt);
  std::vector<std::int64_t> ids, targets;
  for (std::int64_t i = 0; i < dataset->size(); ++i) {
    const auto batch = batch_of(*dataset, {i});
    for (const auto id : numbers(batch.inputs[0])) ids.push_back(id);
    for (const auto id : numbers(batch.target)) targets.push_back(id);
  }
  const Tokenizer tokenizer(tiny_tokenizer());
  const auto whole = tokenizer.tokenize({text})[0];
  EXPECT_EQ(ids, std::vector<std::int64_t>(whole.begin(), whole.end() - 1));
  EXPECT_EQ(targets, std::vector<std::int64_t>(whole.begin() + 1, whole.end()));
  const auto last = batch_of(*dataset, {0, dataset->size() - 1});
  EXPECT_EQ(last.target[1][-1].item<std::int64_t>(), dataset->lengths().back() < 8 ? -100 : targets.back());
}

// The plain loop over long text: each window shows what came before, and is asked only for what no window was asked for yet.
TEST(LanguageModelData, WindowsWithAStridePredictEachTokenOnceFromMoreContext) {
  const Folder folder;
  const std::string text = "a gorgeous , witty , seductive movie .\n\nthe plot is nothing\nbut jokes and a lovely picture of a movie";
  auto split = text_split(DataFormat::lm, write_text(folder / "corpus.txt", text), 8);
  split.text.stride = 3;
  const auto dataset = open_dataset(split, std::nullopt);
  const auto whole = Tokenizer(tiny_tokenizer()).tokenize({text})[0];
  const auto usable = static_cast<std::int64_t>(whole.size()) - 1;
  std::int64_t example = 0;
  for (std::int64_t begin = 0, asked = 0; asked < usable; begin += 3, ++example) {
    const std::int64_t end = std::min<std::int64_t>(begin + 8, usable);
    std::vector<std::int64_t> ids, targets;
    for (std::int64_t i = begin; i < end; ++i) {
      ids.push_back(whole[static_cast<std::size_t>(i)]);
      targets.push_back(i < asked ? -100 : whole[static_cast<std::size_t>(i + 1)]);
    }
    const auto batch = batch_of(*dataset, {example});
    EXPECT_EQ(numbers(batch.inputs[0]), ids);
    EXPECT_EQ(numbers(batch.target), targets);
    asked = end;
  }
  EXPECT_EQ(dataset->size(), example);
}

TEST(LanguageModelData, BlocksWithoutTargetsAreLaidOutAsTexts) {
  const Folder folder;
  auto split = text_split(DataFormat::lm, write_text(folder / "corpus.txt", "a gorgeous , witty , seductive movie .\n"), 8);
  split.text.targets = LmTargets::none;
  const auto dataset = open_dataset(split, std::nullopt);
  const auto batch = batch_of(*dataset, {0});
  EXPECT_FALSE(batch.target.defined());
  EXPECT_EQ(batch.inputs[0].size(1), 8);
  EXPECT_EQ(batch.inputs[0][0][0].item<std::int64_t>(), 2);
  EXPECT_EQ(batch.inputs[0][0][7].item<std::int64_t>(), 3);
}

}  // namespace
}  // namespace dsc::test
