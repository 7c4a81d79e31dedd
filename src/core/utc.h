// The time of day as text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace dsc {

// Now in UTC, in strftime's pattern: "%Y-%m-%dT%H:%M:%SZ".
std::string utc_time(const char* pattern);
std::string utc_time(const char* pattern, std::int64_t seconds);  // of so many seconds since 1970
// Seconds since 1970 of such a text in that pattern; none: it is no time.
std::optional<double> unix_time(const std::string& text);

}  // namespace dsc
