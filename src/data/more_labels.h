// Further labels of a data set's examples, each of an output of its own: `labels: {price: price_head}`.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace dsc {

struct MoreLabel {
  std::string name;    // the column
  std::string output;  // the model's output: its name, or its number from 0; empty: called as the column
  at::Tensor values;   // one row an example: i64 classes, or f32
};

// The data set whose batches have these labels, too; itself where there are none.
std::unique_ptr<Dataset> with_more_labels(std::unique_ptr<Dataset> dataset, std::vector<MoreLabel> labels);

// A batch in the eyes of what looks at one label: that is its target. errors: data, for a label that the data has not.
Batch with_label(const Batch& batch, const std::string& label);
// The output that a label belongs to. errors: data, as above, and where the model has not so many.
at::Tensor output_of_label(const std::vector<at::Tensor>& outputs, const Batch& batch, const std::string& label);

}  // namespace dsc
