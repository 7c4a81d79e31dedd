// Which validation was best, and whether a training should stop.
#pragma once

#include <cstdint>
#include <string>

#include "core/metric_facts.h"
#include "dscompress/pass.h"

namespace dsc {

// The metric that decides: `wish`, or top1, or the only one there is.
// errors: recipe, when `wish` is not among the metrics or nothing decides between several.
std::string choose_monitor(const Metrics& metrics, const std::string& wish);

// The metric that decides where no option can name one: top1, or the only one there is. what: what it decides: "max_drop".
// errors: recipe, when nothing decides between several.
std::string choose_deciding_metric(const Metrics& metrics, const std::string& what);

// The metric that the option `pointer` ("/max_drop") limits, and by how much; a rehearsal's zeros tell as much as values.
// errors: recipe, at the option: when nothing decides between several metrics, and for percentage points of a metric that is no
// share, such as perplexity.
Drop choose_drop(const Metrics& metrics, const Quantity& allowed, const std::string& pointer);
// errors: recipe, when there is no data.valid.
void require_validation(const PassContext& context, const std::string& pointer);

struct Monitor {
  std::string metric;       // chosen at the first validation
  double best = 0;
  double best_epoch = -1;   // -1: none yet
  std::int64_t worse = 0;   // validations since

  // returns: whether this validation is the best so far (the first always is; equal is not better).
  bool update(const Metrics& metrics, double epoch, const std::string& wish);
  void fields(FieldVisitor& visit);
};

}  // namespace dsc
