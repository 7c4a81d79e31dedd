#pragma once

#include <string>

namespace dsc {

// Of the program's own code: what one build has begun, another one does not go on with. errors: io.
std::string build_fingerprint();

}  // namespace dsc
