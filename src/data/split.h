// Split expressions: "train", "train[:-5000]", "test[10%:20%]", "train[::2]".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/open.h"

namespace dsc {

struct SplitBound {
  double value = 0;         // a number of examples, or a percentage; negative: counted from the end
  bool is_percent = false;
};

struct SplitExpression {
  std::string name;  // "train"
  std::optional<SplitBound> start, stop;
  std::int64_t step = 1;
};

// errors: data, showing the grammar.
SplitExpression parse_split(const std::string& text);

// The examples that `split` selects out of `total`, ascending: the slice, the seeded subset of it, the limit.
// Unlike Python's, a bound beyond the end is an error: the recipe expects examples that are not there.
// errors: data, for bounds out of range and for an empty selection.
std::vector<std::int64_t> select_examples(const SplitConfig& split, std::int64_t total);

}  // namespace dsc
