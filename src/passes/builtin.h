// The passes that come with dscompress.
#pragma once

#include "dscompress/pass.h"

namespace dsc {

void add_builtin_passes(PassTable& table);

}  // namespace dsc
