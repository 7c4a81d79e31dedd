#include "search/evolution.h"

#include <algorithm>

#include "search/normal.h"

namespace dsc::search {
namespace {

// A population of a sixth of all episodes leaves five generations for selection.
std::size_t population_of(std::int64_t episodes) { return static_cast<std::size_t>(std::clamp<std::int64_t>(episodes / 6, 4, 32)); }

constexpr int kTournament = 3;
constexpr int kTries = 20;               // for a plan that was not proposed before
constexpr double kDeviation = 0.15;      // of a mutated share
constexpr double kWideRate = 0.5, kWideDeviation = 0.25;  // of the first population

}  // namespace

Evolution::Evolution(const Space& space, std::vector<Plan> starts, std::int64_t episodes, std::uint64_t seed)
    : space_(space), starts_(std::move(starts)), population_size_(population_of(episodes)), random_(seed) {}

Plan Evolution::propose() {
  const std::size_t number = proposed_++;
  Plan plan;
  if (number < starts_.size()) {
    plan = starts_[number];
  } else {
    for (int i = 0; i < kTries; ++i) {
      plan = space_.plan_of(space_.fit(child()));
      if (!seen_.contains(plan)) break;
    }
  }
  seen_.insert(plan);
  return plan;
}

void Evolution::learn(const Plan& plan, double reward) {
  const auto place = std::ranges::find_if(population_, [&](const Individual& other) { return other.reward < reward; });
  population_.insert(place, {space_.shares_of(plan), reward});
  if (population_.size() > population_size_) population_.pop_back();
}

Shares Evolution::child() {
  if (population_.empty()) {
    Shares shares(space_.size());
    for (double& share : shares) share = random_.uniform();
    return shares;
  }
  const bool is_first_generation = proposed_ <= population_size_;
  Shares shares = parent().shares;
  const Shares& other = parent().shares;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    if (random_.below(2) == 1) shares[i] = other[i];
  }
  if (is_first_generation) mutate(shares, kWideRate, kWideDeviation);
  else mutate(shares, std::max(0.1, 2.0 / static_cast<double>(shares.size())), kDeviation);
  return shares;
}

const Evolution::Individual& Evolution::parent() {
  auto best = static_cast<std::int64_t>(population_.size()) - 1;
  for (int i = 0; i < kTournament; ++i) best = std::min(best, random_.below(static_cast<std::int64_t>(population_.size())));
  return population_[static_cast<std::size_t>(best)];
}

void Evolution::mutate(Shares& shares, double rate, double deviation) {
  for (double& share : shares) {
    if (random_.uniform() < rate) share = std::clamp(share + deviation * normal(random_), 0.0, 1.0);
  }
}

}  // namespace dsc::search
