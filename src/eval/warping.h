// Dynamic time warping: distances of series that run at different speeds.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <vector>

namespace dsc {

// Two series of [steps * width] numbers, width channels at each step.
struct SeriesPair {
  const double* a;
  const double* b;
  std::int64_t steps, width;
};

// The least sum of squared distances over all ways to walk both series forward together, as a distance; channels warp together. band:
// how far the two may be apart at any point, in steps; 0: any distance. most: what is larger need not be computed, and is infinite.
// source: Sakoe and Chiba 1978, doi:10.1109/TASSP.1978.1163055, without slope constraint.
double warped_distance(const SeriesPair& pair, std::int64_t band = 0, double most = std::numeric_limits<double>::infinity());

// The same with a soft minimum over ways, -gamma log sum exp(-x / gamma), of squared distances, without the root; may be negative.
// source: Cuturi and Blondel 2017, arXiv:1703.01541.
double soft_warped_distance(const SeriesPair& pair, double gamma);

// Of each series of `queries` [N, steps, width] the place of the nearest of `known` [M, steps, width], the first of equals.
// leave_out_self: the two are the same, and each looks for another one. precondition: f64, contiguous, M > 1 then, else M > 0.
std::vector<std::int64_t> nearest_by_warping(const at::Tensor& queries, const at::Tensor& known, std::int64_t band, bool leave_out_self);

}  // namespace dsc
