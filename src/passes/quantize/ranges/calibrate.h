// Ranges of activations from calibration data.
#pragma once

#include <vector>

#include "dscompress/model.h"
#include "dscompress/pass.h"
#include "passes/quantize/ranges/observers.h"
#include "passes/quantize/options.h"

namespace dsc::quantize {

struct RangeRequest {
  const Value* value = nullptr;
  ActivationOptions options;
  ZeroPoint zero_point = ZeroPoint::any;
};

// Runs the model on seeded samples and gives each request a range, in order.
// errors: numeric for values that are not finite, with the operator's name; data.
// cost: one run over the samples.
std::vector<Range> calibrate(const Model& model, const std::vector<RangeRequest>& requests, const CalibrationOptions& options,
                             PassContext& context);

}  // namespace dsc::quantize
