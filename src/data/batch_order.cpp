#include "data/batch_order.h"

#include <algorithm>

#include "core/random.h"

namespace dsc {
namespace {

// Batches that are sorted by length together. Few: more padding; many: batches of an epoch hardly change.
constexpr std::int64_t kPoolBatches = 50;

using Order = std::vector<std::int64_t>;

Order limited(std::int64_t size, std::int64_t limit) {
  const std::int64_t count = limit > 0 ? std::min(limit, size) : size;
  Order order;
  order.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) order.push_back(i * size / count);
  return order;
}

Order shuffled(const Order& order, std::uint64_t seed) {
  Order result;
  result.reserve(order.size());
  for (const std::int64_t i : permutation(static_cast<std::int64_t>(order.size()), seed)) result.push_back(order[static_cast<std::size_t>(i)]);
  return result;
}

void sort_by_length(Order::iterator begin, Order::iterator end, std::span<const std::int64_t> lengths) {
  std::stable_sort(begin, end, [&](std::int64_t a, std::int64_t b) { return lengths[static_cast<std::size_t>(a)] < lengths[static_cast<std::size_t>(b)]; });
}

// Whole batches in random order; a last smaller one stays last.
Order shuffle_batches(const Order& order, std::int64_t batch, std::uint64_t seed) {
  const std::int64_t whole = static_cast<std::int64_t>(order.size()) / batch;
  Order result;
  result.reserve(order.size());
  for (const std::int64_t b : permutation(whole, seed)) result.insert(result.end(), order.begin() + b * batch, order.begin() + (b + 1) * batch);
  result.insert(result.end(), order.begin() + whole * batch, order.end());
  return result;
}

}  // namespace

std::vector<std::int64_t> batch_order(std::int64_t size, std::span<const std::int64_t> lengths, const LoaderOptions& options) {
  Order order = limited(size, options.limit);
  if (options.shuffle) order = shuffled(order, derive_seed(options.seed, "shuffle"));
  if (options.drop_last) order.resize(order.size() - order.size() % static_cast<std::size_t>(options.batch));
  if (lengths.empty()) return order;
  if (!options.shuffle) {
    sort_by_length(order.begin(), order.end(), lengths);
    return order;
  }
  const auto pool = static_cast<std::size_t>(kPoolBatches * options.batch);
  for (std::size_t begin = 0; begin < order.size(); begin += pool) {
    const auto at = [&](std::size_t i) { return order.begin() + static_cast<std::ptrdiff_t>(std::min(i, order.size())); };
    sort_by_length(at(begin), at(begin + pool), lengths);
  }
  return shuffle_batches(order, options.batch, derive_seed(options.seed, "batches"));
}

double padding_share(std::span<const std::int64_t> order, std::span<const std::int64_t> lengths, std::int64_t batch) {
  if (lengths.empty()) return 0;
  std::int64_t tokens = 0, places = 0;
  for (std::size_t begin = 0; begin < order.size(); begin += static_cast<std::size_t>(batch)) {
    const auto examples = order.subspan(begin, std::min(static_cast<std::size_t>(batch), order.size() - begin));
    std::int64_t longest = 0;
    for (const std::int64_t example : examples) {
      const std::int64_t length = lengths[static_cast<std::size_t>(example)];
      tokens += length;
      longest = std::max(longest, length);
    }
    places += longest * static_cast<std::int64_t>(examples.size());
  }
  return places > 0 ? 1.0 - static_cast<double>(tokens) / static_cast<double>(places) : 0;
}

double padding_in_batches(const Dataset& dataset, std::int64_t batch) {
  return padding_share(batch_order(dataset.size(), dataset.lengths(), {.batch = batch}), dataset.lengths(), batch);
}

}  // namespace dsc
