// By how much one model is slower than another, on a machine that does other work meanwhile.
//
// Two engines of each model are timed in rounds A B B' A'. A turn's figure is its least time: other work makes a run slower, never
// faster. Ratios are formed within a round, which lasts milliseconds, so that what slows the machine for longer hits all
// alike, and their median counts. How far A is from A', and B from B', is the noise: of the machine, and of where the two
// compilations of one model came to lie in memory.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "exec/engine.h"

namespace dsc {

// Least times in ms; [0] of a model's first engine, [1] of its second.
struct TimedRound {
  std::array<double, 2> before{}, now{};
};

struct LatencyRatio {
  double before_ms = 0, now_ms = 0;      // medians over the rounds
  double growth = 0, low = 0, high = 0;  // share by which the second model is slower, with its 90 % interval
  double noise = 0;                      // share by which a model differs from itself, its own uncertainty on top
  double mann_whitney_p = 1;             // of the rounds' times
};

// precondition: there are rounds.
LatencyRatio compare_rounds(std::span<const TimedRound> rounds);

struct SettleOptions {
  double tolerance = 0.01;  // within which it is known how far a model is from itself
  std::int64_t least_rounds = 24;
  double max_seconds = 40;  // then it is what it is
};
struct TimedRounds {
  std::vector<TimedRound> rounds;
  bool settled = false;  // within the tolerance
};
// Rounds until more of them would tell no more. round: times one; seconds: a clock.
TimedRounds time_until_settled(const std::function<TimedRound()>& round, const std::function<double()>& seconds, const SettleOptions& options);

// An engine with its inputs.
struct TimedEngine {
  Engine* engine;
  std::vector<at::Tensor> inputs;
};
// Of each model two engines. Every other round goes backwards, so that no model always comes after the same one.
class RoundTimer {
 public:
  RoundTimer(std::array<TimedEngine, 2> before, std::array<TimedEngine, 2> now);
  TimedRound operator()();

 private:
  double time_turn(const TimedEngine& timed) const;
  std::array<TimedEngine, 2> before_, now_;
  std::int64_t runs_ = 1;  // in a turn
  bool backwards_ = false;
};

}  // namespace dsc
