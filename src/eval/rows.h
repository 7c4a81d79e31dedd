// Scores and labels as one row for each thing that has a class: an example, a token, a pixel.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "data/class_dimension.h"
#include "data/dataset.h"

namespace dsc {

struct Rows {
  at::Tensor logits;            // [rows, classes] f32
  at::Tensor labels;            // [rows] i64; undefined without labels
  std::int64_t per_example = 1;
};

// One row for each position, classes where class_dimension says. errors: data.
Rows make_rows(const at::Tensor& output, const at::Tensor& target);
// Rows whose labels are classes of the output. errors: data, for batches without class labels, and for labels out of
// range, with the example.
Rows make_labelled_rows(const at::Tensor& output, const Batch& batch);

// A metric that masked scores (-inf) leave without a value. errors: always numeric.
[[noreturn]] void fail_masked(const std::string& metric, const std::string& cause);

}  // namespace dsc
