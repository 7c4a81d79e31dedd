// SQuAD's JSON as it is, checked.
#pragma once

#include <string>
#include <vector>

#include "text/offsets.h"

namespace dsc {

struct SquadQuestion {
  std::string id, text;
  std::size_t context = 0;
  std::vector<std::string> answers;  // empty: unanswerable
  std::vector<TextSpan> spans;       // of the answers in the context
};

struct SquadFile {
  std::vector<std::string> contexts;
  std::vector<SquadQuestion> questions;
};

// errors: data, with the JSON Pointer of what is missing, of another type, or an answer that is not where it says.
SquadFile read_squad(const std::string& path);

}  // namespace dsc
