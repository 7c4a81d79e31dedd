#include "core/cores.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <string_view>

namespace dsc {
namespace {

namespace fs = std::filesystem;

int affinity_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : std::numeric_limits<int>::max();  // over 1024 cores: no limit known
}

// cpu.max of control groups version 2: "max 100000" or "QUOTA PERIOD", both in microseconds.
double quota_cores(const fs::path& group) {
  std::ifstream file(group / "cpu.max");
  double quota_us = 0, period_us = 0;
  return file >> quota_us >> period_us && period_us > 0 ? quota_us / period_us : std::numeric_limits<double>::infinity();
}

// The least of the group's quota and those of the groups around it.
int quota_cores() {
  std::ifstream groups("/proc/self/cgroup");
  std::string line;
  double cores = std::numeric_limits<double>::infinity();
  while (std::getline(groups, line)) {
    if (!line.starts_with("0::/")) continue;
    const fs::path root = "/sys/fs/cgroup";
    for (fs::path group = fs::path(line.substr(4));; group = group.parent_path()) {
      cores = std::min(cores, quota_cores(root / group));
      if (group.empty()) break;
    }
  }
  return cores < std::numeric_limits<int>::max() ? static_cast<int>(std::ceil(cores)) : std::numeric_limits<int>::max();
}

int environment_threads() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  const std::string_view value = text ? text : "";
  int threads = 0;  // of "4" or, a number for each level of nesting, "4,2"
  std::from_chars(value.data(), value.data() + value.size(), threads);
  return threads > 0 ? threads : std::numeric_limits<int>::max();
}

}  // namespace

int available_cores() { return cores_for_each(1); }

int cores_for_each(int processes) {
  const int cores = std::min(affinity_cores(), quota_cores()) / processes;
  return std::max(1, std::min(cores, environment_threads()));
}

}  // namespace dsc
