#include "core/utc.h"

#include <array>
#include <ctime>

namespace dsc {

std::string utc_time(const char* pattern) {
  std::array<char, 64> text{};
  const auto now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::strftime(text.data(), text.size(), pattern, &parts);
  return text.data();
}

}  // namespace dsc
