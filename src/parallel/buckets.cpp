#include "parallel/buckets.h"

#include <ATen/ops/cat.h>

namespace dsc {
namespace {

constexpr std::int64_t kBucketBytes = std::int64_t{4} << 20;

}  // namespace

void Bucket::fill() {
  const bool as_it_lies = tensors.size() == 1 && tensors[0].is_cpu() && tensors[0].is_contiguous();
  std::vector<at::Tensor> flat;
  for (const auto& tensor : tensors) flat.push_back(tensor.reshape({-1}));
  memory = as_it_lies ? flat[0] : at::cat(flat).to(at::kCPU);
}

void Bucket::empty() const {
  if (tensors.size() == 1 && memory.is_alias_of(tensors[0])) return;
  std::int64_t begin = 0;
  for (const auto& tensor : tensors) {
    tensor.copy_(memory.narrow(0, begin, tensor.numel()).view(tensor.sizes()));
    begin += tensor.numel();
  }
}

std::vector<Bucket> make_buckets(const std::vector<at::Tensor>& tensors) {
  std::vector<Bucket> buckets;
  for (const auto& tensor : tensors) {
    const bool fits = !buckets.empty() && buckets.back().bytes + static_cast<std::int64_t>(tensor.nbytes()) <= kBucketBytes &&
                      buckets.back().tensors[0].scalar_type() == tensor.scalar_type() && buckets.back().tensors[0].device() == tensor.device();
    if (!fits) buckets.emplace_back();
    buckets.back().tensors.push_back(tensor);
    buckets.back().bytes += static_cast<std::int64_t>(tensor.nbytes());
  }
  return buckets;
}

}  // namespace dsc
