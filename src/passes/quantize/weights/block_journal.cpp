#include "passes/quantize/weights/block_journal.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/clone.h>
#include <ATen/ops/zeros.h>

#include <filesystem>

#include "core/build_fingerprint.h"
#include "core/fields_write.h"
#include "core/file.h"
#include "core/hash.h"
#include "io/safetensors.h"
#include "ir/fingerprint.h"
#include "passes/quantize/ranges/samples.h"
#include "train/parallel.h"

namespace dsc::quantize {

BlockJournal::BlockJournal(const Model& model, const Options& options, const std::map<std::string, std::int64_t>& widths, PassContext& context)
    : ranks_(&ranks_of(context)) {
  std::string key = build_fingerprint() + fingerprint_of(model) + dump_yaml(options) + context.device();
  for (const auto& [node, bits] : widths) key += node + std::to_string(bits) + "\n";
  Samples(options.calibration, context).for_each([&](const std::vector<at::Tensor>& inputs) {
    for (const at::Tensor& input : inputs) key += fingerprint_of(input);
  });
  const std::string folder = context.cache_folder() + "/blocks-" + fingerprint(key);
  folder_ = from_first(*ranks_, [&] {
    try {
      make_folders(folder);
      return folder;
    } catch (const Error& error) {
      context.note("blocks that are finished are not kept, and a killed run begins this step again: " + std::string(error.what()));
      return std::string();
    }
  });
}

std::optional<std::map<std::string, at::Tensor>> BlockJournal::find(const std::string& walk, std::size_t place) const {
  if (folder_.empty()) return std::nullopt;
  const auto there = from_first(*ranks_, [&] { return std::string(std::filesystem::exists(file_of(walk, place)) ? "yes" : ""); });
  if (there.empty()) return std::nullopt;
  std::map<std::string, at::Tensor> made;
  // Copies, placed in memory as what was made is: products may depend on that.
  for (const auto& [name, tensor] : read_safetensors(file_of(walk, place)).tensors) made.emplace(name, tensor.clone());
  return made;
}

void BlockJournal::add(const std::string& walk, std::size_t place, const std::map<std::string, at::Tensor>& made) const {
  if (folder_.empty() || !ranks_->is_first()) return;
  write_safetensors(file_of(walk, place), {.tensors = {made.begin(), made.end()}, .metadata = {}});
}

void BlockJournal::remove() const {
  if (folder_.empty()) return;
  if (!ranks_->is_alone()) ranks_->all_of(at::zeros({1}));  // when the last has read what it wants
  if (ranks_->is_first()) std::filesystem::remove_all(folder_);
}

std::string BlockJournal::file_of(const std::string& walk, std::size_t place) const {
  return folder_ + "/" + walk + "-" + std::to_string(place) + ".safetensors";
}

}  // namespace dsc::quantize
