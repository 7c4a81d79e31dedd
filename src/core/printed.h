// Numbers as text, in printf's patterns: the compiler in use has no <format>.
#pragma once

#include <string>

namespace dsc {

// printed("%.2f of %d", 0.5, 3). The compiler checks pattern and arguments.
[[gnu::format(printf, 1, 2)]] std::string printed(const char* pattern, ...);

}  // namespace dsc
