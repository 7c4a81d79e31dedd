#include "eval/latency_ratio.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/random.h"

namespace dsc {
namespace {

// Least times as a machine with other work gives them: a few per cent of jitter, long phases in which all is slower, and now and
// then a turn that was interrupted.
class Machine {
 public:
  Machine(std::uint64_t seed, double slower, double jitter, double interrupted)
      : random_(seed), slower_(slower), jitter_(jitter), interrupted_(interrupted) {}
  TimedRound operator()() {
    if (random_.uniform() < 0.05) phase_ = 1 + 2 * random_.uniform();
    TimedRound round;
    for (double& time : round.before) time = turn(1);
    for (double& time : round.now) time = turn(1 + slower_);
    return round;
  }

 private:
  double turn(double ms) {
    return ms * phase_ * (1 + jitter_ * random_.uniform()) * (random_.uniform() < interrupted_ ? 1 + 30 * random_.uniform() : 1);
  }
  Random random_;
  double slower_, jitter_, interrupted_, phase_ = 1;
};

constexpr double kMostSeconds = 4;

TimedRounds time_on(Machine machine, double seconds_a_round = 0.01) {
  double clock = 0;
  return time_until_settled(
      [&] {
        clock += seconds_a_round;
        return machine();
      },
      [&] { return clock; }, {.max_seconds = kMostSeconds});
}

// As a gate decides: 5 % allowed, and the noise.
bool is_alarm(const LatencyRatio& ratio) { return ratio.growth - ratio.noise > 0.05; }

TEST(LatencyRatio, IsThatOfTheModelsOnAQuietMachine) {
  const auto timed = time_on(Machine(1, 0.25, 0, 0));
  EXPECT_EQ(timed.rounds.size(), 24U);
  EXPECT_TRUE(timed.settled);
  const auto ratio = compare_rounds(timed.rounds);
  EXPECT_NEAR(ratio.growth, 0.25, 1e-12);
  EXPECT_NEAR(ratio.noise, 0, 1e-12);
  EXPECT_NEAR(ratio.low, 0.25, 1e-12);
  EXPECT_NEAR(ratio.now_ms / ratio.before_ms, 1.25, 1e-12);
}

TEST(LatencyRatio, AModelAgainstItselfUnderLoadRaisesNoAlarmAndASlowerOneDoes) {
  for (const double jitter : {0.02, 0.1, 0.3}) {
    for (const double interrupted : {0.0, 0.1, 0.3}) {
      int alarms = 0;
      for (std::uint64_t seed = 0; seed < 20; ++seed) {
        alarms += is_alarm(compare_rounds(time_on(Machine(seed, 0, jitter, interrupted)).rounds));
        EXPECT_TRUE(is_alarm(compare_rounds(time_on(Machine(seed, 0.3, jitter, interrupted)).rounds))) << jitter << " " << interrupted << " " << seed;
      }
      EXPECT_LE(alarms, 1) << jitter << " " << interrupted;
    }
  }
}

TEST(LatencyRatio, TwoCompilationsThatDifferAreNoise) {
  std::vector<TimedRound> rounds(30, {.before = {1, 1.2}, .now = {1.2, 1.2}});
  const auto ratio = compare_rounds(rounds);
  EXPECT_NEAR(ratio.noise, 0.2, 1e-12);
  EXPECT_NEAR(ratio.growth, 1.2 / std::sqrt(1.2) - 1, 1e-12);
}

TEST(LatencyRatio, TimesOnUntilMoreWouldTellNoMoreOrTheTimeIsUp) {
  const auto noisy = time_on(Machine(3, 0, 0.1, 0.1));
  EXPECT_TRUE(noisy.settled);
  EXPECT_GT(noisy.rounds.size(), 24U);
  const auto late = time_on(Machine(3, 0, 0.3, 0.3), 0.1);
  EXPECT_FALSE(late.settled);
  EXPECT_NEAR(static_cast<double>(late.rounds.size()), kMostSeconds / 0.1, 1);
}

// Writes its letter when it runs, and takes as long as it is told.
class TurnWriter : public Engine {
 public:
  TurnWriter(char letter, std::string& log) : letter_(letter), log_(log) {}
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override {
    log_ += letter_;
    return inputs;
  }
  std::string name() const override { return std::string(1, letter_); }

 private:
  char letter_;
  std::string& log_;
};

TEST(LatencyRatio, RoundsGoThereAndBackAndTheNextOneTheOtherWayRound) {
  std::string log;
  TurnWriter a('a', log), b('b', log), c('c', log), d('d', log);
  RoundTimer timer({{{&a, {at::ones({1})}}, {&d, {at::ones({1})}}}}, {{{&b, {at::ones({1})}}, {&c, {at::ones({1})}}}});
  const auto order = [&] {
    log.clear();
    const auto round = timer();
    for (const double time : {round.before[0], round.before[1], round.now[0], round.now[1]}) EXPECT_GT(time, 0);
    log.erase(std::unique(log.begin(), log.end()), log.end());
    return log;
  };
  EXPECT_EQ(order(), "abcd");
  EXPECT_EQ(order(), "badc");
  EXPECT_EQ(order(), "abcd");
}

}  // namespace
}  // namespace dsc
