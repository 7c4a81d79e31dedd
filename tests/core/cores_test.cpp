#include "core/cores.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>
#include <thread>

namespace dsc {
namespace {

// What a thread that may use only the first of this process's cores is told.
int cores_when_pinned_to_one() {
  int result = 0;
  std::thread([&] {
    cpu_set_t all, one;
    CPU_ZERO(&one);
    ASSERT_EQ(::sched_getaffinity(0, sizeof all, &all), 0);
    for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++core) {
      if (CPU_ISSET(core, &all)) CPU_SET(core, &one);
    }
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    result = available_cores();
  }).join();
  return result;
}

class Environment {
 public:
  explicit Environment(const char* value) { ::setenv("OMP_NUM_THREADS", value, 1); }
  ~Environment() { ::unsetenv("OMP_NUM_THREADS"); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
};

TEST(CoresForEach, AreAShareOfAllButWhatTheEnvironmentSaysIsForEach) {
  EXPECT_EQ(cores_for_each(1), available_cores());
  EXPECT_EQ(cores_for_each(100000), 1);
  const Environment environment("1");
  EXPECT_EQ(cores_for_each(1), 1);
}

TEST(AvailableCores, AreThoseOfTheAffinityMask) {
  EXPECT_GE(available_cores(), 1);
  EXPECT_EQ(cores_when_pinned_to_one(), 1);
}

TEST(AvailableCores, AreNoMoreThanTheEnvironmentSays) {
  EXPECT_EQ((Environment("1"), available_cores()), 1);
  EXPECT_EQ((Environment("1,4"), available_cores()), 1);
  const int cores = available_cores();
  EXPECT_EQ((Environment("100000"), available_cores()), cores);
  EXPECT_EQ((Environment("nonsense"), available_cores()), cores);
}

}  // namespace
}  // namespace dsc
