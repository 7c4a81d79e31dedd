// dscompress gate DIR --baseline PATH: whether a run is no worse than an earlier one.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "cli/ci.h"
#include "cli/session.h"
#include "core/file.h"
#include "eval/metrics.h"
#include "pipeline/baseline_gate.h"
#include "sweep/summary.h"
#include "pipeline/recipe.h"
#include "report/prometheus.h"

namespace dsc {
namespace {

struct GateCommand {
  std::string run, baseline, junit, prometheus, summary;
  std::vector<std::string> rules;
  bool first = false;
};

// Those of the command line replace those of the recipe, metric by metric.
BaselineRules rules_of(const FinishedRun& run, const GateCommand& command, const PassTable& passes) {
  BaselineRules rules;
  if (run.has_file("recipe.resolved.yaml")) {
    rules = load_recipe(RecipeInput{.path = run.recipe_file(), .vars_files = {}, .overrides = {}}, passes).baseline_gates;
  }
  for (const auto& text : command.rules) add_rule(rules, text);
  if (auto problems = check_baseline_rules(rules, metric_names(), ""); !problems.empty()) throw Error(ErrorCode::usage, std::move(problems));
  return rules;
}

GateReport check(const FinishedRun& run, const GateCommand& command, const Session& session) {
  if (!run_exists(command.baseline)) {
    if (command.first) return first_of_its_kind(run, command.baseline);
    throw Error(ErrorCode::usage, "there is no baseline", {.file = command.baseline}, "name a run folder or a report.json; for the first run of all: --first");
  }
  return check_against_baseline(run, open_run(command.baseline),
                                {.rules = rules_of(run, command, session.passes), .passes = &session.passes, .threads = session.threads});
}

// Into the run folder, unless only a report was given.
void write_files(const FinishedRun& run, const GateReport& report, const GateCommand& command) {
  const bool has_folder = std::filesystem::is_directory(run.path);
  const auto junit = command.junit.empty() && has_folder ? run.file("gate.junit.xml") : command.junit;
  const auto prometheus = command.prometheus.empty() && has_folder ? run.file("metrics.prom") : command.prometheus;
  if (has_folder) write_file_atomically(run.file("gate.json"), gate_json(report));
  if (!junit.empty()) write_file_atomically(junit, gate_junit(report));
  if (!prometheus.empty()) write_file_atomically(prometheus, prometheus_text(run.report, &report));
}

GateReport gate_run(const std::string& path, const Session& session, const GateCommand& command) {
  const auto run = open_run(path);
  auto report = check(run, command, session);
  write_files(run, report, command);
  append_summary(command.summary, gate_markdown(report));
  return report;
}

int gate_one(const Session& session, const GateCommand& command) {
  const auto report = gate_run(command.run, session, command);
  for (const auto& check : report.checks) {
    if (!check.gate.passed) annotate("gate failed: " + check.gate.message);
  }
  for (const auto& anomaly : report.anomalies) annotate(anomaly);
  std::cout << (session.json ? gate_json(report) : gate_text(report));
  return exit_status(report);
}

// A sweep has something to offer when a run on its front passes.
int gate_front(const Session& session, const GateCommand& command) {
  if (!command.junit.empty() || !command.prometheus.empty()) throw Error(ErrorCode::usage, "a sweep's front is several runs, each with files of its own", {.file = command.run}, "leave --junit and --prometheus out, or name one of its runs");
  std::string list;
  int passed = 0, runs = 0;
  for (const auto& path : sweep::front_runs(sweep::Folder(command.run))) {
    const auto report = gate_run(path, session, command);
    passed += exit_status(report) == 0;
    list += (session.json ? (runs == 0 ? "" : ",\n") : path + "\n") + (session.json ? gate_json(report) : gate_text(report)) + "\n";
    ++runs;
  }
  if (session.json) std::cout << "[" << list << "]\n";
  else std::cout << list << passed << " of " << runs << " runs on the front pass\n";
  if (passed == 0) annotate("gate failed: none of the " + std::to_string(runs) + " runs on the front of " + command.run + " passes");
  return passed > 0 ? 0 : exit_status(ErrorCode::gate);
}

int gate(const Session& session, const GateCommand& command) {
  return sweep::Folder::is_sweep(command.run) ? gate_front(session, command) : gate_one(session, command);
}

}  // namespace

void add_gate_command(CLI::App& app, Session& session) {
  auto command = std::make_shared<GateCommand>();
  auto* sub = app.add_subcommand("gate", "Check a run against an earlier one: exit status 1 if it is worse than the rules allow");
  sub->add_option("RUN", command->run, "Run folder or report.json; or a sweep, which passes when a run on its front does")->required()->type_name("");
  sub->add_option("--baseline", command->baseline, "Run folder, report.json, or a link to one, such as last-good")->required()->type_name("PATH");
  sub->add_option("--rule", command->rules, "'top1: {max_drop: 0.3pp}', 'latency_p50: {max_growth: 5%}'; default: the recipe's gates.baseline")
      ->type_name("RULE")
      ->allow_extra_args(false);
  sub->add_flag("--first", command->first, "A missing baseline is no error: the first run of all");
  sub->add_option("--junit", command->junit, "Results as JUnit XML; default: RUN/gate.junit.xml")->type_name("FILE");
  sub->add_option("--prometheus", command->prometheus, "Figures for Prometheus' textfile collector; default: RUN/metrics.prom")->type_name("FILE");
  add_summary_option(*sub, command->summary);
  sub->add_flag("--json", session.json, "Print JSON");
  sub->footer("Examples:\n  dscompress gate out --baseline last-good\n"
              "  dscompress gate out --baseline last-good --rule 'top1: {max_drop: 0.3pp}' --rule 'latency_p50: {max_growth: 5%}'\n"
              "  dscompress gate out --baseline last-good --first && ln -sfn out last-good");
  sub->callback([&session, command] { session.run = [&session, command] { return gate(session, *command); }; });
}

}  // namespace dsc
