#include "passes/quantize/choose/knapsack.h"

#include <gtest/gtest.h>

#include <limits>

#include "core/random.h"

namespace dsc::quantize {
namespace {

using Items = std::vector<std::vector<Choice>>;

Choice total(const Items& items, const std::vector<std::size_t>& chosen) {
  Choice sum;
  for (std::size_t i = 0; i < items.size(); ++i) sum = {sum.cost + items[i][chosen[i]].cost, sum.loss + items[i][chosen[i]].loss};
  return sum;
}

// Every combination.
double least_loss_by_trying(const Items& items, double budget) {
  double least = std::numeric_limits<double>::infinity();
  std::vector<std::size_t> chosen(items.size(), 0);
  while (true) {
    const Choice sum = total(items, chosen);
    if (sum.cost <= budget) least = std::min(least, sum.loss);
    std::size_t i = 0;
    while (i < items.size() && ++chosen[i] == items[i].size()) chosen[i++] = 0;
    if (i == items.size()) return least;
  }
}

// Whole numbers, so that sums are exact.
std::size_t below(Random& random, std::int64_t bound) { return static_cast<std::size_t>(random.below(bound)); }

Items random_items(Random& random, std::size_t count) {
  Items items(count);
  for (auto& choices : items) {
    choices.resize(1 + below(random, 4));
    for (Choice& choice : choices) choice = {static_cast<double>(random.below(50)), static_cast<double>(random.below(100))};
  }
  return items;
}

TEST(Knapsack, EqualsTryingEverything) {
  Random random(7);
  for (int round = 0; round < 300; ++round) {
    const Items items = random_items(random, 1 + below(random, 6));
    const double budget = static_cast<double>(random.below(200));
    const auto chosen = find_least_loss(items, budget);
    const double least = least_loss_by_trying(items, budget);
    ASSERT_EQ(chosen.has_value(), least < std::numeric_limits<double>::infinity()) << round;
    if (!chosen) continue;
    EXPECT_LE(total(items, *chosen).cost, budget) << round;
    EXPECT_EQ(total(items, *chosen).loss, least) << round;
  }
}

// With few states a sum may be passed over for one that costs up to an interval more, once an item.
TEST(Knapsack, FewStatesKeepTheBudgetAndTheirBound) {
  constexpr std::size_t kItems = 40, kStates = 400;
  Random random(3);
  for (int round = 0; round < 20; ++round) {
    const Items items = random_items(random, kItems);
    for (const double budget : {400.0, 600.0, 900.0, 1500.0}) {
      const auto rough = find_least_loss(items, budget, kStates);
      const auto exact = find_least_loss(items, budget, 100000);
      const auto tighter = find_least_loss(items, budget * (1 - static_cast<double>(kItems) / kStates), 100000);
      ASSERT_EQ(exact.has_value(), rough.has_value());
      if (!exact) continue;
      EXPECT_LE(total(items, *rough).cost, budget);
      EXPECT_LE(total(items, *exact).loss, total(items, *rough).loss);
      if (tighter) {
        EXPECT_LE(total(items, *rough).loss, total(items, *tighter).loss);
      }
    }
  }
}

TEST(Knapsack, NothingToChoose) { EXPECT_TRUE(find_least_loss({}, 0)->empty()); }

}  // namespace
}  // namespace dsc::quantize
