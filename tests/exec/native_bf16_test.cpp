#include "exec/native_bf16.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace dsc {
namespace {

TEST(NativeBf16, IsWhatTheProcessorSays) {
  if (std::getenv("ONEDNN_MAX_CPU_ISA")) GTEST_SKIP() << "instruction sets are capped";
  std::ifstream file("/proc/cpuinfo");
  bool told = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("flags")) told = told || line.find("avx512_bf16") != std::string::npos || line.find("amx_bf16") != std::string::npos;
  }
  EXPECT_EQ(has_native_bf16("cpu"), told);
}

TEST(NativeBf16, EndsWhereInstructionSetsAreCapped) {
  const char* before = std::getenv("ONEDNN_MAX_CPU_ISA");
  const std::string kept = before ? before : "";
  for (const char* cap : {"AVX2", "avx512_core", "AVX512_CORE_VNNI"}) {
    ::setenv("ONEDNN_MAX_CPU_ISA", cap, 1);
    EXPECT_FALSE(has_native_bf16("cpu")) << cap;
  }
  before ? ::setenv("ONEDNN_MAX_CPU_ISA", kept.c_str(), 1) : ::unsetenv("ONEDNN_MAX_CPU_ISA");
}

}  // namespace
}  // namespace dsc
