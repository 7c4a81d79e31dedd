#include "sweep/space.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/expression.h"
#include "core/names.h"
#include "core/printed.h"
#include "core/random.h"
#include "core/tree.h"

namespace dsc::sweep {
namespace {

constexpr std::size_t kMostTrials = 1'000'000;
constexpr int kDraws = 1000;  // for one trial, until conditions are met by one that is new

[[noreturn]] void fail(std::string message, const std::string& pointer, std::string hint) {
  throw Error(ErrorCode::recipe, std::move(message), {.pointer = pointer}, std::move(hint));
}

std::string pointer_of(const std::string& path) { return child_pointer("/sweep/parameters", path); }

// count points with both ends, evenly spread, or their logarithms.
std::vector<std::string> spread(double low, double high, std::int64_t count, bool logarithmic) {
  std::vector<std::string> points;
  for (std::int64_t i = 0; i < count; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(count - 1);
    points.push_back(neat_number(logarithmic ? std::exp(std::log(low) + share * (std::log(high) - std::log(low))) : low + share * (high - low)));
  }
  return points;
}

std::vector<std::string> stepped(double low, double high, double step) {
  std::vector<std::string> points;
  const auto last = static_cast<std::int64_t>(std::floor((high - low) / step + 1e-9));
  if (last >= static_cast<std::int64_t>(kMostTrials)) return points;
  for (std::int64_t i = 0; i <= last; ++i) points.push_back(neat_number(low + static_cast<double>(i) * step));
  return points;
}

bool is_whole(double value) { return value == std::floor(value); }

std::vector<std::string> integer_points(const std::string& path, const SweepParameter& parameter) {
  const auto low = static_cast<double>(parameter.integers[0]), high = static_cast<double>(parameter.integers[1]);
  if (!is_whole(parameter.step)) fail("`" + path + "` has whole numbers, and a step that is none", pointer_of(path), "give a whole step");
  if (parameter.count == 0) return stepped(low, high, parameter.step > 0 ? parameter.step : 1);
  auto points = spread(low, high, parameter.count, false);
  for (auto& point : points) point = neat_number(std::round(std::stod(point)));
  points.erase(std::unique(points.begin(), points.end()), points.end());
  return points;
}

bool is_continuous(const SweepParameter& parameter) { return parameter.values.empty() && parameter.integers.empty() && parameter.count == 0 && parameter.step == 0; }

Axis single_axis(const std::string& path, const SweepParameter& parameter, bool grid) {
  Axis axis{.paths = {path}};
  if (!grid && is_continuous(parameter)) {
    axis.logarithmic = !parameter.log.empty();
    const auto& ends = axis.logarithmic ? parameter.log : parameter.range;
    axis.low = ends[0];
    axis.high = ends[1];
    return axis;
  }
  for (auto& point : grid_points(path, parameter)) axis.points.push_back({std::move(point)});
  if (axis.points.empty()) fail("`" + path + "` has no point, or more than a million", pointer_of(path), "give another step");
  return axis;
}

Axis zipped_axis(const SweepConfig& config, std::size_t group, std::set<std::string>& taken) {
  const auto pointer = "/sweep/zip/" + std::to_string(group);
  Axis axis;
  std::vector<std::string> known;
  for (const auto& [path, unused] : config.parameters) known.push_back(path);
  for (const auto& path : config.zip[group]) {
    const auto found = config.parameters.find(path);
    if (found == config.parameters.end()) fail("`zip` names no parameter: `" + path + "`", pointer, suggest(path, known));
    if (!taken.insert(path).second) fail("`zip` names `" + path + "` twice", pointer, "remove one");
    const auto points = grid_points(path, found->second);
    if (!axis.paths.empty() && points.size() != axis.points.size()) {
      fail("`" + axis.paths.front() + "` and `" + path + "` advance together and have " + std::to_string(axis.points.size()) + " and " + std::to_string(points.size()) + " values", pointer,
           "give as many of each");
    }
    axis.points.resize(points.size());
    for (std::size_t i = 0; i < points.size(); ++i) axis.points[i].push_back(points[i]);
    axis.paths.push_back(path);
  }
  return axis;
}

void set_point(Assignment& assignment, const Axis& axis, std::size_t point) {
  for (std::size_t i = 0; i < axis.paths.size(); ++i) assignment[axis.paths[i]] = axis.points[point][i];
}

// Every combination, the last axis changes fastest.
std::vector<Assignment> all_combinations(const std::vector<Axis>& axes) {
  double count = 1;
  for (const auto& axis : axes) count *= static_cast<double>(axis.points.size());
  if (count > static_cast<double>(kMostTrials)) fail("the grid has more than a million trials", "/sweep/parameters", "give fewer values, or sample: method: random");
  std::vector<Assignment> combinations(1);
  for (const auto& axis : axes) {
    std::vector<Assignment> longer;
    for (const auto& so_far : combinations) {
      for (std::size_t i = 0; i < axis.points.size(); ++i) set_point(longer.emplace_back(so_far), axis, i);
    }
    combinations = std::move(longer);
  }
  return combinations;
}

Assignment draw(const std::vector<Axis>& axes, std::uint64_t seed, std::size_t trial, int attempt) {
  Assignment assignment;
  for (const auto& axis : axes) {
    Random random(derive_seed(derive_seed(seed, axis.paths.front(), trial), "sweep", static_cast<std::uint64_t>(attempt)));
    if (!axis.points.empty()) {
      set_point(assignment, axis, static_cast<std::size_t>(random.below(static_cast<std::int64_t>(axis.points.size()))));
    } else {
      const double share = random.uniform();
      const double value = axis.logarithmic ? std::exp(std::log(axis.low) + share * (std::log(axis.high) - std::log(axis.low))) : axis.low + share * (axis.high - axis.low);
      assignment[axis.paths.front()] = neat_number(value);
    }
  }
  return assignment;
}

Trials draw_trials(const SweepConfig& config, std::uint64_t seed) {
  const auto axes = make_axes(config, false);
  Trials trials;
  std::set<Assignment> seen;
  bool any_met = false;
  for (std::size_t i = 0; i < static_cast<std::size_t>(config.limits.trials); ++i) {
    for (int attempt = 0; attempt < kDraws && trials.assignments.size() == i; ++attempt) {
      auto drawn = draw(axes, seed, i, attempt);
      if (!meets_conditions(config, drawn)) continue;
      any_met = true;
      if (seen.insert(drawn).second) trials.assignments.push_back(std::move(drawn));
    }
    if (trials.assignments.size() > i) continue;
    if (!any_met) fail("`where` excludes all of " + std::to_string(kDraws) + " draws", "/sweep/where", "loosen the conditions, or narrow the parameters");
    trials.notes.push_back(printed("%zu trials of %lld wanted: %d further draws were all there already, or excluded", i, static_cast<long long>(config.limits.trials), kDraws));
    break;
  }
  return trials;
}

Trials filtered(const SweepConfig& config, std::vector<Assignment> all) {
  Trials trials;
  for (auto& one : all) {
    if (meets_conditions(config, one)) trials.assignments.push_back(std::move(one));
  }
  if (trials.assignments.empty()) fail("`where` excludes all " + std::to_string(all.size()) + " trials", "/sweep/where", "loosen the conditions");
  const auto most = static_cast<std::size_t>(config.limits.trials);
  if (most > 0 && trials.assignments.size() > most) {
    trials.notes.push_back(printed("the first %zu of %zu trials: limits.trials", most, trials.assignments.size()));
    trials.assignments.resize(most);
  }
  return trials;
}

ExpressionValue value_in(const Assignment& assignment, const std::string& name) {
  const auto found = assignment.find(name);
  if (found == assignment.end()) {
    std::vector<std::string> known;
    for (const auto& [path, unused] : assignment) known.push_back(path);
    throw Error(ErrorCode::recipe, "`where` names no parameter: `" + name + "`", {}, suggest(name, known));
  }
  const auto look = look_of(plain_tree(found->second));
  if (look == ScalarLook::integer || look == ScalarLook::number) return std::strtod(found->second.c_str(), nullptr);
  const auto& text = found->second;
  const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

}  // namespace

std::string neat_number(double value) { return number_text(std::strtod(printed("%.12g", value).c_str(), nullptr)); }

std::vector<std::string> grid_points(const std::string& path, const SweepParameter& parameter) {
  if (!parameter.values.empty()) return parameter.values;
  if (!parameter.integers.empty()) return integer_points(path, parameter);
  if (is_continuous(parameter)) fail("`" + path + "` is a range, and a grid needs points", pointer_of(path), "give count, step or values; or sample: method: random");
  const bool logarithmic = !parameter.log.empty();
  const auto& ends = logarithmic ? parameter.log : parameter.range;
  return parameter.count > 0 ? spread(ends[0], ends[1], parameter.count, logarithmic) : stepped(ends[0], ends[1], parameter.step);
}

bool meets_conditions(const SweepConfig& config, const Assignment& assignment) {
  for (std::size_t i = 0; i < config.where.size(); ++i) {
    try {
      if (!evaluate_condition(config.where[i], [&](const std::string& name) { return value_in(assignment, name); })) return false;
    } catch (Error& error) {
      throw error.add_place({.pointer = "/sweep/where/" + std::to_string(i)});
    }
  }
  return true;
}

std::vector<Axis> make_axes(const SweepConfig& config, bool grid) {
  std::vector<Axis> axes;
  std::set<std::string> zipped;
  for (std::size_t i = 0; i < config.zip.size(); ++i) axes.push_back(zipped_axis(config, i, zipped));
  std::erase_if(axes, [](const Axis& axis) { return axis.paths.empty(); });
  for (const auto& [path, parameter] : config.parameters) {
    if (!zipped.contains(path)) axes.push_back(single_axis(path, parameter, grid));
  }
  return axes;
}

Trials make_trials(const SweepConfig& config, std::uint64_t seed) {
  if (config.method == SweepMethod::random) return draw_trials(config, seed);
  if (config.method == SweepMethod::list) return filtered(config, config.list);
  return filtered(config, all_combinations(make_axes(config, true)));
}

}  // namespace dsc::sweep
