#include "core/control_group.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>

namespace dsc {
namespace {

namespace fs = std::filesystem;

// The least of what `read` finds in the group's folder and those around it.
template <class Limit>
std::optional<Limit> least(const fs::path& root, const std::function<std::optional<Limit>(const fs::path& group)>& read) {
  std::ifstream groups(root / "proc/self/cgroup");
  std::optional<Limit> limit;
  for (std::string line; std::getline(groups, line);) {
    if (!line.starts_with("0::/")) continue;
    for (fs::path group = fs::path(line.substr(4));; group = group.parent_path()) {
      if (const auto found = read(root / "sys/fs/cgroup" / group)) limit = limit ? std::min(*limit, *found) : *found;
      if (group.empty()) break;
    }
  }
  return limit;
}

}  // namespace

// cpu.max: "max 100000" or "QUOTA PERIOD", both in microseconds.
std::optional<double> cpu_quota(const std::string& root) {
  return least<double>(root, [](const fs::path& group) -> std::optional<double> {
    std::ifstream file(group / "cpu.max");
    double quota_us = 0, period_us = 0;
    if (!(file >> quota_us >> period_us) || period_us <= 0) return std::nullopt;
    return quota_us / period_us;
  });
}

// memory.max: "max" or bytes.
std::optional<std::int64_t> memory_limit_bytes(const std::string& root) {
  return least<std::int64_t>(root, [](const fs::path& group) -> std::optional<std::int64_t> {
    std::ifstream file(group / "memory.max");
    std::int64_t bytes = 0;
    if (!(file >> bytes)) return std::nullopt;
    return bytes;
  });
}

}  // namespace dsc
