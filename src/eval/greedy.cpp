#include "eval/greedy.h"

#include <ATen/Functions.h>
#include <ATen/TensorIndexing.h>

#include <algorithm>

#include "data/matching_output.h"
#include "dscompress/error.h"
#include "ir/describe.h"
#include "text/codec.h"

namespace dsc {
namespace {

// [N, most] ids that the model writes on with, and `end` after a text's end.
at::Tensor write_on(Engine& engine, const Batch& batch, const LanguageInputs& places, std::int64_t most, std::int64_t end) {
  std::vector<at::Tensor> inputs = batch.inputs;
  for (auto& input : inputs) {
    if (input.dim() == 2) input = at::constant_pad_nd(input, {0, most}).contiguous();
  }
  at::Tensor ids = inputs[places.ids];
  const at::Tensor lengths = places.mask ? inputs[*places.mask].to(at::kLong).sum(1) : at::full({ids.size(0)}, ids.size(1) - most, at::kLong),
                   rows = at::arange(ids.size(0));
  at::Tensor ended = at::zeros({ids.size(0)}, at::kBool), written = at::full({ids.size(0), most}, end, at::kLong);
  for (std::int64_t step = 0; step < most && !ended.all().item<bool>(); ++step) {
    const at::Tensor column = lengths + step;
    const at::Tensor output = matching_output(engine.run(inputs), {}).to(at::kCPU);
    if (output.dim() != 3)
      throw Error(ErrorCode::data, "generation needs scores of tokens [N, T, vocabulary]; found " + describe_sizes(output), {},
                  "use a language model");
    const at::Tensor token = output.index({rows, column - 1}).argmax(1);
    ended = ended.logical_or(token == end);
    const at::Tensor kept = at::where(ended, at::full_like(token, end), token);
    written.select(1, step).copy_(kept);
    ids.index_put_({rows, column}, kept.to(ids.scalar_type()));
    if (places.mask) inputs[*places.mask].index_put_({rows, column}, at::ones_like(kept).to(inputs[*places.mask].scalar_type()));
  }
  return written;
}

}  // namespace

LanguageInputs language_inputs(const DatasetInfo& info, const char* metric) {
  const auto place = [&](const char* name) { return static_cast<std::size_t>(std::ranges::find(info.input_names, name) - info.input_names.begin()); };
  const std::size_t count = info.input_names.size(), ids = place("input_ids"), mask = place("attention_mask");
  if (ids == count)
    throw Error(ErrorCode::data, std::string(metric) + " is for language models, and the data has no input_ids", {},
                "use data of a format that holds text");
  return {ids, mask == count ? std::nullopt : std::optional(mask)};
}

GreedyTexts::GreedyTexts(Engine& engine, const Dataset& dataset) : engine_(engine), dataset_(dataset) {}
GreedyTexts::~GreedyTexts() = default;

void GreedyTexts::look_at(const Batch& batch) {
  batch_ = &batch;
  texts_.clear();
}

const std::vector<std::string>& GreedyTexts::of(std::int64_t most) {
  if (const auto found = texts_.find(most); found != texts_.end()) return found->second;
  const GenerationKey& key = *dataset_.generation();
  if (!codec_) codec_ = std::make_unique<TextCodec>(key.codec);
  const at::Tensor written = write_on(engine_, *batch_, language_inputs(dataset_.info(), "generation"), most, key.end).contiguous();
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < batch_->indices.size(); ++i) {
    const auto* first = written.const_data_ptr<std::int64_t>() + static_cast<std::int64_t>(i) * most;
    const std::vector<std::int64_t> ids(first, std::find(first, first + most, key.end));
    texts.push_back(ids.empty() ? std::string() : codec_->decode(ids));
  }
  return texts_.emplace(most, std::move(texts)).first->second;
}

}  // namespace dsc
