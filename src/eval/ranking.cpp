#include "eval/ranking.h"

#include <algorithm>
#include <numeric>

#include "eval/regression.h"

namespace dsc {
namespace {

// Highest scores first.
std::vector<std::size_t> order_of(const Ranking& ranking) {
  std::vector<std::size_t> order(ranking.scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return ranking.scores[a] > ranking.scores[b]; });
  return order;
}

}  // namespace

double Ranking::positives() const { return static_cast<double>(std::ranges::count(wanted, true)); }

double area_under_roc(const Ranking& ranking) {
  const auto ranks = ranks_of(ranking.scores);
  const double positives = ranking.positives(), negatives = ranking.negatives();
  double sum = 0;
  for (std::size_t i = 0; i < ranks.size(); ++i) sum += ranking.wanted[i] ? ranks[i] : 0;
  return (sum - positives * (positives + 1) / 2) / (positives * negatives);
}

double average_precision(const Ranking& ranking) {
  const auto order = order_of(ranking);
  double found = 0, sum = 0;
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    double here = 0;
    for (; end < order.size() && ranking.scores[order[end]] == ranking.scores[order[begin]]; ++end) here += ranking.wanted[order[end]] ? 1 : 0;
    found += here;
    sum += here * found / static_cast<double>(end);
  }
  return sum / ranking.positives();
}

double threshold_for(const Ranking& ranking, double recall) {
  const auto order = order_of(ranking);
  const double positives = ranking.positives();
  double found = 0;
  for (const std::size_t i : order) {
    found += ranking.wanted[i] ? 1 : 0;
    if (found / positives >= recall) return ranking.scores[i];
  }
  return ranking.scores[order.back()];
}

}  // namespace dsc
