#include "search/space.h"

#include <algorithm>
#include <cmath>

#include "dscompress/error.h"

namespace dsc::search {
namespace {

constexpr double kRounding = 1e-9;  // of the budget: sums of costs round

}  // namespace

Space::Space(std::vector<Part> parts, std::function<double(const Plan&)> cost, double budget)
    : parts_(std::move(parts)), cost_(std::move(cost)), budget_(budget) {
  if (!fits(plan_of(Shares(size(), 1)))) throw Error(ErrorCode::internal, "a search was given a budget that no plan keeps to");
}

bool Space::fits(const Plan& plan) const { return cost_(plan) <= budget_ + kRounding * std::abs(budget_); }

Plan Space::plan_of(const Shares& shares) const {
  Plan plan;
  for (std::size_t i = 0; i < size(); ++i) plan.push_back(std::llround(std::clamp(shares[i], 0.0, 1.0) * static_cast<double>(parts_[i].levels - 1)));
  return plan;
}

Shares Space::shares_of(const Plan& plan) const {
  Shares shares;
  for (std::size_t i = 0; i < size(); ++i) shares.push_back(static_cast<double>(plan[i]) / static_cast<double>(std::max<std::int64_t>(1, parts_[i].levels - 1)));
  return shares;
}

Shares Space::fit(Shares shares) const {
  const auto moved = [&](double by) {
    Shares all = shares;
    for (double& share : all) share = std::clamp(share + by, 0.0, 1.0);
    return all;
  };
  double low = -1, high = 1;  // all at their lowest, all at their highest levels
  constexpr int kHalvings = 20;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (low + high) / 2;
    (fits(plan_of(moved(middle))) ? high : low) = middle;
  }
  return moved(high);
}

std::int64_t Space::least_level(const Plan& plan, std::size_t i) const {
  Plan rest = plan_of(Shares(size(), 1));
  std::copy_n(plan.begin(), i, rest.begin());
  std::int64_t low = 0, high = parts_[i].levels - 1;
  while (low < high) {
    rest[i] = (low + high) / 2;
    if (fits(rest)) high = rest[i];
    else low = rest[i] + 1;
  }
  return high;
}

}  // namespace dsc::search
