// Batch-norm statistics for a network whose weights changed under them.
#pragma once

#include <cstdint>

#include "dscompress/pass.h"

namespace dsc {

// Runs so many training batches and sets running means and variances to their averages. No weight changes.
void recalibrate_batch_norm(Model& model, std::int64_t batches, std::uint64_t seed, PassContext& context);

}  // namespace dsc
