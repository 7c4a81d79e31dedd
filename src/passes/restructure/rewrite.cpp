#include "passes/restructure/rewrite.h"

#include <algorithm>
#include <utility>

#include "core/names.h"
#include "exec/executor.h"

namespace dsc::restructure {

bool is_selected(const std::string& place, const std::vector<std::string>& only, const std::vector<std::string>& skip) {
  auto matches = [&](const std::string& glob) { return matches_glob(glob, place); };
  return (only.empty() || std::ranges::any_of(only, matches)) && std::ranges::none_of(skip, matches);
}

std::vector<Problem> check_patterns(const std::vector<std::string>& patterns, const std::string& option, const std::vector<std::string>& places) {
  std::vector<Problem> problems;
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    if (std::ranges::any_of(places, [&](const std::string& place) { return matches_glob(patterns[i], place); })) continue;
    problems.push_back({"`" + patterns[i] + "` matches nothing that this pass can change", {.pointer = "/" + option + "/" + std::to_string(i)}, suggest(patterns[i], places)});
  }
  return problems;
}

std::vector<Statistic> statistics_of(const std::string& what, std::size_t count, const Cost& before, const Cost& after) {
  return {{what, static_cast<double>(count), ""},
          {"macs_reduction", 1 - after.macs / before.macs, "fraction"},
          {"parameters_reduction", 1 - after.parameters / before.parameters, "fraction"}};
}

void refresh(Model& model) { refresh_types(model, example_inputs(model, 0, 1)); }

}  // namespace dsc::restructure
