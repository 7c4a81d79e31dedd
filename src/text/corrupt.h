// Changes of a text that a hurried writer or a careless program could have made. None makes a text without words of one with words.
#pragma once

#include <string>

#include "core/random.h"
#include "text/augment.h"

namespace dsc {

// One slip of the fingers in each word with probability `share`: two letters swapped, one left out, written twice, or taken from
// beside it on the keyboard. The first letter of a word stays.
std::string add_typos(const std::string& text, double share, Random& random);
// Each word in capitals with probability `share`.
std::string write_in_capitals(const std::string& text, double share, Random& random);
// Without so large a share of the words, counted from the end; one stays.
std::string cut_words(const std::string& text, double share);

}  // namespace dsc
