#include "passes/quantize/choose/search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/random.h"

namespace dsc::quantize {
namespace {

// Of each layer, widths from the dearest to the cheapest: its levels.
std::vector<Widths> levels_of(const std::vector<std::vector<Choice>>& choices) {
  std::vector<Widths> levels;
  for (const auto& layer : choices) {
    Widths order(layer.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
      return layer[a].cost != layer[b].cost ? layer[a].cost > layer[b].cost : layer[a].loss < layer[b].loss;
    });
    levels.push_back(std::move(order));
  }
  return levels;
}

search::Plan plan_of(const std::vector<Widths>& levels, const Widths& widths) {
  search::Plan plan;
  for (std::size_t i = 0; i < widths.size(); ++i) plan.push_back(std::ranges::find(levels[i], widths[i]) - levels[i].begin());
  return plan;
}

Widths widths_of(const std::vector<Widths>& levels, const search::Plan& plan) {
  Widths widths;
  for (std::size_t i = 0; i < plan.size(); ++i) widths.push_back(levels[i][static_cast<std::size_t>(plan[i])]);
  return widths;
}

search::Space make_space(const std::vector<MixedLayer>& layers, const std::vector<std::vector<Choice>>& choices, const std::vector<Widths>& levels, double budget) {
  std::vector<search::Part> parts;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const MixedLayer& layer = layers[i];
    parts.push_back({layer.part, static_cast<std::int64_t>(levels[i].size()), {std::log(layer.elements), std::log(layer.scales), std::log1p(layer.macs)}});
  }
  const auto cost = [&choices, &levels](const search::Plan& plan) {
    double sum = 0;
    for (std::size_t i = 0; i < plan.size(); ++i) sum += choices[i][levels[i][static_cast<std::size_t>(plan[i])]].cost;
    return sum;
  };
  return {std::move(parts), cost, budget};
}

}  // namespace

void SearchOptions::fields(FieldVisitor& visit) {
  search::Options::fields(visit, {.agent = "haq",
                                  .levels = "widths",
                                  .parts = "layers",
                                  .episodes = "Choices of widths to try: a copy is quantised, without training, and evaluated."});
}

WidthSearch search_widths(const std::vector<MixedLayer>& layers, const std::vector<std::vector<Choice>>& choices, double budget, const Widths& start,
                          const SearchOptions& options, const std::string& metric, const std::function<double(const Widths&)>& measure, Model& model,
                          PassContext& context) {
  const auto levels = levels_of(choices);
  const search::Space space = make_space(layers, choices, levels, budget);
  std::vector<search::Plan> starts{plan_of(levels, start)};
  search::Plan alike = space.plan_of(space.fit(search::Shares(space.size(), 0.5)));
  if (alike != starts.front()) starts.push_back(std::move(alike));
  const auto measure_plan = [&](const search::Plan& plan) { return measure(widths_of(levels, plan)); };
  const auto proposer = search::make_proposer(space, std::move(starts), options, derive_seed(context.seed(), "quantize.search"));
  const auto record = search::run_episodes(*proposer, metric, options.episodes, measure_plan, model, context);
  return {widths_of(levels, record.best().plan), record};
}

}  // namespace dsc::quantize
