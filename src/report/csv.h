// Tables as comma-separated values.
// source: RFC 4180
#pragma once

#include <string>
#include <vector>

namespace dsc {

std::string csv_text(const std::vector<std::vector<std::string>>& rows);

}  // namespace dsc
