// Which validation was best, and whether a training should stop.
#pragma once

#include <cstdint>
#include <string>

#include "dscompress/pass.h"

namespace dsc {

// Whether smaller values of a metric are better: losses, errors, distances and perplexity.
bool smaller_is_better(const std::string& metric);

// The metric that decides: `wish`, or top1, or the only one there is.
// errors: recipe, when `wish` is not among the metrics or nothing decides between several.
std::string choose_monitor(const Metrics& metrics, const std::string& wish);

struct Monitor {
  std::string metric;       // chosen at the first validation
  double best = 0;
  double best_epoch = -1;   // -1: none yet
  std::int64_t worse = 0;   // validations since

  // returns: whether this validation is the best so far (the first always is; equal is not better).
  bool update(const Metrics& metrics, double epoch, const std::string& wish);
};

}  // namespace dsc
