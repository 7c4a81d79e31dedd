// Random numbers of other distributions than the uniform one, the same on every machine.
#pragma once

#include <cstdint>

#include "core/random.h"

namespace dsc {

// Mean 0, variance 1. source: Box and Muller 1958, doi:10.1214/aoms/1177706645.
double draw_normal(Random& random);

// From Beta(alpha, alpha). source: Marsaglia and Tsang 2000, doi:10.1145/358407.358414, for the two gamma variates.
double draw_beta(double alpha, Random& random);

// A count whose mean this is. source: Hörmann 1993, doi:10.1016/0167-6687(93)90997-4 (PTRS), for means from 10 on; below, the uniform
// variates that it takes to fall below exp(-mean) are counted (Knuth).
std::int64_t draw_poisson(double mean, Random& random);

}  // namespace dsc
