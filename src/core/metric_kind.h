// What the names of metrics say about their values.
#pragma once

#include <string>

namespace dsc {

// A share of examples, in [0, 1], which people read in percent and whose losses they state in percentage points.
bool is_share(const std::string& metric);

}  // namespace dsc
