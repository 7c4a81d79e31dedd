// Products with matrices that are looked up in a stack for each row, without the look-up: a mixture's experts.
//
// As exported, every routed row gets a copy of its expert's matrices: 2048 rows of a DeepSeek-V2-Lite layer (2816 x 2048 in
// f32) are 47 GB. Joined, the rows of an expert are multiplied with its matrix where it stands.
#pragma once

#include <vector>

#include "exec/plan.h"

namespace dsc {

// The steps with every look-up, what transposes it, and the product as one step in the product's place, where nothing else
// uses the values between. The numbers change by rounding at most.
// precondition: no step moves its operands yet.
std::vector<Step> join_routed_products(const std::vector<Step>& steps, const SlotMap& slots);

}  // namespace dsc
