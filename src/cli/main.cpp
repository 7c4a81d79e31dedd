#include "cli/main.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>

#include "cli/checkpoint.h"
#include "cli/ci.h"
#include "cli/opt.h"
#include "cli/session.h"
#include "cli/sweep.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/names.h"
#include "exec/executor.h"
#include "exec/foreign_error.h"
#include "passes/builtin.h"
#include "pipeline/plugins.h"
#include "pipeline/version.h"

namespace dsc {
namespace {

constexpr const char* kExitCodes =
    "\nExit status: 0 all good; 1 a gate failed; 2 usage or recipe; 3 run-time error; 4 model or graph unsupported;\n"
    "5 metrics missing or anomalous; 6 resource limit (time, memory, disk); 130 interrupted, resumable.";

void add_global_options(CLI::App& app, Session& session) {
  app.set_version_flag("--version", "dscompress " + std::string(version()));
  app.add_flag("-q,--quiet", session.quiet, "Warnings and errors only");
  app.add_flag("-v,--verbose", session.verbose, "Debug lines too");
  app.add_flag("--log-json", session.log_json, "Log one JSON object a line (stderr)");
  app.add_flag("--no-color", session.no_color, "No colours in the log");
  app.add_option("--plugin", session.plugins, "Shared library with further passes; may be given several times")->type_name("FILE");
  app.add_option("--threads", session.threads, "Threads of the kernels; default: all cores this process may use")->check(CLI::Range(1, 1024))->type_name("N");
  app.add_option("--device", session.device, "Where LibTorch runs: cpu (default), cuda, cuda:1")->type_name("DEVICE");
}

void add_commands(CLI::App& app, Session& session) {
  for (const auto add :
       {add_run_command,        add_resume_command, add_sweep_command,   add_cache_command,    add_validate_command,   add_plan_command,
        add_eval_command,       add_sense_command,  add_inspect_command, add_compare_command,  add_gate_command,       add_nightly_command,
        add_serve_command,      add_bench_command,  add_export_command,  add_generate_command, add_checkpoint_command, add_opt_command,
        add_reduce_command,     add_passes_command, add_schema_command,  add_init_command,     add_report_command,     add_doctor_command,
        add_completion_command, add_help_command}) {
    add(app, session);
  }
}

int run_session(Session& session) {
  configure_log({.quiet = session.quiet, .verbose = session.verbose, .json = session.log_json, .color = !session.no_color});
  catch_interrupts();
  add_builtin_passes(session.passes);
  for (const auto& path : session.plugins) load_plugin(path, session.passes);
  set_threads(static_cast<int>(session.threads));
  return session.run();
}

// Of a command line that names no command that there is: the word in its place; empty: there is none.
std::string unknown_command(const CLI::App& app) {
  if (!app.get_subcommands().empty()) return {};
  for (const auto& word : app.remaining()) {
    if (!word.starts_with('-')) return word;
  }
  return {};
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(command->get_name());
  return names;
}

// CLI11's own errors: usage to stderr, help and version to stdout.
int report_parse_error(const CLI::App& app, const CLI::ParseError& error) {
  if (const auto word = unknown_command(app); !word.empty()) {
    log_error(Error(ErrorCode::usage, "there is no command `" + word + "`", {}, suggest(word, command_names(app)) + " See dscompress --help").what());
    return exit_status(ErrorCode::usage);
  }
  const int status = app.exit(error, std::cout, std::cerr);
  return status == 0 ? 0 : exit_status(ErrorCode::usage);
}

}  // namespace

int run_command_line(int argc, const char* const* argv) {
  Session session{.arguments = std::vector<std::string>(argv + std::min(argc, 1), argv + argc)};
  CLI::App app("Compresses PyTorch models from a recipe: pruning, quantisation, distillation, fine-tuning, deployment.", "dscompress");
  app.footer(std::string("Example:\n  dscompress run recipe.yaml --output-dir runs/first\n") + kExitCodes);
  app.require_subcommand(1);
  app.fallthrough();
  add_global_options(app, session);
  add_commands(app, session);
  try {
    app.parse(argc, argv);
    const int status = run_session(session);
    std::fflush(stdout);
    return status;
  } catch (const CLI::ParseError& error) {
    return report_parse_error(app, error);
  } catch (const std::exception&) {
    const Error error = to_error(std::current_exception());
    log_error(error.what());
    annotate(error);
    return exit_status(error.code());
  }
}

}  // namespace dsc

extern "C" int dscompress_main(int argc, const char* const* argv) { return dsc::run_command_line(argc, argv); }
