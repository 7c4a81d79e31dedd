#include "core/utc.h"

#include <array>
#include <ctime>

namespace dsc {

std::string utc_time(const char* pattern, std::int64_t seconds) {
  std::array<char, 64> text{};
  const std::time_t time = seconds;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  std::strftime(text.data(), text.size(), pattern, &parts);
  return text.data();
}

std::string utc_time(const char* pattern) { return utc_time(pattern, std::time(nullptr)); }

std::optional<double> unix_time(const std::string& text) {
  std::tm parts{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  if (!end || *end != '\0') return std::nullopt;
  return static_cast<double>(::timegm(&parts));
}

}  // namespace dsc
