#include "data/batch_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "core/random.h"

namespace dsc {
namespace {

std::vector<std::int64_t> some_lengths(std::int64_t count) {
  Random random(7);
  std::vector<std::int64_t> lengths;
  for (std::int64_t i = 0; i < count; ++i) lengths.push_back(3 + random.below(60));
  return lengths;
}

std::vector<std::int64_t> sorted(std::vector<std::int64_t> values) {
  std::sort(values.begin(), values.end());
  return values;
}

std::vector<std::int64_t> up_to(std::int64_t count) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

TEST(BatchOrder, EveryExampleComesOnceWithLittlePadding) {
  const auto lengths = some_lengths(1003);
  const LoaderOptions shuffle{.batch = 16, .shuffle = true, .seed = 5};
  const auto order = batch_order(1003, lengths, shuffle), plain = batch_order(1003, {}, shuffle);
  EXPECT_EQ(sorted(order), up_to(1003));
  EXPECT_EQ(order, batch_order(1003, lengths, shuffle));
  auto other = shuffle;
  other.seed = 6;
  EXPECT_NE(order, batch_order(1003, lengths, other));
  EXPECT_LT(padding_share(order, lengths, 16), 0.05);
  EXPECT_GT(padding_share(plain, lengths, 16), 0.3);
  EXPECT_LE(padding_share(batch_order(1003, lengths, {.batch = 16}), lengths, 16), padding_share(order, lengths, 16));
}

TEST(BatchOrder, BatchesAreNotInOrderOfLength) {
  const auto lengths = some_lengths(1600);
  const auto order = batch_order(1600, lengths, {.batch = 16, .shuffle = true, .seed = 1});
  int rises = 0;
  for (std::size_t b = 16; b < order.size(); b += 16) rises += lengths[static_cast<std::size_t>(order[b])] > lengths[static_cast<std::size_t>(order[b - 16])];
  EXPECT_GT(rises, 25);
  EXPECT_LT(rises, 75);
}

// Otherwise the longest examples would never be seen.
TEST(BatchOrder, WhatIsDroppedDoesNotDependOnLength) {
  const auto lengths = some_lengths(103);
  std::vector<bool> seen(103);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto order = batch_order(103, lengths, {.batch = 10, .shuffle = true, .drop_last = true, .seed = seed});
    EXPECT_EQ(order.size(), 100U);
    for (const auto i : order) seen[static_cast<std::size_t>(i)] = true;
  }
  EXPECT_TRUE(std::all_of(seen.begin(), seen.end(), [](bool there) { return there; }));
}

TEST(BatchOrder, PaddingShareByHand) {
  const std::vector<std::int64_t> lengths{1, 3, 2, 2, 5};
  EXPECT_DOUBLE_EQ(padding_share(up_to(5), lengths, 2), 1.0 - 13.0 / 15.0);
  EXPECT_DOUBLE_EQ(padding_share(up_to(5), {}, 2), 0);
}

}  // namespace
}  // namespace dsc
