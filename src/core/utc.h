// The time of day as text.
#pragma once

#include <string>

namespace dsc {

// Now in UTC, in strftime's pattern: "%Y-%m-%dT%H:%M:%SZ".
std::string utc_time(const char* pattern);

}  // namespace dsc
