// Language models that write on, one most likely token after the other.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/generation.h"
#include "exec/engine.h"

namespace dsc {

class TextCodec;  // text/codec.h

// Which inputs of a language model are its token ids, and the mask of those that count; none: there is no mask.
struct LanguageInputs {
  std::size_t ids = 0;
  std::optional<std::size_t> mask;
};
// errors: data, for data without input_ids. metric: who asks.
LanguageInputs language_inputs(const DatasetInfo& info, const char* metric);

// The texts that a model writes on from a batch's prompts, made when first asked for: metrics of one evaluation share them.
class GreedyTexts {
 public:
  GreedyTexts(Engine& engine, const Dataset& dataset);
  ~GreedyTexts();
  void look_at(const Batch& batch);  // which must outlive what is asked of it
  // One an example, of up to `most` tokens, without the prompt; each ends at the token that ends a text. Prompts are run again for every
  // token, filled up on the right, which a causal model does not see. precondition: the data set has a generation key. errors: data,
  // without the models that turn tokens into text.
  const std::vector<std::string>& of(std::int64_t most);

 private:
  Engine& engine_;
  const Dataset& dataset_;
  const Batch* batch_ = nullptr;
  std::unique_ptr<TextCodec> codec_;
  std::map<std::int64_t, std::vector<std::string>> texts_;  // by `most`
};

}  // namespace dsc
