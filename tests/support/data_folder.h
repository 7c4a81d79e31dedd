// Real data that a clone does not carry; tests that need it are skipped without it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace dsc::test {

// Where a file of data/ (scripts/prepare_data.py) is: in $DSCOMPRESS_DATA, or else in the repository.
inline std::string data_file(const std::string& name) {
  const char* given = std::getenv("DSCOMPRESS_DATA");
  const auto file = std::filesystem::path(given ? given : DSC_SOURCE_DIR "/data") / name;
  return file.string();
}

// For GTEST_SKIP, after such a file was not found.
inline std::string data_missing(const std::string& file) {
  return "no " + file + ": set DSCOMPRESS_DATA to a folder that has it, or run scripts/prepare_data.py";
}

}  // namespace dsc::test
