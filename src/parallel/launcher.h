// Several copies of this program on one machine, as the ranks of one run.
#pragma once

#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "parallel/group.h"
#include "parallel/rank_error.h"

namespace dsc {

struct LaunchResult {
  int status = 0;                  // 0 to 6, 130
  std::vector<std::string> notes;  // which processes were killed, and by what
  std::optional<Error> error;      // that the deciding rank ended with, where it came to saying so
};

struct LaunchOptions {
  bool silent = false;        // what they print is not shown; their messages are
  int end_with_us = SIGTERM;  // what they get when this process is killed
};

// Runs this program with these arguments (without its name) as rank 0 to processes - 1, and waits for all of them. SIGINT and
// SIGTERM of this process are handed on. When one fails, the others are given seconds to end by themselves, and are then
// killed; none outlives this process. The status is the first rank's, else that of whichever failed first; 3 for a killed one.
// errors: io, when they cannot be started.
LaunchResult launch_ranks(const std::vector<std::string>& arguments, std::int64_t processes, const LaunchOptions& options = {});

// Tells whoever launched this rank what it ends with. Nothing where the rank was started otherwise.
void tell_launcher(const Membership& member, const Error& error);

}  // namespace dsc
