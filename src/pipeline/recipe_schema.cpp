// The JSON Schema of recipes, from the field lists of all passes.
#include "core/fields_schema.h"
#include "pipeline/recipe.h"
#include "pipeline/sweep_config.h"

namespace dsc {
namespace {

// `gates` is a mapping by metric with one key of another kind.
void add_baseline_gates(Tree& gates) {
  BaselineRules rules;
  auto schema = schema_of([&](FieldVisitor& visit) { visit("baseline", rules, {.text = "What a run must keep against an earlier one; for the command `gate`."}); });
  Tree* object = &gates;
  if (auto* alternatives = gates.find("anyOf")) object = &alternatives->items.front();
  object->add("properties", std::move(*schema.find("properties")));
}

}  // namespace

std::string recipe_schema(const PassTable& table) {
  Recipe recipe;
  recipe.passes.table = &table;
  auto object = schema_of([&](FieldVisitor& visit) { recipe.fields(visit); });
  const auto text = map_tree({{"type", text_tree("string")}});
  auto& properties = *object.find("properties");
  *properties.find("version") = map_tree({{"description", text_tree("Version of the recipe grammar.")}, {"const", plain_tree("1")}});
  add_baseline_gates(*properties.find("gates"));
  properties.add("sweep", sweep_schema());
  properties.add("vars", map_tree({{"description", text_tree("Values to use elsewhere as ${name}.")},
                                   {"type", text_tree("object")},
                                   {"propertyNames", map_tree({{"pattern", text_tree("^[A-Za-z_][A-Za-z0-9_]*$")}})}}));
  properties.add("include", map_tree({{"description", text_tree("Recipe files whose content this one builds on, relative to it.")},
                                      {"anyOf", list_tree({text, map_tree({{"type", text_tree("array")}, {"items", text}})})}}));
  auto schema = map_tree({{"$schema", text_tree("https://json-schema.org/draft/2020-12/schema")},
                          {"title", text_tree("dscompress recipe")},
                          {"description", text_tree("A whole compression experiment: model, data, evaluation, passes, deployment, gates.")}});
  for (auto& entry : object.entries) {
    if (entry.key != "required") {
      schema.entries.push_back(std::move(entry));
    } else {  // what a file lacks may come from one that it includes
      auto includes = map_tree({{"required", list_tree({text_tree("include")})}});
      schema.add("anyOf", list_tree({map_tree({{"required", std::move(entry.value)}}), std::move(includes)}));
    }
  }
  schema.add("$defs", map_tree({{"expression", expression_definition()}}));
  return to_json(schema);
}

}  // namespace dsc
