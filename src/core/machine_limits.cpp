#include "core/machine_limits.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "core/control_group.h"
#include "core/cores.h"
#include "core/log.h"
#include "core/printed.h"

namespace dsc {
namespace {

std::int64_t installed_memory(const std::string& root) {
  std::ifstream file(root + "/proc/meminfo");
  std::string name;
  std::int64_t kilobytes = 0;
  while (file >> name) {
    if (name == "MemTotal:" && file >> kilobytes) return 1024 * kilobytes;
  }
  return 0;
}

// "always [madvise] never": the chosen one.
std::string huge_pages(const std::string& root) {
  std::ifstream file(root + "/sys/kernel/mm/transparent_hugepage/enabled");
  for (std::string word; file >> word;) {
    if (word.starts_with('[') && word.ends_with(']')) return word.substr(1, word.size() - 2);
  }
  return {};
}

}  // namespace

MachineLimits read_machine_limits(const std::string& root) {
  MachineLimits limits;
  limits.cores = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
  cpu_set_t set;
  CPU_ZERO(&set);
  limits.affinity = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : limits.cores;
  limits.quota = cpu_quota(root);
  limits.omp_threads = omp_num_threads();
  limits.memory_bytes = installed_memory(root);
  limits.memory_limit_bytes = memory_limit_bytes(root);
  limits.huge_pages = huge_pages(root);
  utsname names{};
  if (::uname(&names) == 0) limits.kernel = names.release;
  return limits;
}

std::vector<std::string> notes_on(const MachineLimits& limits) {
  std::vector<std::string> notes;
  const auto cores = std::to_string(limits.cores);
  if (limits.affinity < limits.cores)
    notes.push_back("this process may run on " + std::to_string(limits.affinity) + " of " + cores +
                    " cores (its affinity: taskset, a container's --cpuset-cpus, a job's share)");
  if (limits.quota && *limits.quota < limits.cores) {
    notes.push_back(
        printed("the control group may use %g of %d cores, and threads are capped to that: raise the container's limit (docker --cpus, Kubernetes "
                "limits.cpu)",
                *limits.quota, limits.cores));
  }
  if (limits.omp_threads && *limits.omp_threads < limits.cores) {
    notes.push_back("OMP_NUM_THREADS=" + std::to_string(*limits.omp_threads) + " caps threads on " + cores + " cores: unset it, or give --threads");
  }
  if (limits.memory_limit_bytes && *limits.memory_limit_bytes < limits.memory_bytes) {
    notes.push_back(
        "the kernel ends processes of this control group beyond " + format_bytes(static_cast<double>(*limits.memory_limit_bytes)) +
        " of the machine's " + format_bytes(static_cast<double>(limits.memory_bytes)) +
        ": compare with the memory that `dscompress plan` predicts, raise the container's limit (docker --memory) or use smaller batches");
  }
  if (limits.huge_pages == "never") {
    notes.emplace_back(
        "transparent huge pages are off, so large tensors take many small pages: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, then "
        "THP_MEM_ALLOC_ENABLE=1");
  } else if (limits.huge_pages == "madvise" && !std::getenv("THP_MEM_ALLOC_ENABLE")) {
    notes.emplace_back("transparent huge pages are given to who asks: THP_MEM_ALLOC_ENABLE=1 makes LibTorch ask for large tensors");
  }
  return notes;
}

}  // namespace dsc
