#include "eval/warping.h"

#include <algorithm>
#include <cmath>

namespace dsc {
namespace {

constexpr double kFar = std::numeric_limits<double>::infinity();

double squared_distance(const double* a, const double* b, std::int64_t width) {
  double sum = 0;
  for (std::int64_t w = 0; w < width; ++w) sum += (a[w] - b[w]) * (a[w] - b[w]);
  return sum;
}

double soft_minimum(double a, double b, double c, double gamma) {
  const double least = std::min({a, b, c});
  if (std::isinf(least)) return least;
  return least - gamma * std::log(std::exp((least - a) / gamma) + std::exp((least - b) / gamma) + std::exp((least - c) / gamma));
}

}  // namespace

double warped_distance(const SeriesPair& pair, std::int64_t band, double most) {
  const std::int64_t steps = pair.steps, reach = band > 0 ? band : steps;
  std::vector<double> before(static_cast<std::size_t>(steps) + 1, kFar), now(before.size(), kFar);
  before.front() = 0;
  for (std::int64_t i = 0; i < steps; ++i) {
    std::fill(now.begin(), now.end(), kFar);
    double least = kFar;
    for (std::int64_t j = std::max<std::int64_t>(0, i - reach); j < std::min(steps, i + reach + 1); ++j) {
      const auto at = static_cast<std::size_t>(j);
      now[at + 1] = squared_distance(pair.a + i * pair.width, pair.b + j * pair.width, pair.width) + std::min({before[at], before[at + 1], now[at]});
      least = std::min(least, now[at + 1]);
    }
    if (least > most * most) return kFar;
    std::swap(before, now);
  }
  return std::sqrt(before.back());
}

double soft_warped_distance(const SeriesPair& pair, double gamma) {
  std::vector<double> before(static_cast<std::size_t>(pair.steps) + 1, kFar), now(before.size(), kFar);
  before.front() = 0;
  for (std::int64_t i = 0; i < pair.steps; ++i) {
    now.front() = kFar;
    for (std::int64_t j = 0; j < pair.steps; ++j) {
      const auto at = static_cast<std::size_t>(j);
      now[at + 1] =
          squared_distance(pair.a + i * pair.width, pair.b + j * pair.width, pair.width) + soft_minimum(before[at], before[at + 1], now[at], gamma);
    }
    std::swap(before, now);
  }
  return before.back();
}

std::vector<std::int64_t> nearest_by_warping(const at::Tensor& queries, const at::Tensor& known, std::int64_t band, bool leave_out_self) {
  const std::int64_t steps = queries.size(1), width = queries.size(2);
  std::vector<std::int64_t> nearest;
  for (std::int64_t i = 0; i < queries.size(0); ++i) {
    double least = kFar;
    std::int64_t place = -1;
    for (std::int64_t k = 0; k < known.size(0); ++k) {
      if (leave_out_self && k == i) continue;
      const double distance = warped_distance(
          {queries.const_data_ptr<double>() + i * steps * width, known.const_data_ptr<double>() + k * steps * width, steps, width}, band, least);
      if (place >= 0 && distance >= least) continue;
      least = distance;
      place = k;
    }
    nearest.push_back(place);
  }
  return nearest;
}

}  // namespace dsc
