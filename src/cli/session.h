// What all subcommands share: global options, the passes, and how results are printed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "dscompress/pass.h"

namespace CLI {
class App;
}

namespace dsc {

struct Session {
  bool quiet = false, verbose = false, log_json = false, no_color = false;
  std::vector<std::string> arguments;  // of the command line, without the program's name
  std::vector<std::string> plugins;
  std::int64_t threads = 0;
  std::string device;  // empty: as the recipe says
  bool json = false;   // of the subcommand that prints data
  PassTable passes;    // built-in ones and the plugins'; filled before a subcommand runs
  std::function<int()> run;  // set by the subcommand that was chosen; returns the exit status
};

// Adds one subcommand: its options, its help with examples, and `session.run` when it is chosen.
void add_run_command(CLI::App& app, Session& session);
void add_resume_command(CLI::App& app, Session& session);
void add_validate_command(CLI::App& app, Session& session);
void add_plan_command(CLI::App& app, Session& session);
void add_eval_command(CLI::App& app, Session& session);
void add_sense_command(CLI::App& app, Session& session);
void add_cache_command(CLI::App& app, Session& session);
void add_compare_command(CLI::App& app, Session& session);
void add_gate_command(CLI::App& app, Session& session);
void add_nightly_command(CLI::App& app, Session& session);
void add_serve_command(CLI::App& app, Session& session);
void add_inspect_command(CLI::App& app, Session& session);
void add_bench_command(CLI::App& app, Session& session);
void add_export_command(CLI::App& app, Session& session);
void add_generate_command(CLI::App& app, Session& session);
void add_passes_command(CLI::App& app, Session& session);
void add_schema_command(CLI::App& app, Session& session);
void add_init_command(CLI::App& app, Session& session);
void add_report_command(CLI::App& app, Session& session);
void add_doctor_command(CLI::App& app, Session& session);
void add_completion_command(CLI::App& app, Session& session);
void add_help_command(CLI::App& app, Session& session);

// --input, once for each input of a TorchScript model.
void add_input_option(CLI::App& command, std::vector<std::string>& inputs);

// Columns padded to their widest cell; the first row is the header.
std::string format_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace dsc
