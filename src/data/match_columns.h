// Which column of a data set feeds which input of a model.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "dscompress/error.h"
#include "dscompress/graph.h"

namespace dsc {

struct ColumnMatch {
  std::vector<std::size_t> columns;  // of each input; empty when there are problems
  std::vector<Problem> problems;
};

// By name. By position only where nothing else can be meant: one column and one input, columns without names (pictures), and
// columns that the recipe lists in the model's order, none of them called like an input at another place.
ColumnMatch match_columns(const DatasetInfo& info, const std::vector<const GraphInput*>& inputs);

// "a, b, c".
std::string joined(const std::vector<std::string>& names);

}  // namespace dsc
