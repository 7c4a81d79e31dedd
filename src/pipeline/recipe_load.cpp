// Recipes from their files: composed, parsed, steps named, checked.
#include <algorithm>
#include <filesystem>
#include <set>

#include "core/fields_parse.h"
#include "core/fields_write.h"
#include "core/tree_place.h"
#include "pipeline/recipe.h"
#include "pipeline/sweep_config.h"

namespace dsc {
namespace {

// A recipe of another version is one problem, whatever else its grammar may be.
void require_version(const Tree& tree) {
  const auto* version = tree.find("version");
  const bool other = version && version->kind == Tree::Kind::scalar && look_of(*version) == ScalarLook::integer && version->text != "1";
  if (!other) return;
  throw Error(ErrorCode::recipe, "recipe version " + version->text + " is not known; this program reads version 1", version->place(),
              "write version: 1, or use the dscompress that the recipe was written for");
}

// Steps without a name get their pass's; the second one of a name gets a number.
void name_steps(std::vector<PassStep>& steps) {
  std::set<std::string> taken;
  for (const auto& step : steps) taken.insert(step.name);
  for (auto& step : steps) {
    if (!step.name.empty()) continue;
    step.name = step.info->id;
    for (int number = 2; !taken.insert(step.name).second; ++number) step.name = step.info->id + "_" + std::to_string(number);
  }
}

bool names_metrics(const Tree& tree) {
  const auto* evaluate = tree.find("evaluate");
  return evaluate && evaluate->find("metrics");
}

}  // namespace

Recipe load_recipe(const RecipeInput& input, const PassTable& table) {
  std::vector<Problem> problems;
  auto composed = compose(input, problems);
  require_version(composed.tree);
  take_sweep(composed.tree, problems);  // it changes nothing here, and must be right all the same
  Recipe recipe;
  recipe.passes.table = &table;
  parse_fields(composed.tree, recipe, problems);
  throw_problems(std::move(problems));
  recipe.path = input.path;
  recipe.files = std::move(composed.files);
  recipe.overrides = std::move(composed.overrides);
  recipe.notes = std::move(composed.notes);
  if (recipe.name.empty()) recipe.name = std::filesystem::path(input.path).stem().string();
  if (!recipe.data.eval && !recipe.evaluate.metrics.empty() && !names_metrics(composed.tree)) {
    recipe.evaluate.metrics.clear();
    recipe.notes.emplace_back("no metric is measured: the recipe has no data.eval");
  }
  name_steps(recipe.passes.steps);
  name_tests(recipe.evaluate.robustness);
  resolve_bf16(recipe);
  recipe.source = std::make_shared<const Tree>(std::move(composed.tree));
  throw_problems(check_recipe(recipe));
  return recipe;
}

Place Recipe::place_of(const std::string& pointer) const {
  if (!source) return {.file = path, .pointer = pointer};
  return dsc::place_of(*source, pointer);
}

void add_places(const Recipe& recipe, std::vector<Problem>& problems) {
  for (auto& problem : problems) {
    const bool in_recipe = problem.place.file.empty() && problem.place.pointer.starts_with('/');
    if (in_recipe) problem.place = recipe.place_of(problem.place.pointer);
  }
}

std::string step_pointer(const Recipe& recipe, std::size_t index) {
  return "/passes/" + std::to_string(index) + "/" + recipe.passes.steps.at(index).info->id;
}

Error place_below(const Recipe& recipe, const std::string& pointer, const Error& error) {
  auto problems = error.problems();
  for (auto& problem : problems) {
    auto& place = problem.place;
    const bool in_part = place.file.empty() && (place.pointer.empty() || place.pointer.starts_with('/'));
    if (in_part) place = recipe.place_of(pointer + place.pointer);
  }
  return Error(error.code(), std::move(problems)).add_place(recipe.place_of(pointer));
}

std::string dump_recipe(const Recipe& recipe) { return to_yaml(write_fields(recipe)); }
std::string dump_recipe_json(const Recipe& recipe) { return to_json(write_fields(recipe)); }

}  // namespace dsc
