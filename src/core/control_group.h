// The limits of this process's control group, which are those of a container (version 2 of control groups).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace dsc {

// Each the least of the group's own and those of the groups around it. root: where /proc and /sys lie.
std::optional<double> cpu_quota(const std::string& root = "/");                 // in cores: 1.5
std::optional<std::int64_t> memory_limit_bytes(const std::string& root = "/");  // beyond it the kernel ends processes

}  // namespace dsc
