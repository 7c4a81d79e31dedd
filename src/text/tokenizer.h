// Token ids of texts, by a tokenizer that scripts/export_tokenizer.py converted from Hugging Face's once.
//
// The converted tokenizer only cuts text into tokens; special tokens, types and truncation are text/sequence.h's, so that
// what was cut off can be counted and one conversion serves single texts, pairs and long contexts. Built without OpenVINO,
// opening one throws `unsupported`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "text/sequence.h"

namespace dsc {

// What the conversion wrote down about a tokenizer.
struct TokenizerFacts {
  SequenceTemplate single, pair;
  std::int64_t vocabulary = 0;  // ids are below it
  std::int32_t pad_id = 0;
  std::int32_t end_id = 0;  // ends a text; pad_id in conversions that do not say
};

class Tokenizer {
 public:
  // path: NAME.tokenizer.xml, with its .bin beside it. OpenVINO's tokenizer library is found beside dscompress's own in an
  // installed tree, else where the build found it; $DSCOMPRESS_TOKENIZERS names another.
  // errors: data for a file that is none; unsupported when the library is missing.
  explicit Tokenizer(const std::string& path);
  ~Tokenizer();

  const TokenizerFacts& facts() const;
  const std::string& path() const;
  // Without special tokens. precondition: valid UTF-8.
  std::vector<TokenIds> tokenize(const std::vector<std::string>& texts) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dsc
