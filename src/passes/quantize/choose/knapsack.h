// The multiple-choice knapsack problem: one choice for each item, of least total loss within a budget of total cost. Mixed
// precision is this problem: items are layers, choices widths, losses measured sensitivities that add up.
// source: Dong et al. 2020, HAWQ-V2, arXiv:1911.03852, and Yao et al. 2021, HAWQ-V3, arXiv:2011.10680, for the formulation.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace dsc::quantize {

struct Choice {
  double cost = 0, loss = 0;
};

// returns: the index of each item's choice; none when even the cheapest choices exceed the budget.
// cost: exact by dynamic programming over the undominated sums, as long as no more than `most_states` of them arise; beyond,
// one is kept for each of so many equal intervals of cost: the budget is kept, and the loss is at most the least one of a
// budget that is smaller by the share items / most_states.
std::optional<std::vector<std::size_t>> find_least_loss(const std::vector<std::vector<Choice>>& items, double budget,
                                                        std::size_t most_states = 8192);

}  // namespace dsc::quantize
