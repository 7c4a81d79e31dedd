// What a rank failed with, as text that the others, and whoever started them, read.
#pragma once

#include <cstdint>
#include <string>

#include "dscompress/error.h"

namespace dsc {

struct RankError {
  std::int64_t rank;
  Error error;
};

std::string to_json(const RankError& failure);
RankError parse_rank_error(const std::string& text);

}  // namespace dsc
