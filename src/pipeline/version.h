// What this build is.
#pragma once

#include <string>
#include <string_view>

namespace dsc {

std::string_view version();     // "0.1.0"
// Fingerprint of the program's own code: a resumed run must have been started by the same build.
std::string build_fingerprint();
std::string machine_description();  // "AMD EPYC, 2 cores, 24 GB"

}  // namespace dsc
