// dscompress nightly LOOP: one night of a registry, its state, and going back.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/ci.h"
#include "cli/session.h"
#include "nightly/history.h"
#include "nightly/night.h"
#include "nightly/registry.h"

namespace dsc {
namespace {

using Json = nlohmann::ordered_json;

struct NightlyCommand {
  std::string loop, summary;
  bool force = false, dry_run = false;
  std::int64_t version = 0;
};

Json list_of(const std::vector<Decision>& decisions) {
  auto list = Json::array();
  for (const auto& decision : decisions) list.push_back(Json::parse(decision_json(decision)));
  return list;
}

void print(const NightResult& result) {
  for (const auto& note : result.notes) std::cout << note << '\n';
  for (const auto& decision : result.decisions) std::cout << "version " << decision.number << ": " << to_text(decision.verdict) << ", " << decision.reason << '\n';
  for (const auto& budget : result.budgets) std::cout << (budget.passed ? "budget kept: " : "budget VIOLATED: ") << budget.message << '\n';
  std::cout << "last good version: " << (result.last_good ? std::to_string(*result.last_good) : "none") << '\n';
}

void print_json(const NightResult& result) {
  Json json{{"decisions", list_of(result.decisions)}, {"notes", result.notes}, {"last_good", result.last_good ? Json(*result.last_good) : Json()},
            {"figures", result.figures}, {"budgets", Json::array()}};
  for (const auto& budget : result.budgets) {
    json["budgets"].push_back({{"figure", budget.metric}, {"rule", budget.rule}, {"passed", budget.passed}, {"message", budget.message}});
  }
  std::cout << json.dump(2) << '\n';
}

std::string markdown(const Loop& loop, const NightResult& result) {
  std::ostringstream out;
  out << "# " << loop.name() << ": version " << (result.last_good ? std::to_string(*result.last_good) : "none") << (result.exit_status == 0 ? ", healthy\n\n" : ", NOT healthy\n\n");
  for (const auto& decision : result.decisions) out << "- version " << decision.number << " **" << to_text(decision.verdict) << "**: " << decision.reason << '\n';
  for (const auto& budget : result.budgets) out << "- budget " << (budget.passed ? "kept: " : "**violated**: ") << budget.message << '\n';
  for (const auto& note : result.notes) out << "- " << note << '\n';
  return std::move(out).str();
}

int nightly(const Session& session, const NightlyCommand& command) {
  const auto loop = load_loop(command.loop);
  const NightOptions options{.force = command.force, .threads = session.threads, .plugins = session.plugins};
  if (command.dry_run) {
    for (const auto& line : plan_night(loop, session.passes, options)) std::cout << line << '\n';
    return 0;
  }
  const auto result = run_night(loop, session.passes, options);
  append_summary(command.summary, markdown(loop, result));
  for (const auto& budget : result.budgets) {
    if (!budget.passed) annotate("budget violated: " + budget.message);
  }
  session.json ? print_json(result) : print(result);
  return result.exit_status;
}

int status(const Session& session, const NightlyCommand& command) {
  const auto loop = load_loop(command.loop);
  const Registry registry(loop.model.registry.path);
  if (!std::filesystem::exists(registry.history_file())) {
    throw Error(ErrorCode::usage, "no night has run yet", {.file = registry.folder()}, "start one: dscompress nightly " + command.loop);
  }
  const auto rows = History(registry.history_file()).rows();
  const auto good = registry.last_good();
  const auto candidate = registry.candidate();
  if (session.json) {
    const Json json{{"last_good", good ? Json(*good) : Json()}, {"versions", registry.versions()},
                    {"candidate", candidate ? Json(candidate->number) : Json()}, {"nights", list_of(rows)}};
    std::cout << json.dump(2) << '\n';
    return 0;
  }
  std::vector<std::vector<std::string>> table{{"decided", "version", "verdict", "reason"}};
  for (const auto& row : rows) table.push_back({row.decided_at, std::to_string(row.number), to_text(row.verdict), row.reason});
  std::cout << format_table(table);
  if (candidate) std::cout << "interrupted while version " << candidate->number << " was made: the next night goes on with it\n";
  std::cout << "last good version: " << (good ? std::to_string(*good) : "none") << '\n';
  return 0;
}

CLI::App* add_part(CLI::App& parent, const char* name, const char* text, NightlyCommand& command, std::function<void()> chosen) {
  auto* sub = parent.add_subcommand(name, text);
  sub->add_option("LOOP", command.loop, "Loop file (YAML)")->required()->type_name("");
  sub->callback(std::move(chosen));
  return sub;
}

}  // namespace

void add_nightly_command(CLI::App& app, Session& session) {
  auto command = std::make_shared<NightlyCommand>();
  auto* sub = app.add_subcommand("nightly", "Look after a deployed model: compress what is new, promote it if it is not worse");
  auto* loop = sub->add_option("LOOP", command->loop, "Loop file (YAML)")->type_name("");
  sub->add_flag("--force", command->force, "Try what was decided on before");
  sub->add_flag("--dry-run", command->dry_run, "Say what would be done");
  add_summary_option(*sub, command->summary);
  sub->add_flag("--json", session.json, "Print JSON");
  sub->footer("Exit status 0: healthy or promoted; 1: a budget is violated, or there is no version; 130: interrupted, go on with the same command.\n\n"
              "Examples:\n  dscompress nightly loop.yaml\n  dscompress nightly status loop.yaml\n  dscompress nightly rollback loop.yaml 4");
  auto* show = add_part(*sub, "status", "Show the nights and the last good version", *command, [&session, command] {
    session.run = [&session, command] { return status(session, *command); };
  });
  show->add_flag("--json", session.json, "Print JSON");
  auto* back = add_part(*sub, "rollback", "Make an earlier version the last good one", *command, [&session, command] {
    session.run = [command] {
      std::cout << "last good version: " << roll_back(load_loop(command->loop), command->version) << '\n';
      return 0;
    };
  });
  back->add_option("N", command->version, "Version; default: the one before")->check(CLI::PositiveNumber)->type_name("");
  sub->callback([&session, command, loop, show, back] {
    if (show->parsed() || back->parsed()) return;
    if (loop->count() == 0) throw CLI::RequiredError("LOOP");
    session.run = [&session, command] { return nightly(session, *command); };
  });
}

}  // namespace dsc
