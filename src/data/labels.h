// Labels of a table: class numbers, names of classes, or real numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

#include "data/text_config.h"

namespace dsc {

struct TableLabels {
  at::Tensor values;                    // [rows] i64, or f32 for regression
  std::optional<std::int64_t> classes;  // largest label + 1, or as many as are named
  std::string largest_at;               // "train.tsv:17"
};

// errors: data, each with file and line.
TableLabels read_labels(const TextTable& table, const TextConfig& config);

// A further column of labels: i64 class numbers where all cells are whole numbers from 0, else f32. errors: data, as above.
at::Tensor read_labels_as_written(const TextTable& table, const std::string& column);

}  // namespace dsc
