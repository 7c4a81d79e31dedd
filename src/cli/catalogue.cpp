// dscompress passes, schema, report: what there is to use, and runs shown again.
#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "checkpoint/recipe.h"
#include "cli/session.h"
#include "cli/sweep.h"
#include "core/fields_schema.h"
#include "core/file.h"
#include "core/names.h"
#include "nightly/loop.h"
#include "pipeline/recipe.h"
#include "report/report.h"

namespace dsc {
namespace {

std::vector<FieldRow> rows_of(const PassInfo& pass) {
  auto options = pass.make_options();
  return describe_fields([&](FieldVisitor& visit) { pass.fields(options.get(), visit); });
}

nlohmann::ordered_json to_json(const PassInfo& pass) {
  nlohmann::ordered_json json{{"id", pass.id}, {"summary", pass.summary}, {"options", nlohmann::ordered_json::array()}};
  for (const auto& row : rows_of(pass)) {
    json["options"].push_back({{"name", row.name}, {"type", row.type}, {"default", row.fallback}, {"range", row.range}, {"text", row.text}});
  }
  return json;
}

int list_passes(const Session& session, const std::string& id, bool markdown) {
  std::vector<std::string> known;
  for (const auto& pass : session.passes.all()) known.push_back(pass->id);
  const auto* chosen = id.empty() ? nullptr : session.passes.find(id);
  if (!id.empty() && !chosen) throw Error(ErrorCode::usage, "there is no pass `" + id + "`", {}, suggest(id, known));
  if (session.json) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& pass : session.passes.all()) {
      if (!chosen || pass.get() == chosen) list.push_back(to_json(*pass));
    }
    std::cout << list.dump(2) << '\n';
  } else if (chosen) {
    std::cout << chosen->id << ": " << chosen->summary << "\n\n" << (markdown ? to_markdown(rows_of(*chosen)) : to_plain(rows_of(*chosen)));
  } else {
    std::vector<std::vector<std::string>> rows;
    for (const auto& pass : session.passes.all()) rows.push_back({pass->id, pass->summary});
    std::cout << format_table(rows) << "\nOptions of one: dscompress passes PASS\n";
  }
  return 0;
}

int show_report(const Session& session, const std::string& folder, bool markdown) {
  if (const auto status = report_sweep(session, folder, markdown)) return *status;
  const auto file = folder + "/report.json";
  const auto report = parse_report(read_file(file), file);
  std::cout << (session.json ? report_json(report) : markdown ? report_markdown(report) : report_summary(report));
  return 0;
}

}  // namespace

void add_passes_command(CLI::App& app, Session& session) {
  auto id = std::make_shared<std::string>();
  auto markdown = std::make_shared<bool>(false);
  auto* sub = app.add_subcommand("passes", "List the passes, or describe one with all its options");
  sub->add_option("PASS", *id, "Pass to describe")->type_name("");
  sub->add_flag("--markdown", *markdown, "Print a pass's options as a Markdown table");
  sub->add_flag("--json", session.json, "Print JSON");
  sub->footer("Examples:\n  dscompress passes\n  dscompress passes prune\n  dscompress --plugin libmine.so passes my.pass");
  sub->callback([&session, id, markdown] { session.run = [&session, id, markdown] { return list_passes(session, *id, *markdown); }; });
}

void add_schema_command(CLI::App& app, Session& session) {
  auto what = std::make_shared<std::string>("recipe");
  auto* sub = app.add_subcommand("schema", "Print the JSON Schema of recipes, reports, checkpoint recipes or nightly loops");
  sub->add_option("WHAT", *what, "recipe, report, checkpoint or nightly")->check(CLI::IsMember({"recipe", "report", "checkpoint", "nightly"}))->type_name("")->capture_default_str();
  sub->footer("Example:\n  dscompress schema recipe > recipe.schema.json");
  sub->callback([&session, what] {
    session.run = [&session, what] {
      std::cout << (*what == "recipe"    ? recipe_schema(session.passes)
                    : *what == "report"  ? report_schema()
                    : *what == "nightly" ? loop_schema()
                                         : checkpoint::recipe_schema());
      return 0;
    };
  });
}

void add_report_command(CLI::App& app, Session& session) {
  auto folder = std::make_shared<std::string>();
  auto markdown = std::make_shared<bool>(false);
  auto* sub = app.add_subcommand("report", "Print the report of a run or a sweep");
  sub->add_option("DIR", *folder, "Run folder, or a sweep's")->required()->type_name("");
  sub->add_flag("--markdown", *markdown, "Print all of it as Markdown instead of the summary");
  sub->add_flag("--json", session.json, "Print it as JSON");
  sub->footer("Example:\n  dscompress report runs/first --markdown");
  sub->callback([&session, folder, markdown] { session.run = [&session, folder, markdown] { return show_report(session, *folder, *markdown); }; });
}

}  // namespace dsc
