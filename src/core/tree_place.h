// Where in its file a value of a tree is written.
#pragma once

#include <string>

#include "core/tree.h"

namespace dsc {

// Of the value at a pointer, or of the nearest one around it.
Place place_of(const Tree& root, const std::string& pointer);

}  // namespace dsc
