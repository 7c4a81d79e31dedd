#include "eval/bert_score.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "data/model_inputs.h"
#include "dscompress/error.h"
#include "eval/greedy.h"
#include "exec/convert.h"
#include "io/pt2.h"
#include "ir/describe.h"

namespace dsc {
namespace {

constexpr std::int64_t kMostTokens = 512;  // of one text: what BERT and its kin have positions for

std::string tokenizer_beside(const std::string& model) { return std::filesystem::path(model).replace_extension(".tokenizer.xml").string(); }

std::string without_outer_blanks(const std::string& text) {
  constexpr const char* kBlanks = " \t\n\v\f\r";
  const auto first = text.find_first_not_of(kBlanks);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(kBlanks) + 1 - first);
}

// Numbers for an input of that name: ids, all tokens shown, all of the first type.
at::Tensor input_of(const GraphInput& input, const TokenIds& ids) {
  const auto count = static_cast<std::int64_t>(ids.size());
  const auto options = at::TensorOptions(to_c10(input.value->tensor().dtype));
  if (input.target == "input_ids") return at::tensor(ids, at::kInt).view({1, count}).to(options.dtype());
  if (input.target == "attention_mask") return at::ones({1, count}, options);
  if (input.target == "token_type_ids") return at::zeros({1, count}, options);
  throw Error(ErrorCode::data, "the text encoder takes `" + input.target + "`, which is no part of a text", {},
              "use one that takes input_ids, attention_mask and token_type_ids");
}

// Each token's weight as a share of the text's; undefined: none counts.
at::Tensor shares(const TokenIds& ids, const TokenWeights& weights) {
  std::vector<double> numbers;
  for (const std::int32_t id : ids) numbers.push_back(weights.of(id));
  const at::Tensor all = at::tensor(numbers, at::kDouble);
  const double sum = all.sum().item<double>();
  return sum > 0 ? all / sum : at::Tensor();
}

at::Tensor unit_rows(const at::Tensor& vectors) {
  const at::Tensor rows = vectors.to(at::kDouble);
  return rows / rows.norm(2, {1}, /*keepdim=*/true);
}

}  // namespace

TokenWeights::TokenWeights(const std::vector<TokenIds>& references) {
  const auto all = static_cast<double>(references.size()) + 1;
  std::map<std::int32_t, double> counts;
  for (const TokenIds& ids : references) {
    for (const std::int32_t id : std::set<std::int32_t>(ids.begin(), ids.end())) counts[id] += 1;
  }
  for (const auto& [id, count] : counts) idf_[id] = std::log(all / (count + 1));
  usual_ = std::log(all);
}

double TokenWeights::of(std::int32_t token) const {
  if (special_.contains(token)) return 0;
  const auto found = idf_.find(token);
  return found == idf_.end() ? usual_ : found->second;
}

BertScore bert_score(const EncodedText& text, const EncodedText& reference, const TokenWeights& weights) {
  if (text.is_empty || reference.is_empty) return {};
  const at::Tensor own = shares(text.ids, weights), wanted = shares(reference.ids, weights);
  if (!own.defined() || !wanted.defined()) return {};
  const at::Tensor cosines = at::matmul(unit_rows(text.vectors), unit_rows(reference.vectors).t());
  BertScore score{.precision = at::dot(cosines.amax(1), own).item<double>(), .recall = at::dot(cosines.amax(0), wanted).item<double>()};
  if (score.precision + score.recall != 0) score.f1 = 2 * score.precision * score.recall / (score.precision + score.recall);
  return score;
}

TextEncoder::TextEncoder(const std::string& path) : model_(read_pt2(path)), tokenizer_(tokenizer_beside(path)) {
  const auto inputs = model_inputs(model_.graph);
  const bool takes_ids = std::ranges::any_of(inputs, [](const GraphInput* input) { return input->target == "input_ids"; });
  if (!takes_ids)
    throw Error(ErrorCode::data, "this is no text encoder: it takes no input_ids", {.file = path}, "export one with scripts/export_model.py");
  executor_ = std::make_unique<Executor>(model_, ExecutorOptions{});
}

TokenIds TextEncoder::tokens_of(const std::string& text) const {
  const TokenIds tokens = tokenizer_.tokenize({without_outer_blanks(text)}).front();
  return make_sequence(tokenizer_.facts().single, tokens, {}, kMostTokens).ids;
}

EncodedText TextEncoder::encode(const std::string& text, std::int64_t output) {
  EncodedText encoded{.ids = tokens_of(text)};
  const auto count = static_cast<std::int64_t>(encoded.ids.size());
  encoded.is_empty = count == tokenizer_.facts().single.special_count();
  if (encoded.is_empty) return encoded;
  std::vector<at::Tensor> inputs;
  for (const GraphInput* input : model_inputs(model_.graph)) inputs.push_back(input_of(*input, encoded.ids));
  const auto outputs = executor_->run(inputs);
  if (output >= static_cast<std::int64_t>(outputs.size()))
    throw Error(ErrorCode::data,
                "the text encoder has " + std::to_string(outputs.size()) + " outputs, and bertscore asks for output " + std::to_string(output), {},
                "outputs count from 0; export the encoder with its hidden states to choose among them");
  const at::Tensor& vectors = outputs[static_cast<std::size_t>(output)];
  if (vectors.dim() != 3 || vectors.size(1) != count)
    throw Error(ErrorCode::data, "output " + std::to_string(output) + " of the text encoder is no vector for each token: " + describe_sizes(vectors),
                {}, "choose another with bertscore's setting `output`");
  encoded.vectors = vectors[0];
  return encoded;
}

std::set<std::int32_t> TextEncoder::special_tokens() const {
  std::set<std::int32_t> special;
  for (const auto& item : tokenizer_.facts().single.items()) {
    if (item.kind == SequenceTemplate::Item::Kind::token) special.insert(item.id);
  }
  return special;
}

void BertScores::look_at(const Batch& batch) {
  batch_ = &batch;
  scores_.clear();
}

const TokenWeights& BertScores::weights(bool idf) {
  if (const auto found = weights_.find(idf); found != weights_.end()) return found->second;
  if (!idf) return weights_.emplace(idf, TokenWeights(encoder_->special_tokens())).first->second;
  std::vector<TokenIds> references;
  for (const auto& reference : dataset_.generation()->references) references.push_back(encoder_->tokens_of(reference));
  return weights_.emplace(idf, TokenWeights(references)).first->second;
}

const std::vector<BertScore>& BertScores::of(std::int64_t most, std::int64_t output, bool idf) {
  const auto key = std::tuple(most, output, idf);
  if (const auto found = scores_.find(key); found != scores_.end()) return found->second;
  const GenerationKey& wanted = *dataset_.generation();
  if (!encoder_) encoder_ = std::make_unique<TextEncoder>(wanted.encoder);
  const auto& texts = texts_.of(most);
  std::vector<BertScore> scores;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string& reference = wanted.references[static_cast<std::size_t>(batch_->indices[i])];
    scores.push_back(bert_score(encoder_->encode(texts[i], output), encoder_->encode(reference, output), weights(idf)));
  }
  return scores_.emplace(key, std::move(scores)).first->second;
}

}  // namespace dsc
