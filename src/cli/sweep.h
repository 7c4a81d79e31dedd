// dscompress sweep, and what other subcommands do with a sweep's folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace dsc {

struct Session;

void add_sweep_command(CLI::App& app, Session& session);

struct ResumeSweep {
  std::optional<std::int64_t> workers;  // as before
  bool retry_failed = false;
};
// None: the folder holds no sweep.
std::optional<int> resume_sweep(const Session& session, const std::string& folder, const ResumeSweep& options);
std::optional<int> report_sweep(const Session& session, const std::string& folder, bool markdown);

}  // namespace dsc
