// The files that a step's options name, such as teachers: a resumed run must find them unchanged.
#pragma once

#include <string>
#include <vector>

#include "pipeline/recipe.h"

namespace dsc {

std::vector<std::string> files_of(const PassStep& step);

}  // namespace dsc
