// dscompress compare A B...: finished runs side by side.
#include "pipeline/compare_runs.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "cli/ci.h"
#include "cli/session.h"
#include "core/file.h"
#include "sweep/summary.h"

namespace dsc {
namespace {

struct CompareCommand {
  std::vector<std::string> runs;
  std::string html, summary;
};

void print_text(const RunComparison& comparison) {
  constexpr std::size_t kMostRows = 40;  // of one table; the other forms have all
  for (const auto& table : comparison_tables(comparison)) {
    std::vector<std::vector<std::string>> rows{table.columns};
    rows.insert(rows.end(), table.rows.begin(), table.rows.begin() + static_cast<std::ptrdiff_t>(std::min(kMostRows, table.rows.size())));
    std::cout << table.title << '\n' << format_table(rows);
    if (table.rows.size() > kMostRows) std::cout << "and " << table.rows.size() - kMostRows << " more: --json or --html\n";
    std::cout << '\n';
  }
  for (const auto& note : comparison.notes) std::cout << note << '\n';
}

// A sweep stands for the runs on its front.
std::vector<std::string> runs_of(const std::vector<std::string>& named) {
  std::vector<std::string> runs;
  for (const auto& path : named) {
    if (!sweep::Folder::is_sweep(path)) {
      runs.push_back(path);
      continue;
    }
    for (auto& run : sweep::front_runs(sweep::Folder(path))) runs.push_back(std::move(run));
  }
  if (runs.size() < 2) throw Error(ErrorCode::usage, "there is one run, and nothing to compare it with", {}, "name another run, or a sweep with two trials on its front");
  return runs;
}

int compare(const Session& session, const CompareCommand& command) {
  const auto comparison = compare_runs(runs_of(command.runs));
  if (!command.html.empty()) write_file_atomically(command.html, comparison_html(comparison));
  append_summary(command.summary, comparison_markdown(comparison));
  if (session.json) std::cout << comparison_json(comparison);
  else print_text(comparison);
  return 0;
}

}  // namespace

void add_compare_command(CLI::App& app, Session& session) {
  auto command = std::make_shared<CompareCommand>();
  auto* sub = app.add_subcommand("compare", "Show runs side by side: metrics on the same examples, size, latency, layers, settings");
  sub->add_option("RUN", command->runs, "Run folders, report.json files, or sweeps, whose fronts are meant; the others are compared with the first")->required()->expected(1, 1000)->type_name("");
  sub->add_option("--html", command->html, "Also write a page that opens offline")->type_name("FILE");
  add_summary_option(*sub, command->summary);
  sub->add_flag("--json", session.json, "Print JSON");
  sub->footer("Examples:\n  dscompress compare runs/monday runs/tuesday\n  dscompress compare last-good out --html comparison.html --json");
  sub->callback([&session, command] { session.run = [&session, command] { return compare(session, *command); }; });
}

}  // namespace dsc
