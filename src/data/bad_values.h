// What in a batch makes outputs that are no numbers: told apart from weights that have diverged.
#pragma once

#include <optional>
#include <string>

#include "data/dataset.h"
#include "dscompress/error.h"

namespace dsc {

// The first example with NaN or +Inf in an input, or NaN or Inf in a floating-point target. -Inf in an input hides positions.
std::optional<Problem> find_bad_input(const Batch& batch, const DatasetInfo& info);

// "; input `mask` holds -inf, ..." for the remedy where an input hides positions; else empty.
std::string mask_hint(const Batch& batch, const DatasetInfo& info);

}  // namespace dsc
