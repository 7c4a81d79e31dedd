// A causal language model as write_stateful_ir writes it, and text generated with it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/random.h"
#include "deploy/openvino_engine.h"

namespace dsc {

class LanguageModel {
 public:
  // path: IR with inputs input_ids, attention_mask, beam_idx, perhaps position_ids, and a cache as state, whoever wrote it.
  // errors: io; model_file; unsupported, another kind of model.
  explicit LanguageModel(const std::string& path, const OpenVinoOptions& options = {});
  ~LanguageModel();

  void forget();  // begins a new text
  // returns: f32 [vocabulary], the scores of what follows all tokens since `forget`. precondition: ids is not empty.
  at::Tensor next(const std::vector<std::int64_t>& ids);
  std::string engine() const;  // "openvino CPU f32"

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The most likely token, unless temperature or top_p are given: then one drawn from softmax(scores / temperature), out of the
// fewest tokens whose probabilities come to top_p.
struct Sampling {
  std::optional<double> temperature, top_p;
  std::uint64_t seed = 0;
  bool is_greedy() const { return !temperature && !top_p; }
};
std::int64_t choose_token(const at::Tensor& scores, const Sampling& sampling, Random& random);

struct Generated {
  std::vector<std::int64_t> tokens;  // without the prompt and without the token that ended it
  double first_seconds = 0;          // until the first token: the prompt's computation
  double later_seconds = 0;          // of all tokens behind it
  bool ended = false;                // the model said that the text is over
  double tokens_per_second() const;  // behind the first one; 0 where there is none
};

// most: tokens at most; ends: tokens that end a text; each: called with every token. errors: data, an empty prompt.
Generated generate(LanguageModel& model, const std::vector<std::int64_t>& prompt, std::int64_t most, const std::vector<std::int64_t>& ends,
                   const Sampling& sampling = {}, const std::function<void(std::int64_t token)>& each = {});

// How fast models generate.
struct GenerationTiming {
  std::int64_t prompt = 32, tokens = 128;  // of each text
  std::int64_t rounds = 5;
  std::function<void(std::int64_t done, std::int64_t total)> progress;  // may throw cancelled
};

struct GenerationSpeed {
  std::string engine;
  std::int64_t prompt = 0, tokens = 0, rounds = 0;
  double first_token_ms = 0;     // median of the rounds
  double tokens_per_second = 0;  // median of the rounds, behind the first token
  double spread = 0;             // of tokens_per_second: (most - least) / median
};

// Each model in turn, round by round, so that other work falls on all of them; a round before the first does not count. Prompts are
// seeded random tokens, the same for models of one vocabulary; the end of a text is passed over. errors: unsupported, data.
std::vector<GenerationSpeed> time_generation(const std::vector<LanguageModel*>& models, const GenerationTiming& timing);

}  // namespace dsc
