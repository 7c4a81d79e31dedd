#pragma once

#include <vector>

namespace dsc {

// Of values in ascending order, with linear interpolation between the two nearest (numpy's default); share: 0 to 1.
double percentile(const std::vector<double>& sorted, double share);

}  // namespace dsc
