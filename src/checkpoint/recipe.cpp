#include "checkpoint/recipe.h"

#include <algorithm>
#include <array>

#include "core/fields_parse.h"
#include "core/fields_schema.h"
#include "core/tree_place.h"

namespace dsc::checkpoint {
namespace {

Recipe parse(Tree tree, std::vector<Problem> problems) {
  Recipe recipe;
  parse_fields(tree, recipe, problems);
  throw_problems(std::move(problems));
  recipe.source = std::make_shared<const Tree>(std::move(tree));
  return recipe;
}

}  // namespace

void Recipe::fields(FieldVisitor& visit) {
  visit("version", version, {.text = "Version of the recipe grammar: 1.", .minimum = 1, .maximum = 1, .required = true});
  visit("checkpoint", checkpoint, {.text = "The checkpoint to round, in a stream.", .required = true});
  visit("threads", threads, {.text = "Threads; 0: all cores this process may use.", .minimum = 0, .maximum = 4096});
  visit("output_dir", output_dir, {.text = "The folder to write; -o names it as well."});
}

std::optional<Recipe> find_recipe(const ComposeInput& input) {
  std::vector<Problem> problems;
  Composition composed;
  try {
    composed = compose(input, problems);
  } catch (const Error&) {
    return std::nullopt;  // whoever reads it as another kind of recipe says what is wrong
  }
  if (!composed.tree.find("checkpoint")) return std::nullopt;
  return parse(std::move(composed.tree), std::move(problems));
}

Override below_section(Override override) {
  static constexpr std::array<std::string_view, 5> kTop = {"version", "checkpoint", "threads", "output_dir", "vars"};
  const auto first = override.path.substr(0, override.path.find_first_of("./"));
  if (std::find(kTop.begin(), kTop.end(), first) == kTop.end()) override.path = "checkpoint." + override.path;
  return override;
}

Recipe recipe_for(const std::string& folder, const std::vector<Override>& overrides) {
  std::vector<Problem> problems;
  auto tree = map_tree({{"version", plain_tree("1")}, {"checkpoint", map_tree({{"path", text_tree(folder)}})}});
  set_pointers(tree);
  for (const auto& override : overrides) apply_override(tree, below_section(override), problems);
  set_pointers(tree);
  return parse(std::move(tree), std::move(problems));
}

Error with_places(const Recipe& recipe, const Error& error) {
  auto problems = error.problems();
  for (auto& problem : problems) {
    const bool in_recipe = problem.place.file.empty() && problem.place.pointer.starts_with('/');
    if (in_recipe) problem.place = place_of(*recipe.source, problem.place.pointer);
  }
  return Error(error.code(), std::move(problems));
}

std::string recipe_schema() {
  Recipe recipe;
  auto object = schema_of([&](FieldVisitor& visit) { recipe.fields(visit); });
  auto schema = map_tree({{"$schema", text_tree("https://json-schema.org/draft/2020-12/schema")},
                          {"title", text_tree("dscompress checkpoint recipe")},
                          {"description", text_tree("Rounding of a checkpoint in a stream, without a graph.")}});
  for (auto& entry : object.entries) schema.entries.push_back(std::move(entry));
  auto& properties = *schema.find("properties");
  properties.add("vars", map_tree({{"description", text_tree("Values to use elsewhere as ${name}.")}, {"type", text_tree("object")}}));
  const auto text = map_tree({{"type", text_tree("string")}});
  properties.add("include", map_tree({{"description", text_tree("Recipe files whose content this one builds on, relative to it.")},
                                      {"anyOf", list_tree({text, map_tree({{"type", text_tree("array")}, {"items", text}})})}}));
  schema.add("$defs", map_tree({{"expression", expression_definition()}}));
  return to_json(schema);
}

}  // namespace dsc::checkpoint
