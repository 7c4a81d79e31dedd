// A recipe's `sweep` section: which of its values change from trial to trial, and what is looked for.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/tree.h"
#include "pipeline/recipe.h"

namespace dsc {

// One value that changes. Exactly one of values, range, integers and log is given.
struct SweepParameter {
  std::vector<std::string> values;  // as YAML, whatever their type
  std::vector<double> range, log;   // lowest, highest
  std::vector<std::int64_t> integers;
  std::int64_t count = 0;  // of points, for grids; 0: not given
  double step = 0;
  void fields(FieldVisitor& visit);
};

enum class SweepMethod : std::uint8_t { grid, list, random, tpe, nsga2, cmaes, gp };
std::span<const std::string_view> enum_names(SweepMethod);
enum class Direction : std::uint8_t { maximize, minimize };
std::span<const std::string_view> enum_names(Direction);
enum class ChooseOn : std::uint8_t { eval, valid };
std::span<const std::string_view> enum_names(ChooseOn);

struct SweepLimits {
  std::int64_t trials = 0;    // 0: all of a grid or list
  double hours = 0;           // 0: none
  std::int64_t failures = 5;  // 0: none
  void fields(FieldVisitor& visit);
};

// Trials that look worse than others half-way go no further.
enum class StopRule : std::uint8_t { median };
std::span<const std::string_view> enum_names(StopRule);
struct StopEarly {
  std::string after;  // name of a step
  StopRule rule = StopRule::median;
  std::int64_t trials = 4;  // so many others must have come that far
  void fields(FieldVisitor& visit);
};

struct SweepConfig {
  std::map<std::string, SweepParameter> parameters;  // by --set path
  std::vector<std::vector<std::string>> zip;
  std::vector<std::string> where;
  SweepMethod method = SweepMethod::grid;
  std::vector<std::map<std::string, std::string>> list;  // trials by themselves: path -> YAML
  std::map<std::string, Direction> objectives;           // empty: the recipe's metrics, and size
  std::map<std::string, GateConfig> constraints;
  ChooseOn choose_on = ChooseOn::eval;
  std::vector<std::int64_t> seeds;  // empty: the recipe's
  std::int64_t batch = 4;
  std::optional<StopEarly> stop_early;
  SweepLimits limits;
  void fields(FieldVisitor& visit);
};

// Takes `sweep` out of a recipe; none: it has no such section. Problems are added.
std::optional<SweepConfig> take_sweep(Tree& recipe, std::vector<Problem>& problems);

struct SweepSection {
  SweepConfig config;
  Tree source;  // the whole recipe
  // Where the value at a pointer, "/sweep/where/0", is written.
  Place place(const std::string& pointer) const;
};
// The section alone, of a recipe with all overrides. errors: recipe, for whatever is wrong with file or section, and when there is none.
SweepSection load_sweep_section(const RecipeInput& input);

// Its part of the recipe's schema.
Tree sweep_schema();

}  // namespace dsc
