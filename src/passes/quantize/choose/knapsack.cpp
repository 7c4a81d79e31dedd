#include "passes/quantize/choose/knapsack.h"

#include <algorithm>
#include <cmath>

namespace dsc::quantize {
namespace {

constexpr double kSlack = 1e-9;  // of the budget: sums of costs round

// A sum over the items so far.
struct State {
  double cost = 0, loss = 0;
  std::size_t before = 0, choice = 0;  // the state it came from, and the item's choice
};

// Sorted by cost, loss strictly falling.
void drop_dominated(std::vector<State>& states) {
  std::stable_sort(states.begin(), states.end(), [](const State& a, const State& b) { return a.cost != b.cost ? a.cost < b.cost : a.loss < b.loss; });
  std::vector<State> kept;
  for (const State& state : states) {
    if (kept.empty() || state.loss < kept.back().loss) kept.push_back(state);
  }
  states = std::move(kept);
}

// The cheapest, and the least loss of each interval of cost.
void thin_out(std::vector<State>& states, std::size_t most) {
  if (states.size() <= most) return;
  const double first = states.front().cost, width = (states.back().cost - first) / static_cast<double>(most);
  std::vector<State> kept{states.front()};
  const auto interval = [&](const State& state) { return static_cast<std::size_t>((state.cost - first) / width); };
  for (std::size_t i = 1; i < states.size(); ++i) {
    if (i + 1 == states.size() || interval(states[i]) != interval(states[i + 1])) kept.push_back(states[i]);
  }
  states = std::move(kept);
}

double least_cost(const std::vector<Choice>& choices) {
  return std::min_element(choices.begin(), choices.end(), [](const Choice& a, const Choice& b) { return a.cost < b.cost; })->cost;
}

}  // namespace

std::optional<std::vector<std::size_t>> find_least_loss(const std::vector<std::vector<Choice>>& items, double budget, std::size_t most_states) {
  double rest = 0;  // what the items still to come cost at least
  for (const auto& choices : items) rest += least_cost(choices);
  const double limit = budget + kSlack * std::abs(budget);
  std::vector<std::vector<State>> layers{{State{}}};
  for (const auto& choices : items) {
    rest -= least_cost(choices);
    std::vector<State> next;
    for (std::size_t from = 0; from < layers.back().size(); ++from) {
      for (std::size_t i = 0; i < choices.size(); ++i) {
        const State state{layers.back()[from].cost + choices[i].cost, layers.back()[from].loss + choices[i].loss, from, i};
        if (state.cost + rest <= limit) next.push_back(state);
      }
    }
    if (next.empty()) return std::nullopt;
    drop_dominated(next);
    thin_out(next, most_states);
    layers.push_back(std::move(next));
  }
  std::vector<std::size_t> chosen(items.size());
  std::size_t state = layers.back().size() - 1;  // the last has the least loss
  for (std::size_t i = items.size(); i-- > 0;) {
    chosen[i] = layers[i + 1][state].choice;
    state = layers[i + 1][state].before;
  }
  return chosen;
}

}  // namespace dsc::quantize
