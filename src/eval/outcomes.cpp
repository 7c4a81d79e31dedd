#include "eval/outcomes.h"

#include <algorithm>
#include <string_view>

#include "core/hash.h"
#include "core/random.h"
#include "eval/metric.h"

namespace dsc {
namespace {

// Bytes of one example of a tensor [N, ...]; of token ids only those before the padding.
std::string_view bytes_of(const at::Tensor& tensor, std::int64_t row, std::int64_t tokens, std::int64_t padded) {
  const auto row_bytes = tensor.numel() / tensor.size(0) * static_cast<std::int64_t>(tensor.itemsize());
  const auto* data = static_cast<const char*>(tensor.const_data_ptr()) + row * row_bytes;
  const bool is_padded = padded > 0 && tensor.scalar_type() == at::kLong && tensor.dim() == 2 && tensor.size(1) == padded;
  const auto size = is_padded ? tokens * static_cast<std::int64_t>(tensor.itemsize()) : row_bytes;
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace

Figure mean_figure(const Outcomes& outcomes) {
  return [&outcomes](std::span<const std::int64_t> examples) {
    double sum = 0, rows = 0;
    for (const auto i : examples) {
      sum += static_cast<double>(outcomes.value[static_cast<std::size_t>(i)]);
      rows += static_cast<double>(outcomes.against[static_cast<std::size_t>(i)]);
    }
    return sum / std::max(1.0, rows);
  };
}

void Outcomes::set(std::int64_t example, double its_value, double its_against) {
  const auto i = static_cast<std::size_t>(example);
  if (i >= value.size()) {
    value.resize(i + 1);
    against.resize(i + 1);
  }
  value[i] = static_cast<float>(its_value);
  against[i] = static_cast<float>(its_against);
}

Figure make_figure(const std::string& metric, const Outcomes& outcomes) {
  const MetricKind& kind = metric_kind(metric);
  return kind.figure ? kind.figure(outcomes, metric_settings(metric)) : mean_figure(outcomes);
}

bool is_mean_of_examples(const std::string& metric) { return !metric_kind(metric).figure; }

ExampleIds::ExampleIds(const Dataset& dataset) : lengths_(dataset.lengths()), ids_(static_cast<std::size_t>(dataset.size()), 0) {}

void ExampleIds::add(const Batch& batch) {
  std::vector<at::Tensor> parts = batch.inputs;
  if (batch.target.defined()) parts.push_back(batch.target);
  for (auto& part : parts) part = part.contiguous();
  const auto tokens_of = [&](std::int64_t example) { return lengths_.empty() ? 0 : lengths_[static_cast<std::size_t>(example)]; };
  std::int64_t padded = 0;
  for (const auto example : batch.indices) padded = std::max(padded, tokens_of(example));
  for (std::size_t row = 0; row < batch.indices.size(); ++row) {
    const auto example = batch.indices[row];
    std::uint64_t id = 0;
    for (const auto& part : parts) {
      if (part.dim() == 0 || part.numel() == 0) continue;
      id = random_bits(id ^ hash_bits(bytes_of(part, static_cast<std::int64_t>(row), tokens_of(example), padded)));
    }
    ids_[static_cast<std::size_t>(example)] = static_cast<std::int64_t>(id);
  }
}

}  // namespace dsc
