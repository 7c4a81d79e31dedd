#include "text/augment.h"

#include <gtest/gtest.h>

#include <set>

#include "support/program.h"
#include "text/fixture.h"

namespace dsc::test {
namespace {

TEST(Synonyms, AreReadInBothForms) {
  const TempFolder folder;
  spit(folder.file("pairs.txt"), "Film movie\nfilm picture\nfilm movie\n");
  EXPECT_EQ(read_synonyms(folder.file("pairs.txt")).at("film"), (std::vector<std::string>{"movie", "picture"}));
  spit(folder.file("net.tsv"), "film\tn\tmovie,picture\nfilm\tv\tshoot\n");
  EXPECT_EQ(read_synonyms(folder.file("net.tsv")).at("film"), (std::vector<std::string>{"movie", "picture", "shoot"}));
  spit(folder.file("bad.txt"), "film movie\nalone\n");
  EXPECT_TRUE(contains(error_of([&] { read_synonyms(folder.file("bad.txt")); }), "bad.txt:2"));
}

TEST(Neighbours, AreTheNearestByAngle) {
  const TempFolder folder;
  spit(folder.file("v.json"), R"({"a": [1, 0], "b": [10, 1], "c": [1, 1], "d": [-1, 0]})");
  const auto choices = read_neighbours(folder.file("v.json"), 2);
  EXPECT_EQ(choices.at("a"), (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(choices.at("d"), (std::vector<std::string>{"c", "b"}));
  spit(folder.file("v.json"), R"({"a": [1, 0], "b": [1]})");
  EXPECT_TRUE(contains(error_of([&] { read_neighbours(folder.file("v.json"), 2); }), "`b`"));
}

TEST(ReplaceWords, KeepsEverythingElse) {
  const WordChoices choices{{"film", {"movie"}}, {"été", {"summer"}}};
  Random random(1);
  EXPECT_EQ(replace_words("A Film, (film) filmed - Été!", choices, 1, random), "A Movie, (movie) filmed - summer!");
  EXPECT_EQ(replace_words("A film.", choices, 0, random), "A film.");
}

TEST(ReplaceWords, ReplacesTheShareAskedFor) {
  const WordChoices choices{{"x", {"y", "z"}}};
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "x ";
  Random random(5);
  const auto result = replace_words(text, choices, 0.25, random);
  const auto count = [&](char c) { return std::count(result.begin(), result.end(), c); };
  EXPECT_NEAR(static_cast<double>(count('x')), 1500, 80);
  EXPECT_NEAR(static_cast<double>(count('y')), 250, 50);
}

}  // namespace
}  // namespace dsc::test
