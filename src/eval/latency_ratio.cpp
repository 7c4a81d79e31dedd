#include "eval/latency_ratio.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "eval/paired.h"

namespace dsc {
namespace {

using Clock = std::chrono::steady_clock;

double run_ms(const TimedEngine& timed) {
  const auto start = Clock::now();
  const auto outputs = timed.engine->run(timed.inputs);
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// Of differences between a model's two engines.
struct OwnDifference {
  double middle = 0;  // their median
  double error = 0;   // twice its standard error, by the median of absolute deviations
};

OwnDifference own_difference(std::span<const TimedRound> rounds, std::array<double, 2> TimedRound::* model) {
  constexpr double kDeviationOfNormal = 1.4826, kMedianOverMean = 1.2533;
  std::vector<double> differences, deviations;
  for (const auto& round : rounds) differences.push_back(std::log((round.*model)[1] / (round.*model)[0]));
  const double middle = median(differences);
  for (const double difference : differences) deviations.push_back(std::abs(difference - middle));
  return {middle, 2 * kMedianOverMean * kDeviationOfNormal * median(std::move(deviations)) / std::sqrt(static_cast<double>(rounds.size()))};
}

bool is_settled(std::span<const TimedRound> rounds, double tolerance) {
  return own_difference(rounds, &TimedRound::before).error <= tolerance && own_difference(rounds, &TimedRound::now).error <= tolerance;
}

double noise_of(std::span<const TimedRound> rounds) {
  double noise = 0;
  for (const auto model : {&TimedRound::before, &TimedRound::now}) {
    const auto [middle, error] = own_difference(rounds, model);
    noise = std::max(noise, std::expm1(std::abs(middle) + error));
  }
  return noise;
}

double geometric_mean(const std::array<double, 2>& times) { return std::sqrt(times[0] * times[1]); }

}  // namespace

LatencyRatio compare_rounds(std::span<const TimedRound> rounds) {
  std::vector<double> before, now, ratios;
  for (const auto& round : rounds) {
    before.push_back(geometric_mean(round.before));
    now.push_back(geometric_mean(round.now));
    ratios.push_back(now.back() / before.back());
  }
  const double one = 1;
  const auto interval = bootstrap_median_ratio({&one, 1}, ratios, {.resamples = 500});
  LatencyRatio result{.before_ms = median(before), .now_ms = median(now)};
  result.growth = median(ratios) - 1;
  result.low = interval.low - 1;
  result.high = interval.high - 1;
  result.noise = noise_of(rounds);
  result.mann_whitney_p = mann_whitney(before, now);
  return result;
}

TimedRounds time_until_settled(const std::function<TimedRound()>& round, const std::function<double()>& seconds, const SettleOptions& options) {
  TimedRounds timed;
  const double start = seconds();
  auto next_look = options.least_rounds;
  for (;;) {
    timed.rounds.push_back(round());
    const auto count = static_cast<std::int64_t>(timed.rounds.size());
    const bool is_late = seconds() - start >= options.max_seconds;
    if (count < next_look && !is_late) continue;
    timed.settled = is_settled(timed.rounds, options.tolerance);
    if (timed.settled || is_late) return timed;
    next_look = count + count / 4;
  }
}

RoundTimer::RoundTimer(std::array<TimedEngine, 2> before, std::array<TimedEngine, 2> now) : before_(std::move(before)), now_(std::move(now)) {
  constexpr double kTurnMs = 10;
  constexpr std::int64_t kMostRuns = 50;
  constexpr int kWarmUps = 3;
  double slowest = 0;
  for (const auto* timed : {&before_[0], &now_[0], &now_[1], &before_[1]}) {
    double least = run_ms(*timed);
    for (int i = 0; i < kWarmUps; ++i) least = std::min(least, run_ms(*timed));
    slowest = std::max(slowest, least);
  }
  runs_ = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ceil(kTurnMs / slowest)), 1, kMostRuns);
}

double RoundTimer::time_turn(const TimedEngine& timed) const {
  double least = run_ms(timed);
  for (std::int64_t i = 1; i < runs_; ++i) least = std::min(least, run_ms(timed));
  return least;
}

TimedRound RoundTimer::operator()() {
  TimedRound round;
  const auto turn = [&](std::size_t model, std::size_t which) {
    (model == 0 ? round.before : round.now)[which] = time_turn((model == 0 ? before_ : now_)[which]);
  };
  if (backwards_) {
    for (const auto& [model, which] : {std::pair<std::size_t, std::size_t>{1, 0}, {0, 0}, {0, 1}, {1, 1}}) turn(model, which);
  } else {
    for (const auto& [model, which] : {std::pair<std::size_t, std::size_t>{0, 0}, {1, 0}, {1, 1}, {0, 1}}) turn(model, which);
  }
  backwards_ = !backwards_;
  return round;
}

}  // namespace dsc
