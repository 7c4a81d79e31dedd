// Where in a text its tokens come from.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "text/sequence.h"

namespace dsc {

// Token ids of each text, without special tokens: a Tokenizer's, perhaps with a memory.
using Tokenize = std::function<std::vector<TokenIds>(const std::vector<std::string>&)>;

struct TextSpan {
  std::size_t begin = 0, end = 0;  // bytes
  bool operator==(const TextSpan&) const = default;
};

struct LocatedTokens {
  TokenIds ids;
  std::vector<TextSpan> spans;  // one a token; the pieces of one word share the word's
};

// Tokenisers do not say where a token comes from, so texts are cut into words and punctuation, each is tokenised alone, and
// the pieces are compared with the tokens of the whole: a word whose parts give other tokens is one span, and a text
// whose words do is refused.
// errors: unsupported, for tokenisers whose tokens reach across words.
std::vector<LocatedTokens> locate_tokens(const Tokenize& tokenize, const std::vector<std::string>& texts);

}  // namespace dsc
