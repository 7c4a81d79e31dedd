// Normally distributed numbers.
#pragma once

#include <cmath>
#include <numbers>

#include "core/random.h"

namespace dsc::search {

// Mean 0, deviation 1 (Box and Muller 1958).
inline double normal(Random& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));
  return radius * std::cos(2 * std::numbers::pi * random.uniform());
}

}  // namespace dsc::search
