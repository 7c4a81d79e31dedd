// A reinforcement-learning agent (DDPG, Lillicrap et al. 2016, arXiv:1509.02971) that goes through the parts of a model in order and
// chooses a share for each: AMC for channels (He et al. 2018, arXiv:1802.03494), HAQ for widths (Wang et al. 2019, arXiv:1811.08886).
//
// A state is what is known when a part's turn comes: the part's own features, what the parts before took of the budget, what those
// after it can still take, and the action before. Every step of an episode earns the episode's value, less a moving average. Both papers'
// settings, but for the length of exploration, which is a quarter of the episodes here, whatever their number. HAQ lowers widths in turn until the
// budget is met; here both are clipped to what can still meet it, and what a plan leaves of the budget is given back evenly.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "core/random.h"
#include "search/episodes.h"
#include "search/space.h"

namespace dsc::search {

class Network;

class Agent : public Proposer {
 public:
  // starts: plans within the budget, proposed first. episodes: how many there will be.
  Agent(const Space& space, std::vector<Plan> starts, std::int64_t episodes, std::uint64_t seed);
  ~Agent() override;
  std::int64_t starts() const override { return static_cast<std::int64_t>(starts_.size()); }
  Plan propose() override;
  void learn(const Plan& plan, double reward) override;

 private:
  using State = std::vector<float>;
  struct Transition {
    State before, after;
    float action = 0, reward = 0;
    bool is_last = false;
  };

  State state(const Plan& plan, std::size_t part) const;  // parts before it are decided
  double action(const State& state);
  double explore(double mean);                           // a normal around it, cut off at 0 and 1
  void remember(const Plan& plan, double reward);
  void update();

  const Space& space_;
  std::vector<Plan> starts_;
  std::int64_t warm_up_;                                  // episodes of random actions
  double deviation_, decay_;
  Random random_;
  std::vector<std::vector<double>> features_;             // of each part, scaled to [0, 1]
  double whole_;                                          // cost of the untouched model
  std::unique_ptr<Network> actor_, critic_, slow_actor_, slow_critic_;
  std::deque<Transition> memory_;
  double average_ = 0;
  std::int64_t proposed_ = 0, learned_ = 0;
};

}  // namespace dsc::search
