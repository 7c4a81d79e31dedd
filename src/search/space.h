// What a search decides: a level for each part of a model, within a budget that no proposal exceeds.
//
// Parts are groups of channels (levels: numbers of units that go) or layers (levels: widths of weights). Level 0 leaves a part as it
// is, and no level costs more than the one below it; so whatever the earlier parts took, the later ones at their highest levels
// say which levels a part may still have: proposals are clipped to those (He et al. 2018, arXiv:1802.03494, algorithm 1).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace dsc::search {

using Plan = std::vector<std::int64_t>;   // the level of each part
using Shares = std::vector<double>;       // the same as shares of the highest levels, in [0, 1]

struct Part {
  std::string name;
  std::int64_t levels = 1;       // 0 .. levels - 1
  std::vector<double> features;  // what an agent sees of it: the same figures for every part, in units of their own
};

class Space {
 public:
  // cost: of a whole plan; never rises with a level. errors: internal, when even the highest levels exceed the budget.
  Space(std::vector<Part> parts, std::function<double(const Plan&)> cost, double budget);

  std::size_t size() const { return parts_.size(); }
  const std::vector<Part>& parts() const { return parts_; }
  double cost(const Plan& plan) const { return cost_(plan); }
  bool fits(const Plan& plan) const;

  Plan plan_of(const Shares& shares) const;
  Shares shares_of(const Plan& plan) const;
  // All shares moved by one amount, so that the plan is within the budget and as near to it as that allows.
  Shares fit(Shares shares) const;
  // The least level of part `i` with which the budget can be met while the parts before it stay as `plan` has them.
  std::int64_t least_level(const Plan& plan, std::size_t i) const;

 private:
  std::vector<Part> parts_;
  std::function<double(const Plan&)> cost_;
  double budget_;
};

}  // namespace dsc::search
