#include "ops/gather.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

#include <cstring>
#include <utility>

namespace dsc {
namespace {

// Consecutive kept indices.
struct Run {
  std::int64_t start = 0, length = 0;
};

std::vector<Run> runs_of(const std::vector<std::int64_t>& indices) {
  std::vector<Run> runs;
  for (std::int64_t index : indices) {
    if (!runs.empty() && runs.back().start + runs.back().length == index) {
      ++runs.back().length;
    } else {
      runs.push_back({index, 1});
    }
  }
  return runs;
}

// Copies dimension by dimension; below the last cut dimension memory is contiguous.
struct Copier {
  std::vector<std::vector<Run>> runs;  // by dimension, up to the last one that is cut
  std::vector<std::int64_t> stride;    // in bytes

  char* copy(const char* from, char* to, std::size_t dim) const {
    const bool last = dim + 1 == runs.size();
    for (const Run& run : runs[dim]) {
      const char* start = from + run.start * stride[dim];
      if (last) {
        auto bytes = static_cast<std::size_t>(run.length * stride[dim]);
        std::memcpy(to, start, bytes);
        to += bytes;
        continue;
      }
      for (std::int64_t i = 0; i < run.length; ++i) to = copy(start + i * stride[dim], to, dim + 1);
    }
    return to;
  }
};

}  // namespace

at::Tensor gather_kept(const at::Tensor& tensor, const std::map<std::int64_t, std::vector<std::int64_t>>& kept) {
  if (kept.empty()) return tensor;
  if (!tensor.device().is_cpu()) {
    at::Tensor result = tensor;
    for (const auto& [dim, indices] : kept) result = at::index_select(result, dim, at::tensor(indices, at::kLong).to(tensor.device()));
    return result;
  }
  at::Tensor from = tensor.contiguous();
  std::vector<std::int64_t> sizes = from.sizes().vec();
  Copier copier;
  for (std::int64_t dim = 0; dim <= kept.rbegin()->first; ++dim) {
    auto cut = kept.find(dim);
    copier.runs.push_back(cut == kept.end() ? std::vector<Run>{{0, sizes[static_cast<std::size_t>(dim)]}} : runs_of(cut->second));
    copier.stride.push_back(from.stride(dim) * static_cast<std::int64_t>(from.element_size()));
    if (cut != kept.end()) sizes[static_cast<std::size_t>(dim)] = static_cast<std::int64_t>(cut->second.size());
  }
  at::Tensor to = at::empty(sizes, from.options());
  if (to.numel() > 0) copier.copy(static_cast<const char*>(from.const_data_ptr()), static_cast<char*>(to.data_ptr()), 0);
  return to;
}

}  // namespace dsc
