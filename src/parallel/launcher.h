// Several copies of this program on one machine, as the ranks of one run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dsc {

struct LaunchResult {
  int status = 0;                  // 0 to 6, 130
  std::vector<std::string> notes;  // which processes were killed, and by what
};

// Runs this program with these arguments (without its name) as rank 0 to processes - 1, and waits for all of them. SIGINT and
// SIGTERM of this process are handed on. When one fails, the others are given seconds to end by themselves, and are then
// killed; none outlives this process. The status is the first rank's, else that of whichever failed first; 3 for a killed one.
// errors: io, when they cannot be started.
LaunchResult launch_ranks(const std::vector<std::string>& arguments, std::int64_t processes);

}  // namespace dsc
