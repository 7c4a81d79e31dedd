// The interpreter that scripts run in.
#pragma once

#include <filesystem>
#include <string>

namespace dsc::test {

// scripts/setup's, where it has been run.
inline std::string python() {
  const std::string own = DSC_SOURCE_DIR "/.venv/bin/python";
  return std::filesystem::exists(own) ? own : "python3";
}

}  // namespace dsc::test
