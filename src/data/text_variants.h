// The examples of a table of text: its rows, and augmented copies of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/open.h"
#include "text/table.h"

namespace dsc {

struct TextVariant {
  std::int64_t row = 0;    // of the table
  std::string text, pair;
};

// The chosen rows as they are, then, where the split says `augment`, `variants` copies of each with words replaced or the
// paraphrase in place of the text. A copy that is equal to its row or to another copy is left out, and counted in a note.
// errors: data.
std::vector<TextVariant> text_variants(const TextTable& table, const std::vector<std::int64_t>& rows, const SplitConfig& split, std::vector<std::string>& notes);

}  // namespace dsc
