#include "passes/quantize/ranges/samples.h"

#include <algorithm>
#include <span>

#include "core/random.h"
#include "data/bad_values.h"

namespace dsc::quantize {
namespace {

// Pictures in NHWC memory, as convolutions compute fastest.
std::vector<at::Tensor> laid_out(const std::vector<at::Tensor>& inputs) {
  std::vector<at::Tensor> out;
  for (const at::Tensor& input : inputs) {
    const bool is_picture = input.dim() == 4 && input.scalar_type() == at::kFloat;
    out.push_back(is_picture ? input.contiguous(at::MemoryFormat::ChannelsLast) : input);
  }
  return out;
}

}  // namespace

Samples::Samples(const CalibrationOptions& options, PassContext& context)
    : context_(context), dataset_(context.data(context.has_data(Split::calibration) ? Split::calibration : Split::train)), batch_(batch_size(dataset_, options.batch)) {
  if (dataset_.size() == 0) throw Error(ErrorCode::data, "there is no calibration data: " + dataset_.info().description + " is empty");
  const auto order = permutation(dataset_.size(), derive_seed(context.seed(), "calibration"));
  indices_.assign(order.begin(), order.begin() + std::min(options.samples, dataset_.size()));
  // A fixed batch is always whole: with further examples, and with the first ones again where there are no more.
  if (dataset_.info().fixed_batch == 0) return;
  while (static_cast<std::int64_t>(indices_.size()) % batch_ != 0) indices_.push_back(order[indices_.size() % order.size()]);
}

void Samples::for_each(const Ranks& ranks, const std::function<void(const std::vector<at::Tensor>& inputs)>& body) {
  const auto batch = static_cast<std::size_t>(batch_);
  std::int64_t done = 0;
  Turns turns(ranks);
  for (std::size_t begin = 0; begin < indices_.size(); begin += batch) {
    const std::size_t size = std::min(batch, indices_.size() - begin);
    context_.check_cancelled();
    done += static_cast<std::int64_t>(size);
    if (!turns.next_is_own()) continue;
    const Batch batch = dataset_.batch(std::span(indices_).subspan(begin, size), std::nullopt);
    try {
      body(laid_out(batch.inputs));
    } catch (const Error& error) {
      const auto cause = error.code() == ErrorCode::numeric ? find_bad_input(batch, dataset_.info()) : std::nullopt;
      if (cause) throw Error(ErrorCode::data, "calibration: " + cause->message, {}, cause->hint);
      throw;
    }
    context_.progress("calibration", done, static_cast<std::int64_t>(indices_.size()));
  }
}

}  // namespace dsc::quantize
