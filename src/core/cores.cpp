#include "core/cores.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "core/control_group.h"

namespace dsc {
namespace {

int affinity_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : std::numeric_limits<int>::max();  // over 1024 cores: no limit known
}

int quota_cores() {
  const auto quota = cpu_quota();
  return quota && *quota < std::numeric_limits<int>::max() ? static_cast<int>(std::ceil(*quota)) : std::numeric_limits<int>::max();
}

}  // namespace

std::optional<int> omp_num_threads() {
  const char* text = std::getenv("OMP_NUM_THREADS");
  const std::string_view value = text ? text : "";
  int threads = 0;
  std::from_chars(value.data(), value.data() + value.size(), threads);
  return threads > 0 ? std::optional(threads) : std::nullopt;
}

int available_cores() { return cores_for_each(1); }

int cores_for_each(int processes) {
  const int cores = std::min(affinity_cores(), quota_cores()) / processes;
  return std::max(1, std::min(cores, omp_num_threads().value_or(cores)));
}

}  // namespace dsc
