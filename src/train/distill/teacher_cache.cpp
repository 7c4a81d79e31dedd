#include "train/distill/teacher_cache.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <string_view>
#include <utility>

#include "core/file.h"
#include "core/hash.h"
#include "io/safetensors.h"
#include "ir/fingerprint.h"

namespace dsc {
namespace {

// All inputs as they come without augmentation.
std::string fingerprint_of_inputs(const Dataset& data, std::int64_t batch, PassContext& context) {
  std::string text;
  BatchLoader loader(data, {.batch = batch, .fill_last = true});
  while (const auto next = loader.next()) {
    context.check_cancelled();
    for (const auto& input : next->inputs) text += fingerprint_of(input);
    for (const auto& other : next->others) text += fingerprint_of(other);
  }
  return fingerprint(text);
}

std::vector<at::Tensor> run_over(const Teacher& teacher, const Dataset& data, std::int64_t batch, PassContext& context) {
  std::vector<std::vector<at::Tensor>> parts;
  std::vector<std::int64_t> order;  // batches hold examples of similar length
  BatchLoader loader(data, {.batch = batch, .fill_last = true});
  std::int64_t done = 0;
  while (const auto next = loader.next()) {
    context.check_cancelled();
    const auto outputs = teacher.read(*next).outputs;
    parts.resize(outputs.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      parts[i].push_back(outputs[i].to(at::kCPU).narrow(0, 0, outputs[i].size(0) - next->filler));
      if (parts[i].back().sizes().slice(1) == parts[i].front().sizes().slice(1)) continue;
      throw Error(ErrorCode::data, "cache: the teacher's outputs differ in size from batch to batch, as those for each token do", {.pointer = "/cache"}, "leave cache out");
    }
    order.insert(order.end(), next->indices.begin(), next->indices.end());
    done += static_cast<std::int64_t>(next->indices.size());
    context.progress("teacher", done, data.size());
  }
  std::vector<at::Tensor> outputs;
  const auto rows = at::tensor(order, at::kLong);
  for (const auto& part : parts) {
    const auto all = at::cat(part);
    outputs.push_back(at::empty_like(all).index_copy_(0, rows, all));
  }
  return outputs;
}

}  // namespace

TeacherCache TeacherCache::open(const Teacher& teacher, const Dataset& data, std::int64_t batch, const std::string& settings, PassContext& context) {
  const auto key = fingerprint(fingerprint_of(teacher.model()) + fingerprint_of_inputs(data, batch, context) + settings);
  const auto path = context.cache_folder() + "/teacher-" + key + ".safetensors";
  TeacherCache cache;
  if (std::filesystem::exists(path)) {
    for (auto& [name, tensor] : read_safetensors(path).tensors) cache.outputs_.push_back(std::move(tensor));
    return cache;
  }
  cache.outputs_ = run_over(teacher, data, batch, context);
  TensorFile file;
  for (std::size_t i = 0; i < cache.outputs_.size(); ++i) file.tensors.emplace_back("output." + std::to_string(i), cache.outputs_[i]);
  make_folders(context.cache_folder());
  write_safetensors(path, file);
  return cache;
}

std::vector<at::Tensor> TeacherCache::read(const Batch& batch) const {
  const auto rows = at::tensor(batch.indices, at::kLong);
  std::vector<at::Tensor> outputs;
  for (const auto& output : outputs_) outputs.push_back(output.index_select(0, rows).to(batch.inputs.front().device()));
  return outputs;
}

void check_cacheable(const Dataset& data) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(std::min<std::int64_t>(64, data.size())));
  std::iota(indices.begin(), indices.end(), 0);
  const auto plain = data.batch(indices, std::nullopt);
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const auto varied = data.batch(indices, seed);
    const auto equal = [](const at::Tensor& a, const at::Tensor& b) { return a.equal(b); };
    if (!std::ranges::equal(plain.inputs, varied.inputs, equal) || !std::ranges::equal(plain.others, varied.others, equal)) {
      throw Error(ErrorCode::data, "cache: data.train is augmented: an example differs from epoch to epoch, and one output of the teacher is kept for each", {.pointer = "/cache"},
                  "leave cache out, or remove `augment` from data.train");
    }
  }
}

}  // namespace dsc
