#include "exec/allocator.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <mutex>

#ifdef __GLIBC__
#include <malloc.h>
#if __GLIBC_PREREQ(2, 33)
#define DSC_HAS_MALLINFO2
#endif
#endif

namespace dsc {

namespace {

// Resident memory that no file backs; 0: unknown.
std::size_t anonymous_bytes() {
  std::size_t size = 0, resident = 0, shared = 0;
  std::ifstream file("/proc/self/statm");
  if (!(file >> size >> resident >> shared) || shared > resident) return 0;
  return (resident - shared) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

void keep_freed_memory() {
#ifdef __GLIBC__
  static std::once_flag once;
  std::call_once(once, [] {
    for (const char* name : {"GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_"}) {
      if (std::getenv(name)) return;
    }
    constexpr int kLargestThreshold = 32 << 20;  // glibc accepts no more
    mallopt(M_MMAP_THRESHOLD, kLargestThreshold);
    mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
    mallopt(M_TOP_PAD, 64 << 20);
  });
#endif
}

void limit_freed_memory() {
#ifdef DSC_HAS_MALLINFO2
  constexpr std::size_t kOther = 256 << 20;  // what is not the allocator's, and what is not worth the faults of getting it again
  static std::atomic<std::size_t> most_used{0};
  const struct mallinfo2 found = mallinfo2();
  const std::size_t used = found.uordblks + found.hblkhd;
  std::size_t most = most_used.load();
  while (used > most && !most_used.compare_exchange_weak(most, used)) {
  }
  most = std::max(most, used);
  if (anonymous_bytes() > most + most / 8 + kOther) malloc_trim(0);
#endif
}

void return_freed_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace dsc
