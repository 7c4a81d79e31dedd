#include "sweep/trial_recipes.h"

#include <algorithm>

namespace dsc::sweep {
namespace {

std::string text_of(const Assignment& assignment) {
  std::string text;
  for (const auto& [path, value] : assignment) text += (text.empty() ? "" : ", ") + path + "=" + value;
  return text;
}

}  // namespace

TrialRecipes::TrialRecipes(RecipeInput input, const SweepSection& section, const PassTable& passes) : input_(std::move(input)), section_(section), passes_(passes) {
  std::erase_if(input_.overrides, [](const Override& override) { return override.path == "sweep" || override.path.starts_with("sweep.") || override.path.starts_with("/sweep"); });
}

Recipe TrialRecipes::base() const { return load_recipe(input_, passes_); }

void TrialRecipes::set_threads(std::int64_t threads) { input_.overrides.push_back({"threads", std::to_string(threads), "--workers"}); }

Recipe TrialRecipes::make(std::int64_t number, const Assignment& assignment) const {
  auto input = input_;
  for (const auto& [path, value] : assignment) input.overrides.push_back({path, value, "sweep"});
  try {
    auto recipe = load_recipe(input, passes_);
    check_used(recipe, assignment);
    choose_data(recipe);
    return recipe;
  } catch (const Error& error) {
    auto problems = error.problems();
    for (auto& problem : problems) problem.message = "trial " + std::to_string(number) + " (" + text_of(assignment) + "): " + problem.message;
    throw Error(error.code(), std::move(problems));
  }
}

// A variable that nothing uses changes nothing.
void TrialRecipes::check_used(const Recipe& recipe, const Assignment& assignment) const {
  for (const auto& [path, value] : assignment) {
    if (!path.starts_with("vars.")) continue;
    const auto name = path.substr(5, path.find('.', 5) - 5);
    const auto says_so = [&](const std::string& note) { return note.starts_with("the variable `" + name + "` (") && note.ends_with("is not used"); };
    if (std::ranges::none_of(recipe.notes, says_so)) continue;
    throw Error(ErrorCode::recipe, "`" + path + "` changes nothing: no value of the recipe uses ${" + name + "}", section_.place(child_pointer("/sweep/parameters", path)),
                "use it, or sweep something else");
  }
}

void TrialRecipes::choose_data(Recipe& recipe) const {
  if (section_.config.choose_on == ChooseOn::eval) return;
  if (!recipe.data.valid) throw Error(ErrorCode::recipe, "choose_on: valid, and there is no `data.valid`", section_.place("/sweep/choose_on"), "add data.valid");
  recipe.data.eval = recipe.data.valid;
}

}  // namespace dsc::sweep
