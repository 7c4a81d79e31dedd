// A table of passes whose options exercise the recipe grammar, independent of the real passes.
#pragma once

#include "pipeline/recipe.h"

namespace dsc::test {

// prune, finetune, quantize, fuse, import (has a required path).
const PassTable& recipe_passes();

}  // namespace dsc::test
