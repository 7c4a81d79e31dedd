// Examples of token ids, filled up when a batch is made; and the formats that give them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/answers.h"
#include "data/generation.h"
#include "data/open.h"
#include "text/offsets.h"
#include "text/tokenizer.h"

namespace dsc {

struct TokenExamples {
  std::string description;
  std::vector<TokenSequence> sequences;
  at::Tensor target;                      // one row an example; undefined: unlabelled, or one label a token
  std::vector<TokenIds> token_targets;    // one label a token
  std::optional<std::int64_t> classes;
  std::string largest_label_at;
  std::vector<std::string> class_names;
  std::vector<std::string> texts;         // as people read them
  std::unique_ptr<AnswerKey> answers;
  std::unique_ptr<GenerationKey> generation;
  std::vector<std::string> notes;
};

// The data set of these examples: i64 inputs input_ids, attention_mask (1 where a token is) and token_type_ids of shape
// [N, length]; token labels are filled up with -100.
std::unique_ptr<Dataset> make_token_dataset(TokenExamples examples, const SplitConfig& split, const TokenizerFacts& facts);

// The tokenizer's ids, remembered in `folder` by the content of texts and tokenizer; an empty folder: not remembered.
Tokenize remembering(const Tokenizer& tokenizer, const std::string& folder);

// The split's file: `path` itself, or the file below it that the split's name means, with one of these extensions.
// errors: data.
std::string locate_text(const SplitConfig& split, const std::vector<std::string>& extensions);

// "text dev.tsv", "squad dev.json all[:100]".
std::string describe_text(const SplitConfig& split, const std::string& file);

// Counts sequences that were cut. The note is empty when none was.
class CutCount {
 public:
  void add(const TokenSequence& sequence) { cut_ += sequence.cut > 0; ++count_; tokens_ += sequence.cut; }
  std::string note(std::int64_t max_length) const;  // "31 of 67349 examples are cut to 48 tokens (102 tokens lost)"

 private:
  std::int64_t cut_ = 0, count_ = 0, tokens_ = 0;
};

// errors: data, with file and line; unsupported without OpenVINO.
std::unique_ptr<Dataset> open_text(const SplitConfig& split);
std::unique_ptr<Dataset> open_squad(const SplitConfig& split);
std::unique_ptr<Dataset> open_lm(const SplitConfig& split);
std::unique_ptr<Dataset> open_multiple_choice(const SplitConfig& split);
std::unique_ptr<Dataset> open_generation(const SplitConfig& split);

}  // namespace dsc
