#include "passes/dynamic/exit_options.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/names.h"
#include "core/printed.h"
#include "data/model_inputs.h"
#include "exec/resolutions.h"
#include "passes/dynamic/classifier.h"

namespace dsc::dynamic {
namespace {

void choose_by_name(const std::vector<Block>& blocks, const std::vector<std::string>& globs, std::set<std::size_t>& chosen,
                    std::vector<Problem>& problems) {
  std::vector<std::string> names;
  for (const Block& block : blocks) names.push_back(block.name);
  for (std::size_t i = 0; i < globs.size(); ++i) {
    const std::string pointer = "/blocks/" + std::to_string(i);
    bool any = false;
    for (std::size_t k = 0; k < names.size(); ++k) {
      if (!matches_glob(globs[i], names[k])) continue;
      any = true;
      chosen.insert(k);
    }
    if (!any)
      problems.push_back({"the model has no block `" + globs[i] + "`", {.pointer = pointer}, suggest(globs[i], names)});
    else if (chosen.contains(names.size() - 1))
      problems.push_back({"behind `" + names.back() + "`, the last block, is the network's own end", {.pointer = pointer}, "name earlier blocks"});
  }
}

std::optional<Problem> problem_with_mask(const Graph& graph, const std::string& mask) {
  const auto names = names_of(model_inputs(graph));
  if (mask.empty() || std::ranges::find(names, mask) != names.end()) return std::nullopt;
  return Problem{"the model has no input `" + mask + "`", {.pointer = "/mask"}, suggest(mask, names)};
}

}  // namespace

std::span<const std::string_view> enum_names(Trunk) {
  static constexpr std::array<std::string_view, 2> kNames{"frozen", "trained"};
  return kNames;
}

void ExitPolicy::fields(FieldVisitor& visit, std::string_view owner) {
  visit(
      "criterion", criterion,
      {.text =
           "What lets an example leave: the largest probability above a threshold, the entropy (a share of its largest value) below one, or as many "
           "exits in a row that agree with the one before them."});
  visit("threshold", threshold, {.text = "Of the criterion.", .minimum = 0});
  visit(
      "max_drop", limits.max_drop,
      {.text =
           "The threshold is the one of the least mean cost that loses no more top1 than this on data.valid, against the whole network or the model "
           "before this step, whichever is better.",
       .minimum = 0,
       .units = {"pp", "%"}});
  visit("max_cost", limits.max_cost,
        {.text = "The threshold is the most careful one whose mean cost on data.valid is at most this share of the whole network's: "
                 "multiply-accumulates, or milliseconds with `latency`.",
         .unit = "fraction",
         .minimum = 0.01,
         .maximum = 1});
  visit("examples", examples, {.text = "Examples of data.valid to choose the threshold on; 0: all.", .minimum = 0});
  visit("latency", latency,
        {.text = "Time each exit (evaluate.latency), for the table of thresholds; otherwise costs are multiply-accumulates alone."});
  visit.one_of(owner, {{"threshold", threshold.has_value()}, {"max_drop", limits.max_drop.has_value()}, {"max_cost", limits.max_cost.has_value()}});
}

ExitRule ExitPolicy::rule(std::int64_t exits) const { return {criterion, threshold.value_or(closed_threshold(criterion, exits))}; }

std::string ExitPolicy::chosen_by() const { return limits.max_drop ? "/max_drop" : limits.max_cost ? "/max_cost" : ""; }

std::optional<Problem> ExitPolicy::problem(std::int64_t exits) const {
  const std::string what = threshold ? problem_with(rule(exits), exits) : "";
  return what.empty() ? std::nullopt : std::optional(Problem{what, {.pointer = "/threshold"}, ""});
}

void ExitOptions::fields(FieldVisitor& visit) {
  visit("blocks", blocks, {.text = "Globs of the blocks behind which examples may leave, by name."});
  visit("at", at,
        {.text = "The same as shares of the network's blocks: 0.5 is behind the middle one.", .unit = "fraction", .minimum = 0, .maximum = 1});
  visit("count", count, {.text = "How many exits, evenly spread.", .minimum = 1});
  policy.fields(visit, "early_exit");
  visit("trunk", trunk, {.text = "frozen: heads alone train, and the network's own scores stay as they are; trained: all of it does."});
  visit("head", head,
        {.text = "Of each exit. own: a copy of the network's, where it fits what earlier blocks give; mean: over positions, and a linear layer."});
  visit("mask", mask, {.text = "Input of 1 for positions that count and 0 for padding, for means; empty: all count."});
  visit("labels", labels, {.text = "Weight of the loss of each exit's scores on labels."});
  visit("kd", kd, {.text = "Weight and temperature of each exit's distance from the network's own scores."});
  train.fields(visit);
  visit.one_of("early_exit", {{"blocks", !blocks.empty()}, {"at", !at.empty()}, {"count", count.has_value()}});
  const auto is_off = [](const Ramp& weight) { return weight.at(0) == 0 && weight.at(1) == 0; };
  visit.check(train.epochs > 0 && is_off(labels.weight) && is_off(kd.weight) ? "`labels` and `kd` both have weight 0: heads would learn nothing"
                                                                             : "");
}

std::set<std::size_t> choose_blocks(const std::vector<Block>& blocks, const ExitOptions& options, std::vector<Problem>& problems) {
  std::set<std::size_t> chosen;
  choose_by_name(blocks, options.blocks, chosen, problems);
  const auto all = static_cast<std::int64_t>(blocks.size());
  const auto behind = [&](double share) { return std::max<std::int64_t>(1, std::llround(share * static_cast<double>(all))); };
  for (std::size_t i = 0; i < options.at.size(); ++i) {
    const std::int64_t depth = behind(options.at[i]);
    if (depth < all)
      chosen.insert(static_cast<std::size_t>(depth - 1));
    else
      problems.push_back({printed("at %g of %lld blocks is the network's own end", options.at[i], static_cast<long long>(all)),
                          {.pointer = "/at/" + std::to_string(i)},
                          "give a smaller share"});
  }
  if (options.count && *options.count >= all) {
    problems.push_back({"`count` " + std::to_string(*options.count) + " is too many: the model has " + std::to_string(all) +
                            " blocks, and the last is the network's own end",
                        {.pointer = "/count"},
                        ""});
  } else if (options.count) {
    for (std::int64_t i = 1; i <= *options.count; ++i)
      chosen.insert(static_cast<std::size_t>(behind(static_cast<double>(i) / static_cast<double>(*options.count + 1)) - 1));
  }
  return chosen;
}

std::vector<Problem> check_exits(const Model& model, const ExitOptions& options) {
  if (exits_of(model)) return {{"the model has early exits already", {}, "remove this step, or start from the model before them"}};
  if (resolutions_of(model))
    return {{"the model has several resolutions, and its chain goes through those", {}, "use one of early_exit and dynamic_resolution"}};
  if (auto problem = problem_unless_classifier(model.graph, "early exits need")) return {std::move(*problem)};
  const auto blocks = find_blocks(model.graph);
  if (blocks.size() < 2)
    return {{"the model has no two blocks (residual blocks, encoder layers) one behind the other, between which examples could leave",
             {},
             "remove this step"}};
  std::vector<Problem> problems;
  const auto exits = static_cast<std::int64_t>(choose_blocks(blocks, options, problems).size());
  if (problems.empty()) {
    if (auto problem = options.policy.problem(exits)) problems.push_back(std::move(*problem));
  }
  if (auto problem = problem_with_mask(model.graph, options.mask)) problems.push_back(std::move(*problem));
  for (auto& problem : check_frozen(model, options.train)) problems.push_back(std::move(problem));
  return problems;
}

}  // namespace dsc::dynamic
