// What keeps this process from using the machine as it could, for `doctor`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dsc {

struct MachineLimits {
  int cores = 1;                                   // that run
  int affinity = 1;                                // of them those that this process may run on
  std::optional<double> quota;                     // of its control group, in cores
  std::optional<int> omp_threads;                  // OMP_NUM_THREADS
  std::int64_t memory_bytes = 0;                   // of the machine
  std::optional<std::int64_t> memory_limit_bytes;  // of the control group
  std::string huge_pages;                          // transparent ones: "always", "madvise", "never"; empty: not known
  std::string kernel;                              // "6.1.0"
};

// root: where /proc and /sys lie.
MachineLimits read_machine_limits(const std::string& root = "/");
// One line for each limit that costs speed or ends runs, with what to do.
std::vector<std::string> notes_on(const MachineLimits& limits);

}  // namespace dsc
