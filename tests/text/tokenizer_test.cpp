#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include "support/program.h"
#include "text/fixture.h"
#include "text/offsets.h"

namespace dsc::test {
namespace {

Tokenize with(const Tokenizer& tokenizer) {
  return [&tokenizer](const std::vector<std::string>& texts) { return tokenizer.tokenize(texts); };
}

class TinyTokenizer : public testing::TestWithParam<std::string> {
 protected:
  const Tokenizer tokenizer{text_fixture(GetParam() + ".tokenizer.xml")};
  const nlohmann::json record = recorded(GetParam());
};

TEST_P(TinyTokenizer, GivesHuggingFacesTokens) {
  const auto texts = record.at("texts").get<std::vector<std::string>>();
  const auto ids = record.at("ids").get<std::vector<TokenIds>>();
  const auto found = tokenizer.tokenize(texts);
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(found[i], ids[i]) << texts[i];
}

TEST_P(TinyTokenizer, MoreTextsThanGoThroughAtOnceKeepTheirOrder) {
  const auto ids = record.at("ids").get<std::vector<TokenIds>>();
  const auto texts = record.at("texts").get<std::vector<std::string>>();
  std::vector<std::string> many;
  for (int i = 0; i < 600; ++i) many.push_back(texts[static_cast<std::size_t>(i) % texts.size()]);
  const auto found = tokenizer.tokenize(many);
  ASSERT_EQ(found.size(), many.size());
  for (std::size_t i = 0; i < many.size(); ++i) EXPECT_EQ(found[i], ids[i % texts.size()]);
}

TEST_P(TinyTokenizer, SequencesAreLaidOutAndCutAsHuggingFaceDoes) {
  for (const auto& expected : record.at("sequences")) {
    const auto first = expected.at("first").get<std::string>();
    const bool pair = !expected.at("second").is_null();
    const auto second = pair ? expected.at("second").get<std::string>() : std::string();
    const auto tokens = tokenizer.tokenize({first, second});
    const auto& layout = pair ? tokenizer.facts().pair : tokenizer.facts().single;
    const auto sequence = make_sequence(layout, tokens[0], tokens[1], expected.at("max_length").get<std::int64_t>());
    EXPECT_EQ(sequence.ids, expected.at("ids").get<TokenIds>()) << expected;
    EXPECT_EQ(sequence.types, expected.at("types").get<TokenIds>()) << expected;
    const auto whole = tokens[0].size() + tokens[1].size() + static_cast<std::size_t>(layout.special_count());
    EXPECT_EQ(sequence.cut, static_cast<std::int64_t>(whole - sequence.ids.size()));
  }
}

TEST_P(TinyTokenizer, SpansHoldWhatHuggingFaceTracesTokensTo) {
  const auto texts = record.at("texts").get<std::vector<std::string>>();
  const auto ids = record.at("ids").get<std::vector<TokenIds>>();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].find("  ") != std::string::npos && GetParam() == "byte_pairs") continue;  // spaces are tokens of their own there
    const auto located = locate_tokens(with(tokenizer), {texts[i]}).front();
    EXPECT_EQ(located.ids, ids[i]);
    ASSERT_EQ(located.spans.size(), ids[i].size());
    const auto offsets = record.at("offsets").at(i).get<std::vector<std::pair<std::size_t, std::size_t>>>();
    for (std::size_t t = 0; t < offsets.size(); ++t) {
      const auto begin = texts[i].find_first_not_of(" \t", offsets[t].first);  // byte-level tokens begin with their space
      EXPECT_LE(located.spans[t].begin, begin) << texts[i] << ", token " << t;
      EXPECT_GE(located.spans[t].end, offsets[t].second) << texts[i] << ", token " << t;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, TinyTokenizer, testing::Values("word_pieces", "byte_pairs"), [](const auto& info) { return info.param; });

TEST(Offsets, PunctuationHasSpansOfItsOwn) {
  const Tokenizer tokenizer(text_fixture("word_pieces.tokenizer.xml"));
  const std::string text = "In 1854, the city's film (again).";
  const auto located = locate_tokens(with(tokenizer), {text}).front();
  std::vector<std::string> words;
  for (std::size_t i = 0; i < located.spans.size(); ++i) {
    if (i == 0 || located.spans[i] != located.spans[i - 1]) words.push_back(text.substr(located.spans[i].begin, located.spans[i].end - located.spans[i].begin));
  }
  EXPECT_EQ(words, (std::vector<std::string>{"In", "1854", ",", "the", "city", "'", "s", "film", "(", "again", ")", "."}));
}

TEST(Offsets, TokensThatDoNotEndWithWordsAreRefused) {
  const Tokenizer tokenizer(text_fixture("byte_pairs.tokenizer.xml"));
  EXPECT_TRUE(contains(error_of([&] { locate_tokens(with(tokenizer), {"two  spaces"}); }), "cannot be traced back"));
}

TEST(Tokenizer, SaysWhatIsWrongWithItsFile) {
  EXPECT_TRUE(contains(error_of([] { Tokenizer("/no/such.tokenizer.xml"); }), "scripts/export_tokenizer.py"));
  const TempFolder folder;
  spit(folder.file("x.tokenizer.xml"), "<net/>");
  EXPECT_TRUE(contains(error_of([&] { Tokenizer(folder.file("x.tokenizer.xml")); }), "no converted tokenizer"));
}

TEST(Sequence, TheSecondTextAloneCanBeCut) {
  const SequenceTemplate layout("1:0 A:0 2:0 B:1 2:1");
  const auto sequence = make_sequence(layout, {10, 11, 12}, {20, 21, 22, 23}, 8, Truncation::second);
  EXPECT_EQ(sequence.ids, (TokenIds{1, 10, 11, 12, 2, 20, 21, 2}));
  EXPECT_EQ(sequence.types, (TokenIds{0, 0, 0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(sequence.first_at, 1);
  EXPECT_EQ(sequence.second_at, 5);
  EXPECT_EQ(sequence.cut, 2);
  EXPECT_THROW(SequenceTemplate("1:x"), Error);
}

}  // namespace
}  // namespace dsc::test
