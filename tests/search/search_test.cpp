// Searches over plans, on a problem small enough to try every plan.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/random.h"
#include "search/agent.h"
#include "search/episodes.h"
#include "search/evolution.h"
#include "search/space.h"
#include "support/fake_context.h"
#include "support/tiny_models.h"

namespace dsc::search {
namespace {

// Six parts of five levels: what a level saves and what it loses differ from part to part, and two parts lose more together.
constexpr std::size_t kParts = 6;
constexpr std::int64_t kLevels = 5;
constexpr double kSaves[kParts] = {9, 4, 7, 2, 5, 3};
constexpr double kLoses[kParts] = {1, 6, 3, 5, 2, 4};

double toy_cost(const Plan& plan) {
  double cost = 0;
  for (std::size_t i = 0; i < kParts; ++i) cost += kSaves[i] * static_cast<double>(kLevels - plan[i]);
  return cost;
}

double toy_value(const Plan& plan) {
  double lost = static_cast<double>(plan[0] * plan[4]) * 1.5;
  for (std::size_t i = 0; i < kParts; ++i) lost += kLoses[i] * static_cast<double>(plan[i] * plan[i]);
  return 1 - lost / 300;
}

Space toy_space() {
  std::vector<Part> parts;
  for (std::size_t i = 0; i < kParts; ++i) parts.push_back({"part" + std::to_string(i), kLevels, {kSaves[i], 1}});
  return {std::move(parts), toy_cost, 0.6 * toy_cost(Plan(kParts, 0))};
}

void for_each_plan(const std::function<void(const Plan&)>& body) {
  Plan plan(kParts, 0);
  for (;;) {
    body(plan);
    std::size_t i = 0;
    while (i < kParts && ++plan[i] == kLevels) plan[i++] = 0;
    if (i == kParts) return;
  }
}

double best_value(const Space& space) {
  double best = -1;
  for_each_plan([&](const Plan& plan) {
    if (space.fits(plan)) best = std::max(best, toy_value(plan));
  });
  return best;
}

std::unique_ptr<Proposer> make(const std::string& method, const Space& space, std::int64_t episodes, std::uint64_t seed) {
  std::vector<Plan> starts{space.plan_of(space.fit(Shares(kParts, 0.5)))};
  if (method == "agent") return std::make_unique<Agent>(space, starts, episodes, seed);
  return std::make_unique<Evolution>(space, starts, episodes, seed);
}

std::vector<Episode> play(const std::string& method, std::int64_t episodes, std::uint64_t seed) {
  const Space space = toy_space();
  const auto proposer = make(method, space, episodes, seed);
  std::vector<Episode> played;
  for (std::int64_t i = 0; i < episodes; ++i) {
    const Plan plan = proposer->propose();
    EXPECT_TRUE(space.fits(plan)) << method << ", episode " << i;
    played.push_back({plan, toy_value(plan)});
    proposer->learn(plan, played.back().value);
  }
  return played;
}

double best_of(const std::vector<Episode>& episodes) { return std::ranges::max_element(episodes, {}, &Episode::value)->value; }
double mean_of(const std::vector<Episode>& episodes, std::size_t from, std::size_t count) {
  double sum = 0;
  for (std::size_t i = from; i < from + count; ++i) sum += episodes[i].value / static_cast<double>(count);
  return sum;
}

TEST(SearchSpace, LeastLevelIsThatOfAllCompletionsThatFit) {
  const Space space = toy_space();
  Random random(3);
  for (int round = 0; round < 20; ++round) {
    Plan plan(kParts, 0);
    for (std::size_t i = 0; i < kParts; ++i) {
      std::int64_t least = kLevels;
      for_each_plan([&](const Plan& other) {
        if (std::equal(plan.begin(), plan.begin() + static_cast<std::ptrdiff_t>(i), other.begin()) && space.fits(other)) least = std::min(least, other[i]);
      });
      ASSERT_EQ(space.least_level(plan, i), least);
      plan[i] = least + random.below(kLevels - least);
    }
    EXPECT_TRUE(space.fits(plan)) << "a plan of clipped levels keeps to the budget";
  }
}

TEST(SearchSpace, FittedSharesUseTheBudgetAndKeepTheirOrder) {
  const Space space = toy_space();
  Random random(4);
  for (int round = 0; round < 50; ++round) {
    Shares shares(kParts);
    for (double& share : shares) share = random.uniform();
    const Shares fitted = space.fit(shares);
    const Plan plan = space.plan_of(fitted);
    EXPECT_TRUE(space.fits(plan));
    Shares lower = fitted;
    for (double& share : lower) share = std::max(0.0, share - 0.25);
    EXPECT_TRUE(space.plan_of(lower) == plan || !space.fits(space.plan_of(lower))) << "a level less for all is too much";
    for (std::size_t i = 1; i < kParts; ++i) EXPECT_LE((shares[i] - shares[0]) * (fitted[i] - fitted[0]), (shares[i] - shares[0]) * (shares[i] - shares[0]) + 1e-9);
  }
}

TEST(SearchSpace, RefusesABudgetThatNoPlanKeeps) {
  EXPECT_THROW(Space({{"a", 3, {}}}, [](const Plan& plan) { return 10.0 - static_cast<double>(plan[0]); }, 7), Error);
}

TEST(SearchEvolution, FindsTheBestOfAllPlans) {
  const double best = best_value(toy_space());
  for (const std::uint64_t seed : {1, 2, 3}) EXPECT_NEAR(best_of(play("evolution", 400, seed)), best, 1e-12) << seed;
}

TEST(SearchAgent, LearnsWhatToTake) {
  const auto episodes = play("agent", 160, 1);
  EXPECT_GT(best_of(episodes), best_value(toy_space()) - 0.02);
  EXPECT_GT(mean_of(episodes, 140, 20), mean_of(episodes, 1, 39) + 0.03) << "better than its random beginning";
}

TEST(SearchProposers, SameSeedSamePlans) {
  for (const std::string method : {"evolution", "agent"}) {
    const auto one = play(method, 40, 7), two = play(method, 40, 7), other = play(method, 40, 8);
    std::size_t differ = 0;
    for (std::size_t i = 0; i < one.size(); ++i) {
      EXPECT_EQ(one[i].plan, two[i].plan) << method << ", episode " << i;
      differ += one[i].plan != other[i].plan;
    }
    EXPECT_GT(differ, 20U) << method;
  }
}

TEST(SearchEpisodes, AKilledSearchGoesOnAsIfNothingHadHappened) {
  const Space space = toy_space();
  constexpr std::int64_t kEpisodes = 33;
  for (const std::string method : {"evolution", "agent"}) {
    Model model = test::tiny_mlp();
    int measured = 0;
    const auto search = [&](test::FakeContext& context) {
      return context.stage("search", model, [&] {
        const auto proposer = make(method, space, kEpisodes, 5);
        return to_text(run_episodes(*proposer, "top1", kEpisodes, [&](const Plan& plan) {
          ++measured;
          return toy_value(plan);
        }, model, context));
      });
    };
    test::FakeContext whole(model), killed(model);
    const std::string expected = search(whole);
    killed.kill_after_saves = 3;
    EXPECT_THROW(search(killed), test::Killed);
    killed.restart();
    measured = 0;
    EXPECT_EQ(search(killed), expected) << method;
    EXPECT_EQ(measured, kEpisodes - 15) << "what was measured before the kill is not measured again";
    EXPECT_EQ(killed.curve_values("search_best_top1"), whole.curve_values("search_best_top1"));
  }
}

TEST(SearchEpisodes, ARecordOfAnotherSearchIsRefused) {
  const Space space = toy_space();
  Model model = test::tiny_mlp();
  test::FakeContext context(model);
  context.kill_after_saves = 1;
  const auto search = [&](std::uint64_t seed) {
    const auto proposer = make("evolution", space, 20, seed);
    context.stage("search", model, [&] { return to_text(run_episodes(*proposer, "top1", 20, toy_value, model, context)); });
  };
  EXPECT_THROW(search(1), test::Killed);
  context.restart();
  EXPECT_THROW(search(2), Error);
}

TEST(SearchEpisodes, SmallerIsBetterForLosses) {
  const Record record{.metric = "loss", .episodes = {{{0}, 0.5}, {{1}, 0.2}, {{2}, 0.9}}, .starts = 1};
  EXPECT_EQ(record.best().plan, Plan{1});
  EXPECT_EQ(note_of(record), "search: loss 0.2000 in episode 2 of 3; the plans it began with: 0.5000");
  EXPECT_EQ(to_text(parse_record(to_text(record))), to_text(record));
}

}  // namespace
}  // namespace dsc::search
