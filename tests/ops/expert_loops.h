// A mixture of experts in plain loops over doubles, for comparing.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <utility>
#include <vector>

namespace dsc::test {

using Row = std::vector<double>;

inline Row times(const std::vector<Row>& matrix, const Row& x) {
  Row y;
  for (const Row& row : matrix) {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += row[i] * x[i];
    y.push_back(sum);
  }
  return y;
}

inline Row row_of(const at::Tensor& x) {
  Row row;
  for (std::int64_t i = 0; i < x.numel(); ++i) row.push_back(x[i].item<double>());
  return row;
}

// The two likeliest experts and their shares.
inline std::vector<std::pair<std::size_t, double>> route(const std::vector<Row>& router, const Row& x) {
  const Row logits = times(router, x);
  std::vector<std::pair<std::size_t, double>> chosen;
  double sum = 0;
  for (std::size_t n = 0; n < 2; ++n) {
    std::size_t best = logits.size();
    for (std::size_t e = 0; e < logits.size(); ++e) {
      const bool is_taken = n == 1 && e == chosen[0].first;
      if (!is_taken && (best == logits.size() || logits[e] > logits[best])) best = e;
    }
    chosen.emplace_back(best, std::exp(logits[best]));
    sum += chosen.back().second;
  }
  for (auto& [expert, share] : chosen) share /= sum;
  return chosen;
}

}  // namespace dsc::test
