// What the readers of compressed checkpoints refuse, and why.
#pragma once

#include <vector>

#include "checkpoint/plan.h"

namespace dsc::checkpoint {

std::vector<Finding> check_runtime(const Plan& plan);

}  // namespace dsc::checkpoint
