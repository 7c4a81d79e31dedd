#include "data/split.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "data/files.h"

namespace dsc {
namespace {

using test::error_of;

std::vector<std::int64_t> select(const std::string& text, std::int64_t total, std::int64_t subset = 0, std::int64_t seed = 0) {
  SplitConfig split;
  split.split = text;
  split.subset = subset;
  split.subset_seed = seed;
  return select_examples(split, total);
}

std::vector<std::int64_t> range(std::int64_t start, std::int64_t stop, std::int64_t step = 1) {
  std::vector<std::int64_t> values;
  for (std::int64_t i = start; i < stop; i += step) values.push_back(i);
  return values;
}

TEST(Split, SlicesAsPythonDoes) {
  EXPECT_EQ(select("train", 10), range(0, 10));
  EXPECT_EQ(select("train[:]", 10), range(0, 10));
  EXPECT_EQ(select("train[:-3]", 10), range(0, 7));
  EXPECT_EQ(select("train[-3:]", 10), range(7, 10));
  EXPECT_EQ(select("train[2:5]", 10), range(2, 5));
  EXPECT_EQ(select("train[::3]", 10), range(0, 10, 3));
  EXPECT_EQ(select("train[1:-1:2]", 10), range(1, 9, 2));
}

TEST(Split, PercentagesPartitionTheExamples) {
  EXPECT_EQ(select("train[10%:20%]", 100), range(10, 20));
  for (const std::int64_t total : {7, 10, 101, 999}) {
    std::vector<std::int64_t> joined;
    for (const char* part : {"all[:12.5%]", "all[12.5%:50%]", "all[50%:]"}) {
      const auto indices = select(part, total);
      joined.insert(joined.end(), indices.begin(), indices.end());
    }
    EXPECT_EQ(joined, range(0, total)) << total;
  }
  EXPECT_EQ(select("train[-10%:]", 50), range(45, 50));
}

TEST(Split, SubsetIsSeededAscendingAndInsideTheSlice) {
  const auto subset = select("train[100:]", 1000, 50, 7);
  EXPECT_EQ(subset.size(), 50u);
  EXPECT_TRUE(std::is_sorted(subset.begin(), subset.end()));
  EXPECT_EQ(std::set<std::int64_t>(subset.begin(), subset.end()).size(), 50u);
  EXPECT_GE(subset.front(), 100);
  EXPECT_EQ(subset, select("train[100:]", 1000, 50, 7));
  EXPECT_NE(subset, select("train[100:]", 1000, 50, 8));
  EXPECT_EQ(select("train", 10, 99), range(0, 10));
}

TEST(Split, LimitTakesExamplesAtEvenDistances) {
  SplitConfig split;
  split.split = "train[10:]";
  split.limit = 5;
  EXPECT_EQ(select_examples(split, 110), (std::vector<std::int64_t>{10, 30, 50, 70, 90}));
  split.limit = 500;
  EXPECT_EQ(select_examples(split, 110).size(), 100u);
}

TEST(Split, BoundsBeyondTheDataAndEmptySelectionsAreErrors) {
  EXPECT_NE(error_of([] { select("train[:60000]", 50000); }).find("asks for 60000 examples, there are 50000"), std::string::npos);
  EXPECT_NE(error_of([] { select("train[5:5]", 10); }).find("is empty"), std::string::npos);
  EXPECT_NE(error_of([] { select("train[7:3]", 10); }).find("is empty"), std::string::npos);
}

TEST(Split, MalformedExpressionsShowTheGrammar) {
  for (const char* text : {"", "[1:2]", "train[", "train[5]", "train[1:2:3:4]", "train[a:]", "train[1.5:]", "train[:120%]",
                           "train[::0]", "train[::-1]", "train[::5%]", "train [:5]", "../secret", "train[1:2]x", "train[1e999:]"}) {
    EXPECT_NE(error_of([&] { select(text, 10); }).find("train[10%:20%]"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace dsc
