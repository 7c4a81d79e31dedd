// How far a model's outputs move when something of it is quantised: a measure without labels, fine enough for one layer.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "dscompress/pass.h"
#include "passes/quantize/ranges/samples.h"

namespace dsc::quantize {

inline constexpr const char* kOutputError = "output_error";  // its name in sensitivity tables

class OutputError {
 public:
  // Runs the model as it is on the samples and keeps its floating-point outputs.
  OutputError(const Model& model, const CalibrationOptions& samples, PassContext& context);
  // Squared distance of another model's outputs from those, relative to their squared length. Small independent errors add.
  double of(const Model& model);

 private:
  PassContext& context_;
  Samples samples_;
  std::vector<std::vector<at::Tensor>> outputs_;  // by batch
  double squares_ = 0;
};

}  // namespace dsc::quantize
