// What this build is.
#pragma once

#include <string>
#include <string_view>

namespace dsc {

std::string_view version();     // "0.1.0"
std::string machine_description();  // "AMD EPYC, 2 cores, 24 GB"

}  // namespace dsc
