#include "exec/tensor_store.h"

#include <ATen/ops/clone.h>
#include <ATen/ops/from_blob.h>

#include <cstddef>

namespace dsc {
namespace {

std::int64_t storage_bytes(const at::Tensor& tensor) { return static_cast<std::int64_t>(tensor.storage().nbytes()); }

}  // namespace

at::Tensor TensorStore::keep(const at::Tensor& tensor) {
  at::Tensor kept = tensor.detach().cpu();
  if (kept.storage().nbytes() > kept.nbytes()) kept = kept.clone();  // part of something larger
  // One that repeats its elements (an expanded mask) is smaller than the file would have it.
  if (held_ + storage_bytes(kept) <= limit_ || !kept.is_non_overlapping_and_dense() || kept.numel() == 0) {
    held_ += storage_bytes(kept);
    return kept;
  }
  if (!file_) file_.emplace(folder_);
  const std::shared_ptr<void> place = file_->store(kept.const_data_ptr(), kept.nbytes());
  in_file_.insert(place.get());
  return at::from_blob(place.get(), kept.sizes(), kept.strides(), [place](void*) {}, kept.options());
}

void TensorStore::release(const at::Tensor& tensor) {
  if (in_file_.erase(tensor.const_data_ptr()) == 0) held_ -= storage_bytes(tensor);
}

}  // namespace dsc
