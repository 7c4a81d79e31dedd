// What a run must keep against an earlier one: `gates.baseline` of a recipe, or --rule of the command `gate`.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/error.h"
#include "dscompress/fields.h"

namespace dsc {

struct BaselineRule {
  std::optional<Quantity> max_drop;    // of metrics
  std::optional<Quantity> max_growth;  // of size, MACs, parameters, memory, latency
  void fields(FieldVisitor& visit);
};
using BaselineRules = std::map<std::string, BaselineRule>;

// The figures besides metrics.
const std::vector<std::string>& baseline_figures();

// Problems of rules that make no sense; `metrics`: those that are measured. Pointers start at `pointer`.
std::vector<Problem> check_baseline_rules(const BaselineRules& rules, const std::vector<std::string>& metrics, const std::string& pointer);

// "top1: {max_drop: 0.3pp}". Later rules replace earlier ones of the same metric. errors: recipe.
void add_rule(BaselineRules& rules, std::string_view text);

}  // namespace dsc
