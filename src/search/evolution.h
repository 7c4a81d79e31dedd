// Evolution of plans: parents win small tournaments, children take each share from one of two and a few shares anew, and all are
// moved to the budget.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "core/random.h"
#include "search/episodes.h"
#include "search/space.h"

namespace dsc::search {

class Evolution : public Proposer {
 public:
  // starts: plans within the budget, proposed first. episodes: how many there will be.
  Evolution(const Space& space, std::vector<Plan> starts, std::int64_t episodes, std::uint64_t seed);
  std::int64_t starts() const override { return static_cast<std::int64_t>(starts_.size()); }
  Plan propose() override;
  void learn(const Plan& plan, double reward) override;

 private:
  struct Individual {
    Shares shares;
    double reward = 0;
  };
  Shares child();
  const Individual& parent();
  void mutate(Shares& shares, double rate, double deviation);

  const Space& space_;
  std::vector<Plan> starts_;
  std::size_t population_size_;
  Random random_;
  std::vector<Individual> population_;  // the best so far, best first
  std::set<Plan> seen_;
  std::size_t proposed_ = 0;
};

}  // namespace dsc::search
