// The examples that calibration sees: seeded, in batches, with progress.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "data/dataset.h"
#include "dscompress/pass.h"
#include "parallel/ranks.h"
#include "passes/quantize/options.h"

namespace dsc::quantize {

class Samples {
 public:
  // From `data.calibration`, or else from the training data. errors: data, for none.
  Samples(const CalibrationOptions& options, PassContext& context);
  // Calls `body` with the inputs of each batch, in the same order every time.
  void for_each(const std::function<void(const std::vector<at::Tensor>& inputs)>& body) { for_each(alone(), body); }
  // The batches of this rank, which come by turns.
  void for_each(const Ranks& ranks, const std::function<void(const std::vector<at::Tensor>& inputs)>& body);

 private:
  PassContext& context_;
  Dataset& dataset_;
  std::int64_t batch_;
  std::vector<std::int64_t> indices_;
};

}  // namespace dsc::quantize
