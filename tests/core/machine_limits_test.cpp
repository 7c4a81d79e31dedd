#include "core/machine_limits.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/control_group.h"
#include "support/program.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::spit;

// A machine's /proc and /sys: a process in the control group a/b.
class FakeMachine {
 public:
  FakeMachine() {
    fs::create_directories(file("proc/self"));
    fs::create_directories(file("sys/fs/cgroup/a/b"));
    fs::create_directories(file("sys/kernel/mm/transparent_hugepage"));
    spit(file("proc/self/cgroup"), "0::/a/b\n");
    spit(file("proc/meminfo"), "MemTotal:       65536000 kB\nMemFree:        1 kB\n");
    spit(file("sys/kernel/mm/transparent_hugepage/enabled"), "[always] madvise never\n");
  }
  std::string file(const std::string& name) const { return folder_.file(name); }
  void group(const std::string& name, const std::string& text) const { spit(file("sys/fs/cgroup/" + name), text); }
  const std::string& root() const { return folder_.path(); }

 private:
  test::TempFolder folder_;
};

std::string notes_of(const MachineLimits& limits) {
  std::string text;
  for (const auto& note : notes_on(limits)) text += note + "\n";
  return text;
}

TEST(ControlGroup, TheLeastLimitOfAllGroupsAroundCounts) {
  const FakeMachine machine;
  EXPECT_EQ(cpu_quota(machine.root()), std::nullopt);
  EXPECT_EQ(memory_limit_bytes(machine.root()), std::nullopt);
  machine.group("a/b/cpu.max", "max 100000\n");
  machine.group("a/cpu.max", "150000 100000\n");
  machine.group("a/b/memory.max", "8000000000\n");
  machine.group("a/memory.max", "4000000000\n");
  machine.group("memory.max", "max\n");
  EXPECT_EQ(cpu_quota(machine.root()), 1.5);
  EXPECT_EQ(memory_limit_bytes(machine.root()), 4000000000);
}

TEST(MachineLimits, AreReadFromTheKernelsFiles) {
  const FakeMachine machine;
  machine.group("a/b/memory.max", "4000000000\n");
  const auto limits = read_machine_limits(machine.root());
  EXPECT_EQ(limits.memory_bytes, 65536000LL * 1024);
  EXPECT_EQ(limits.huge_pages, "always");
  EXPECT_EQ(limits.memory_limit_bytes, 4000000000);
  EXPECT_GE(limits.cores, 1);
  EXPECT_FALSE(limits.kernel.empty());
}

TEST(MachineLimits, NothingIsSaidOfAMachineWithoutLimits) {
  EXPECT_EQ(notes_of({.cores = 4,
                      .affinity = 4,
                      .quota = 4.0,
                      .omp_threads = 4,
                      .memory_bytes = 1 << 30,
                      .memory_limit_bytes = 1LL << 40,
                      .huge_pages = "always"}),
            "");
}

TEST(MachineLimits, EachIsNamedWithWhatToDo) {
  const auto notes = notes_of({.cores = 8,
                               .affinity = 6,
                               .quota = 1.5,
                               .omp_threads = 2,
                               .memory_bytes = 64'000'000'000,
                               .memory_limit_bytes = 4'000'000'000,
                               .huge_pages = "never"});
  for (const auto* part : {"6 of 8 cores", "1.5 of 8 cores", "--cpus", "OMP_NUM_THREADS=2", "unset it", "4.0 GB", "docker --memory",
                           "transparent huge pages are off", "echo madvise"}) {
    EXPECT_TRUE(contains(notes, part)) << part << "\n" << notes;
  }
}

}  // namespace
}  // namespace dsc
