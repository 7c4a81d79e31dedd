#include "pipeline/version.h"

#include <fstream>
#include <thread>

#include "core/log.h"

namespace dsc {

std::string_view version() { return DSC_VERSION; }

namespace {

// The value of "name : value" in a file of such lines; empty when it has none.
std::string proc_field(const char* path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos || !line.starts_with(name)) continue;
    const auto start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return {};
}

}  // namespace

std::string machine_description() {
  auto processor = proc_field("/proc/cpuinfo", "model name");
  if (processor.empty()) processor = "unknown processor";
  const auto kilobytes = proc_field("/proc/meminfo", "MemTotal");
  const double bytes = kilobytes.empty() ? 0 : 1024.0 * std::strtod(kilobytes.c_str(), nullptr);
  return processor + ", " + std::to_string(std::thread::hardware_concurrency()) + " cores, " + format_bytes(bytes) + " memory";
}

}  // namespace dsc
