// Cutting a tensor in several dimensions at once.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <vector>

namespace dsc {

// The elements whose index in each dimension named in `kept` is among the kept ones (ascending). returns: contiguous.
// cost: one pass over what is kept, whole runs at a time.
at::Tensor gather_kept(const at::Tensor& tensor, const std::map<std::int64_t, std::vector<std::int64_t>>& kept);

}  // namespace dsc
