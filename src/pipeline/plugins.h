// Passes from shared libraries.
#pragma once

#include <string>

#include "dscompress/pass.h"

namespace dsc {

// Loads a library made with DSCOMPRESS_PLUGIN and adds its passes. It stays loaded.
// errors: usage, when it cannot be loaded, is no plugin, or was made for another interface number.
void load_plugin(const std::string& path, PassTable& table);

}  // namespace dsc
