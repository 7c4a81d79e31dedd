// dscompress serve MODEL: the last good version of a registry, or any OpenVINO model, over HTTP.
#include <chrono>
#include <CLI/CLI.hpp>
#include <iostream>
#include <thread>

#include "cli/session.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "dscompress/error.h"
#include "serve/service.h"

namespace dsc {
namespace {

struct ServeCommand {
  ServeOptions options;
  double max_body_mb = 8, canary_percent = 0, capture_minutes = 60, reload_seconds = 1;
};

int serve(const Session& session, ServeCommand command) {
  auto& options = command.options;
  if (options.versions.candidate.empty() && (options.shadow || command.canary_percent > 0)) {
    throw Error(ErrorCode::usage, "there is no candidate to try", {}, "name its folder, or a link to it: --candidate models/NAME/rejected/7");
  }
  options.http.max_body = static_cast<std::uint64_t>(1e6 * command.max_body_mb);
  options.versions.canary = command.canary_percent / 100;
  options.versions.model.threads = session.threads;
  options.capture.period_seconds = 60 * command.capture_minutes;
  Service service(options, session.passes);
  std::cout << "http://" << options.http.host << ':' << service.port() << "/v2/models/" << service.name() << std::endl;
  log_info("version " + service.version() + " is served");
  auto last_look = std::chrono::steady_clock::now();
  while (!is_interrupted()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (std::chrono::steady_clock::now() - last_look < std::chrono::duration<double>(command.reload_seconds)) continue;
    service.look_around();
    last_look = std::chrono::steady_clock::now();
  }
  log_info("stopping: what has come is answered");
  service.stop();
  return 0;
}

void add_batch_options(CLI::App& app, ServeCommand& command) {
  auto& batch = command.options.batch;
  app.add_option("--max-batch", batch.max_rows, "Rows that run together at most")->check(CLI::Range(1, 65536))->type_name("N")->capture_default_str();
  app.add_option("--max-wait-ms", batch.max_wait_ms, "How long the oldest request waits for others to join it")
      ->check(CLI::Range(0.0, 10000.0))
      ->type_name("MS")
      ->capture_default_str();
  app.add_option("--queue", batch.capacity, "Rows that may wait; more: status 503")
      ->check(CLI::PositiveNumber)
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--buckets", command.options.versions.model.buckets, "Lengths that requests to a model with a mask are filled up to")
      ->delimiter(',')
      ->check(CLI::PositiveNumber)
      ->type_name("N,N,...")
      ->capture_default_str();
}

void add_http_options(CLI::App& app, ServeCommand& command) {
  auto& http = command.options.http;
  app.add_option("--host", http.host, "Address to listen on; others than this machine reach it at 0.0.0.0")
      ->type_name("ADDRESS")
      ->capture_default_str();
  app.add_option("--port", http.port, "0: any that is free")->check(CLI::Range(0, 65535))->type_name("N")->capture_default_str();
  app.add_option("--max-body-mb", command.max_body_mb, "Size of a request; more: status 413")
      ->check(CLI::Range(0.001, 4000.0))
      ->type_name("MB")
      ->capture_default_str();
  app.add_option("--max-connections", http.max_connections, "Open at a time; more: status 503")
      ->check(CLI::PositiveNumber)
      ->type_name("N")
      ->capture_default_str();
}

void add_trial_options(CLI::App& app, ServeCommand& command) {
  auto& options = command.options;
  app.add_option("--candidate", options.versions.candidate, "A version to try beside the one that is served: its folder, or a link to it")
      ->type_name("DIR");
  auto* canary = app.add_option("--canary", command.canary_percent, "Percentage of the requests that the candidate answers, the same ones each time")
                     ->check(CLI::Range(0.0, 100.0))
                     ->type_name("PERCENT");
  app.add_flag("--shadow", options.shadow, "Run the candidate on all requests and count how far it agrees; it answers none")->excludes(canary);
  app.add_option("--capture", options.capture.folder, "Write a sample of the requests' inputs here, as `traffic:` of dscompress nightly reads them")
      ->type_name("DIR");
  app.add_option("--capture-examples", options.capture.examples, "Rows of a file")->check(CLI::PositiveNumber)->type_name("N")->capture_default_str();
  app.add_option("--capture-minutes", command.capture_minutes, "What a file covers")
      ->check(CLI::Range(0.01, 100000.0))
      ->type_name("MINUTES")
      ->capture_default_str();
}

}  // namespace

void add_serve_command(CLI::App& app, Session& session) {
  auto command = std::make_shared<ServeCommand>();
  command->options.versions.model.buckets = {16, 32, 64, 128, 256, 512};
  auto* sub = app.add_subcommand("serve", "Serve a registry's last good version, or an OpenVINO model, over HTTP (Open Inference Protocol)");
  sub->add_option("MODEL", command->options.versions.path, "Registry of dscompress nightly, run folder, or folder with model.xml")
      ->required()
      ->type_name("");
  sub->add_option("--name", command->options.name, "The model's name in paths; default: the last part of MODEL")->type_name("NAME");
  sub->add_option("--reload-seconds", command->reload_seconds, "How often to look for a new version")
      ->check(CLI::Range(0.05, 86400.0))
      ->type_name("SECONDS")
      ->capture_default_str();
  add_http_options(*sub, *command);
  add_batch_options(*sub, *command);
  add_trial_options(*sub, *command);
  sub->footer(
      "Paths: /v2/health/live, /v2/health/ready, /v2/models/NAME[/versions/N][/ready or /infer], /metrics. SIGTERM answers what has come, then "
      "ends.\n\n"
      "Examples:\n  dscompress serve models/fashion\n  dscompress serve models/fashion --candidate models/fashion/rejected/7 --shadow\n"
      "  dscompress serve models/fashion --candidate models/fashion/rejected/7 --canary 5 --capture traffic");
  sub->callback([&session, command] { session.run = [&session, command] { return serve(session, *command); }; });
}

}  // namespace dsc
