#include "text/table.h"

#include <gtest/gtest.h>

#include "support/program.h"
#include "text/fixture.h"
#include "text/utf8.h"

namespace dsc::test {
namespace {

struct Case {
  std::string name, content;
};

class ReadTable : public testing::TestWithParam<Case> {};

// The same two rows in every format.
TEST_P(ReadTable, GivesColumnsByName) {
  const TempFolder folder;
  const auto path = folder.file(GetParam().name);
  spit(path, GetParam().content);
  const TextTable table(path);
  ASSERT_EQ(table.row_count(), 2);
  EXPECT_EQ(table.column("sentence"), (std::vector<std::string>{"good, bad", "ugly"}));
  EXPECT_EQ(table.column("label"), (std::vector<std::string>{"1", "0"}));
}

INSTANTIATE_TEST_SUITE_P(Formats, ReadTable,
                         testing::Values(Case{"a.tsv", "sentence\tlabel\ngood, bad\t1\nugly\t0\n"}, Case{"b.tsv", "\xEF\xBB\xBFsentence\tlabel\r\ngood, bad\t1\r\nugly\t0"},
                                         Case{"a.csv", "sentence,label\n\"good, bad\",1\nugly,0\n"}, Case{"b.csv", "label,sentence\r\n1,\"good, bad\"\r\n0,\"ugly\"\r\n"},
                                         Case{"a.jsonl", "{\"sentence\": \"good, bad\", \"label\": 1}\n{\"label\": 0, \"sentence\": \"ugly\"}\n"}));

TEST(ReadTable, QuotedFieldsHoldQuotesAndLineBreaks) {
  const TempFolder folder;
  spit(folder.file("a.csv"), "a,b\n\"say \"\"x\"\"\nnext\",\n,2\n");
  const TextTable table(folder.file("a.csv"));
  EXPECT_EQ(table.column("a"), (std::vector<std::string>{"say \"x\"\nnext", ""}));
  EXPECT_EQ(table.column("b"), (std::vector<std::string>{"", "2"}));
  EXPECT_EQ(table.place(1).line, 4);  // where the row starts, line breaks in fields counted
}

TEST(ReadTable, ColumnsWithoutHeaderAreNumbered) {
  const TempFolder folder;
  spit(folder.file("a.data"), "x,y\nz,w\n");
  const TextTable table(folder.file("a.data"), TableFormat::csv, false);
  EXPECT_EQ(table.column("2"), (std::vector<std::string>{"y", "w"}));
}

TEST(ReadTable, EachProblemHasItsLine) {
  const auto problems_of = [](const std::string& name, const std::string& content) {
    const TempFolder folder;
    spit(folder.file(name), content);
    auto text = error_of([&] { TextTable(folder.file(name)); });
    for (auto at = text.find(folder.path()); at != std::string::npos; at = text.find(folder.path())) text.erase(at, folder.path().size() + 1);
    return text;
  };
  EXPECT_EQ(problems_of("a.tsv", "a\tb\n1\t2\n\n3\n"), "the line is empty\n  at a.tsv:3\n  hint: remove it\n"
                                                        "the line has 1 columns, the first line has 2\n  at a.tsv:4");
  EXPECT_TRUE(contains(problems_of("a.tsv", "a\tb\n1\t\xC3\n"), "broken UTF-8\n  at a.tsv:2 (offset 6)"));
  EXPECT_TRUE(contains(problems_of("a.csv", "a,b\n1,x\"y\"\n"), "a.csv:2"));
  EXPECT_TRUE(contains(problems_of("a.csv", "a,b\n1,\"x\"y\n"), "text after a quoted field\n  at a.csv:2"));
  EXPECT_TRUE(contains(problems_of("a.csv", "a,b\n1,\"x\n"), "does not end\n  at a.csv:2"));
  EXPECT_TRUE(contains(problems_of("a.jsonl", "{\"a\": 1}\n[1]\n"), "no JSON object\n  at a.jsonl:2"));
  EXPECT_TRUE(contains(problems_of("a.jsonl", "{\"a\": 1}\n{\"b\": 1}\n"), "no `a`"));
  EXPECT_TRUE(contains(problems_of("a.tsv", "a\tb\n"), "no rows"));
  EXPECT_TRUE(contains(problems_of("a.doc", "a\tb\n"), ".tsv, .csv, .jsonl or .txt"));
  std::string many = "a\tb\n";
  for (int i = 0; i < 30; ++i) many += "x\n";
  EXPECT_TRUE(contains(problems_of("a.tsv", many), "and 20 more like these"));
}

TEST(ReadTable, AMissingColumnSuggestsTheNearest) {
  const TempFolder folder;
  spit(folder.file("a.tsv"), "sentence\tlabel\nx\t1\n");
  const TextTable table(folder.file("a.tsv"));
  EXPECT_TRUE(contains(error_of([&] { table.column("sentense"); }), "did you mean `sentence`"));
}

TEST(Utf8, FindsTheFirstBrokenByte) {
  EXPECT_EQ(find_broken_utf8("aé漢😀"), std::string::npos);
  for (const auto* broken : {"ab\x80", "ab\xC0\x80", "ab\xE0\x80\x80", "ab\xED\xA0\x80", "ab\xF4\x90\x80\x80", "ab\xE6\xBC", "ab\xFF"})
    EXPECT_EQ(find_broken_utf8(broken), 2U) << broken;
}

TEST(Utf8, KnowsClassesOfCharacters) {
  EXPECT_EQ(to_lower("ÀÉ ŞΩЖ x漢"), "àé şωж x漢");
  for (const char32_t space : {U' ', U'\t', U'\u00A0', U'\u3000', U'\u2003'}) EXPECT_TRUE(is_space(space));
  for (const char32_t sign : {U'.', U'$', U'“', U'—', U'_'}) EXPECT_TRUE(is_punctuation(sign));
  for (const char32_t letter : {U'a', U'é', U'漢', U'7'}) EXPECT_FALSE(is_punctuation(letter));
}

}  // namespace
}  // namespace dsc::test
