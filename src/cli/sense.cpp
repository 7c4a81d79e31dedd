// dscompress sense RECIPE: which parts of a model a pass hurts most.
#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/recipe_options.h"
#include "core/log.h"
#include "core/printed.h"
#include "pipeline/sense.h"
#include "report/report.h"

namespace dsc {
namespace {

// A row for each part, a column for each setting.
std::string sense_text(const SenseTable& table) {
  std::vector<std::string> parts;
  std::map<std::string, std::map<double, double>> values;
  std::set<double> settings;
  for (const auto& point : table.points) {
    if (!values.contains(point.part)) parts.push_back(point.part);
    values[point.part][point.setting] = point.value;
    settings.insert(point.setting);
  }
  std::vector<std::vector<std::string>> rows = {{"part"}};
  for (const double setting : settings) rows[0].push_back(table.setting + " " + printed("%g", setting));
  for (const auto& part : parts) {
    rows.push_back({part});
    for (const double setting : settings) {
      const auto found = values[part].find(setting);
      rows.back().push_back(found == values[part].end() ? "-" : format_metric(table.metric, found->second));
    }
  }
  return table.metric + " of the whole model: " + format_metric(table.metric, table.base) + "\n\n" + format_table(rows);
}

int sense(const Session& session, const RecipeOptions& options, const SenseOptions& sense) {
  const auto result = sense_recipe(load_recipe(options, session), sense);
  if (session.json) {
    auto json = nlohmann::ordered_json::parse(to_text(result.table));
    json["pass"] = result.pass;
    json["step"] = result.step;
    std::cout << json.dump(2) << '\n';
  } else {
    std::cout << sense_text(result.table);
  }
  return 0;
}

}  // namespace

void add_sense_command(CLI::App& app, Session& session) {
  auto options = std::make_shared<RecipeOptions>();
  auto what = std::make_shared<SenseOptions>();
  what->cache = "runs/sense";
  auto* sub = app.add_subcommand("sense", "Measure how much each part of the model suffers from a pass, on data.valid");
  add_recipe_options(*sub, *options);
  sub->add_option("--what", what->what, "Step or pass to measure; default: the only one that can be")->type_name("NAME");
  sub->add_option("--cache", what->cache, "Folder that keeps what was measured, by content; empty: none")->type_name("DIR")->capture_default_str();
  sub->add_flag("--json", session.json, "Print JSON, which `prune: {scope: sensitivity, sensitivity: {table: FILE}}` and `quantize: {mixed: {table: FILE}}` read");
  sub->footer("The model is measured as it is loaded; earlier steps of the recipe do not run.\nExamples:\n  dscompress sense recipe.yaml\n"
              "  dscompress sense recipe.yaml --what prune --json > sense.json");
  sub->callback([&session, options, what] { session.run = [&session, options, what] { return sense(session, *options, *what); }; });
}

}  // namespace dsc
