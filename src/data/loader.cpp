// Batches prepared ahead by a thread of their own, in an order that seeds alone decide.
#include <ATen/ops/empty.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "core/random.h"
#include "data/batch_order.h"
#include "data/dataset.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

// [N, C, H, W] in NHWC memory. A plain loop: LibTorch's own copy would start threads inside a loader's thread.
at::Tensor to_channels_last(const at::Tensor& planes) {
  const std::int64_t pixels = planes.size(2) * planes.size(3), channels = planes.size(1);
  at::Tensor out = at::empty(planes.sizes(), planes.options(), c10::MemoryFormat::ChannelsLast);
  const float* from = planes.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  for (std::int64_t n = 0; n < planes.size(0); ++n, from += pixels * channels, to += pixels * channels) {
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t p = 0; p < pixels; ++p) to[p * channels + c] = from[c * pixels + p];
    }
  }
  return out;
}

LoaderOptions for_data(const Dataset& dataset, LoaderOptions options) {
  options.batch = batch_size(dataset, options.batch);
  if (dataset.info().fixed_batch == 0) return options;
  options.drop_last = !options.fill_last;
  if (options.drop_last) options.limit = (options.limit + options.batch - 1) / options.batch * options.batch;
  return options;
}

}  // namespace

std::int64_t batch_size(const Dataset& dataset, std::int64_t wanted) {
  const std::int64_t fixed = dataset.info().fixed_batch;
  return fixed > 0 ? fixed : wanted;
}

void check_fixed_batch(const Dataset& dataset) {
  const std::int64_t fixed = dataset.info().fixed_batch;
  if (dataset.size() >= fixed) return;
  throw Error(ErrorCode::data, dataset.info().description + " does not fill one batch: the model was exported for " + std::to_string(fixed) + " examples at a time", {},
              "give more examples, or export the model with a dynamic batch: dynamic_shapes={0: Dim.AUTO}, as scripts/export_model.py does");
}

// Workers take batch numbers in order, at most `ahead` beyond the one that the caller waits for.
struct BatchLoader::State {
  State(const Dataset& data, LoaderOptions loader_options)
      : dataset(data), options(for_data(data, loader_options)), order(batch_order(data.size(), data.lengths(), options)) {
    if (options.drop_last && data.info().fixed_batch > 0) check_fixed_batch(data);
    count = (static_cast<std::int64_t>(order.size()) + options.batch - 1) / options.batch;
    ahead = static_cast<std::int64_t>(options.workers) + 2;
  }
  ~State() {
    {
      const std::lock_guard lock(mutex);
      stopping = true;
    }
    space.notify_all();
    for (std::thread& worker : workers) worker.join();
  }

  Batch make(std::int64_t number) const {
    const auto begin = static_cast<std::size_t>(number * options.batch);
    const std::size_t end = std::min(begin + static_cast<std::size_t>(options.batch), order.size());
    std::optional<std::uint64_t> augment_seed;
    if (options.augment) augment_seed = derive_seed(options.seed, "augment");
    Batch batch = dataset.info().fixed_batch > 0 && end - begin < static_cast<std::size_t>(options.batch)
                      ? filled_batch(std::span(order).subspan(begin, end - begin), augment_seed)
                      : dataset.batch(std::span(order).subspan(begin, end - begin), augment_seed);
    if (!options.channels_last) return batch;
    for (at::Tensor& input : batch.inputs) {
      if (input.dim() == 4 && input.scalar_type() == at::kFloat) input = to_channels_last(input.contiguous());
    }
    return batch;
  }

  // The examples once more, in turn, until the batch is whole; targets and indices are those of the examples alone.
  Batch filled_batch(std::span<const std::int64_t> examples, std::optional<std::uint64_t> augment_seed) const {
    const auto whole = static_cast<std::size_t>(options.batch);
    std::vector<std::int64_t> repeated;
    for (std::size_t i = 0; i < whole; ++i) repeated.push_back(examples[i % examples.size()]);
    Batch batch = dataset.batch(repeated, augment_seed);
    batch.indices.resize(examples.size());
    batch.filler = static_cast<std::int64_t>(whole - examples.size());
    const auto own = static_cast<std::int64_t>(examples.size());
    if (batch.target.defined()) batch.target = batch.target.narrow(0, 0, own);
    for (LabelColumn& label : batch.labels) label.target = label.target.narrow(0, 0, own);
    return batch;
  }

  void work() {
    for (;;) {
      std::int64_t number = 0;
      {
        std::unique_lock lock(mutex);
        space.wait(lock, [&] { return stopping || started == count || started < delivered + ahead; });
        if (stopping || started == count) return;
        number = started++;
      }
      Slot slot;
      try {
        slot.batch = make(number);
      } catch (...) {
        slot.error = std::current_exception();
      }
      {
        const std::lock_guard lock(mutex);
        ready.emplace(number, std::move(slot));
      }
      filled.notify_one();
    }
  }

  struct Slot {
    Batch batch;
    std::exception_ptr error;
  };

  const Dataset& dataset;
  const LoaderOptions options;
  const std::vector<std::int64_t> order;
  std::int64_t count = 0, ahead = 0;

  std::mutex mutex;
  std::condition_variable space, filled;
  std::int64_t started = 0, delivered = 0;
  bool stopping = false;
  std::map<std::int64_t, Slot> ready;
  std::vector<std::thread> workers;
};

BatchLoader::BatchLoader(const Dataset& dataset, LoaderOptions options)
    : state_(std::make_unique<State>(dataset, options)) {
  const std::int64_t workers = std::min<std::int64_t>(options.workers, state_->count);
  for (std::int64_t i = 0; i < workers; ++i) state_->workers.emplace_back([state = state_.get()] { state->work(); });
}

BatchLoader::~BatchLoader() = default;

std::int64_t BatchLoader::batch_count() const { return state_->count; }

double BatchLoader::padding_share() const { return dsc::padding_share(state_->order, state_->dataset.lengths(), state_->options.batch); }

std::optional<Batch> BatchLoader::next() {
  State& state = *state_;
  if (state.delivered == state.count) return std::nullopt;
  if (state.workers.empty()) return state.make(state.delivered++);
  State::Slot slot;
  {
    std::unique_lock lock(state.mutex);
    state.filled.wait(lock, [&] { return state.ready.count(state.delivered) > 0; });
    slot = std::move(state.ready.extract(state.delivered).mapped());
    ++state.delivered;
  }
  state.space.notify_all();
  if (slot.error) std::rethrow_exception(slot.error);
  return std::move(slot.batch);
}

}  // namespace dsc
