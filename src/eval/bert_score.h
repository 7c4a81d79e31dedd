// How well generated text matches references in meaning: greedy matches of tokens by the cosine of what a text encoder makes of them.
// source: Zhang et al. 2020, arXiv:1904.09675; the figures are those of bert-score 0.3.13 without its baselines.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "data/dataset.h"
#include "data/generation.h"
#include "dscompress/model.h"
#include "exec/executor.h"
#include "text/tokenizer.h"

namespace dsc {

class GreedyTexts;  // eval/greedy.h

struct BertScore {
  double precision = 0, recall = 0, f1 = 0;
};

// A text's tokens, special ones included, and a vector for each, [tokens, D].
struct EncodedText {
  TokenIds ids;
  at::Tensor vectors;
  bool is_empty = false;  // special tokens alone
};

// What tokens count. Special ones count nothing; the others one each, or with idf log((N + 1) / (n + 1)) when n of N references have them.
class TokenWeights {
 public:
  explicit TokenWeights(std::set<std::int32_t> special) : special_(std::move(special)) {}
  explicit TokenWeights(const std::vector<TokenIds>& references);  // with idf; of whole sequences
  double of(std::int32_t token) const;

 private:
  std::set<std::int32_t> special_;
  std::unordered_map<std::int32_t, double> idf_;
  double usual_ = 1;  // of tokens that are not in idf_
};

// 0 where a text is empty, or nothing in it counts.
BertScore bert_score(const EncodedText& text, const EncodedText& reference, const TokenWeights& weights);

// A text encoder from a .pt2, run by LibTorch on one text at a time, with the tokenizer beside it.
class TextEncoder {
 public:
  explicit TextEncoder(const std::string& path);  // errors: data, for what is no text encoder; model_file; io
  TokenIds tokens_of(const std::string& text) const;
  EncodedText encode(const std::string& text, std::int64_t output);  // errors: data, for an output that it has not
  std::set<std::int32_t> special_tokens() const;

 private:
  Model model_;
  Tokenizer tokenizer_;
  std::unique_ptr<Executor> executor_;
};

// The scores of a batch's texts, made when first asked for: metrics of one evaluation share them.
class BertScores {
 public:
  BertScores(GreedyTexts& texts, const Dataset& dataset) : texts_(texts), dataset_(dataset) {}
  void look_at(const Batch& batch);  // which must outlive what is asked of it, as texts do
  // One an example. most: tokens of a text; output: of the encoder. precondition: the data set names an encoder.
  const std::vector<BertScore>& of(std::int64_t most, std::int64_t output, bool idf);

 private:
  const TokenWeights& weights(bool idf);

  GreedyTexts& texts_;
  const Dataset& dataset_;
  const Batch* batch_ = nullptr;
  std::unique_ptr<TextEncoder> encoder_;
  std::map<bool, TokenWeights> weights_;  // by whether idf counts
  std::map<std::tuple<std::int64_t, std::int64_t, bool>, std::vector<BertScore>> scores_;
};

}  // namespace dsc
