// Bytes as text. source: RFC 4648, section 4.
#pragma once

#include <string>
#include <string_view>

namespace dsc {

std::string base64(std::string_view bytes);

}  // namespace dsc
