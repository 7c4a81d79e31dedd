// The finished shards read again beside the source: what rounding did to each tensor, and whether the rest is what it was.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "checkpoint/plan.h"

namespace dsc::checkpoint {

struct TensorError {
  std::string module;
  std::string scheme;
  double relative = 0;  // root of sum (w - rounded)^2 / sum w^2
  double largest = 0;   // |w - rounded|
  double squared = 0;   // sum (w - rounded)^2
};

// `folder` holds the shards of the plan. errors: model_file, when a shard is not what the plan says, a kept tensor differs, or a rounded one
// is further from its source than zeros would be.
std::vector<TensorError> verify(const Plan& plan, const std::string& folder,
                                const std::function<void(const char* what, std::int64_t done, std::int64_t total)>& progress);

}  // namespace dsc::checkpoint
