#include "data/tokens.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <filesystem>

#include "core/names.h"
#include "data/class_dimension.h"
#include "data/column.h"
#include "data/split.h"
#include "dscompress/error.h"
#include "io/pt2_schema.h"

namespace dsc {
namespace {

const std::vector<std::string> kInputs{"input_ids", "attention_mask", "token_type_ids"};

class TokenDataset final : public Dataset {
 public:
  TokenDataset(TokenExamples examples, const SplitConfig& split, const TokenizerFacts& facts)
      : examples_(std::move(examples)), pad_id_(facts.pad_id), fixed_length_(split.text.padding == Padding::max_length ? split.text.max_length : 0) {
    for (const auto& sequence : examples_.sequences) lengths_.push_back(static_cast<std::int64_t>(sequence.ids.size()));
    info_.description = examples_.description;
    info_.named = split.inputs.empty();
    info_.listed = !info_.named;
    info_.input_names = info_.named ? kInputs : split.inputs;
    info_.longest = *std::max_element(lengths_.begin(), lengths_.end());
    const Dim length = fixed_length_ > 0 ? Dim{fixed_length_} : Dim{info_.longest, "length"};
    info_.inputs.assign(info_.input_names.size(), TensorType{.dtype = ScalarType::i64, .sizes = {length}});
    info_.classes = examples_.classes;
    info_.largest_label_at = examples_.largest_label_at;
    info_.class_names = examples_.class_names;
    info_.vocabulary = facts.vocabulary;
    info_.notes = examples_.notes;
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(lengths_.size()); }
  const DatasetInfo& info() const override { return info_; }
  std::span<const std::int64_t> lengths() const override { return fixed_length_ > 0 ? std::span<const std::int64_t>() : lengths_; }
  const AnswerKey* answers() const override { return examples_.answers.get(); }
  const GenerationKey* generation() const override { return examples_.generation.get(); }
  std::string show(std::int64_t index) const override { return examples_.texts[static_cast<std::size_t>(index)]; }

  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t>) const override {
    Batch batch;
    batch.indices.assign(indices.begin(), indices.end());
    std::int64_t length = fixed_length_;
    for (const std::int64_t index : indices) length = std::max(length, lengths_[static_cast<std::size_t>(index)]);
    for (std::size_t i = 0; i < info_.input_names.size(); ++i) {
      batch.inputs.push_back(input(info_.input_names[i], indices, length));
      if (const auto type = info_.inputs[i].dtype; type != ScalarType::i64) batch.inputs.back() = as_type(batch.inputs.back(), pt2::to_aten(type));
    }
    if (!examples_.token_targets.empty()) {
      batch.target = fill(indices, length, kNoLabel, [&](std::size_t i) -> const TokenIds& { return examples_.token_targets[i]; });
    } else if (examples_.target.defined()) {
      batch.target = rows_of(examples_.target, indices);
    }
    return batch;
  }

  // Ids need room for a vocabulary. What true means in a mask, only the model's own name of it says: a token, not padding.
  bool set_input_type(std::size_t i, ScalarType type) override {
    const bool is_mask = info_.named && info_.input_names[i] == "attention_mask";
    const bool fits = type == ScalarType::i32 || type == ScalarType::i64 || (type == ScalarType::boolean && is_mask) || (is_floating(type) && info_.input_names[i] != "input_ids");
    if (!fits) return false;
    info_.inputs[i].dtype = type;
    return true;
  }

 private:
  // Rows of different lengths in one matrix [N, length]. Plain loops: no threads of LibTorch's inside a loader's.
  template <class Row>
  static at::Tensor fill(std::span<const std::int64_t> indices, std::int64_t length, std::int64_t filler, Row row) {
    at::Tensor out = at::empty({static_cast<std::int64_t>(indices.size()), length}, at::kLong);
    auto* to = out.mutable_data_ptr<std::int64_t>();
    for (const std::int64_t index : indices) {
      const auto& ids = row(static_cast<std::size_t>(index));
      std::copy(ids.begin(), ids.end(), to);
      std::fill(to + ids.size(), to + length, filler);
      to += length;
    }
    return out;
  }

  at::Tensor input(const std::string& name, std::span<const std::int64_t> indices, std::int64_t length) const {
    if (name == "input_ids") return fill(indices, length, pad_id_, [&](std::size_t i) -> const TokenIds& { return examples_.sequences[i].ids; });
    if (name == "token_type_ids") return fill(indices, length, 0, [&](std::size_t i) -> const TokenIds& { return examples_.sequences[i].types; });
    return fill(indices, length, 0, [&](std::size_t i) { return TokenIds(examples_.sequences[i].ids.size(), 1); });
  }

  static at::Tensor rows_of(const at::Tensor& target, std::span<const std::int64_t> indices) {
    std::vector<std::int64_t> sizes = target.sizes().vec();
    const std::int64_t width = sizes.size() > 1 ? sizes[1] : 1;
    sizes[0] = static_cast<std::int64_t>(indices.size());
    at::Tensor out = at::empty(sizes, target.options());
    const auto copy = [&]<class T>(const T* from, T* to) {
      for (const std::int64_t index : indices) to = std::copy_n(from + index * width, width, to);
    };
    if (target.scalar_type() == at::kLong) copy(target.const_data_ptr<std::int64_t>(), out.mutable_data_ptr<std::int64_t>());
    else copy(target.const_data_ptr<float>(), out.mutable_data_ptr<float>());
    return out;
  }

  TokenExamples examples_;
  DatasetInfo info_;
  std::vector<std::int64_t> lengths_;
  std::int64_t pad_id_, fixed_length_;
};

void check_inputs(const std::vector<std::string>& inputs) {
  for (const auto& name : inputs) {
    if (std::find(kInputs.begin(), kInputs.end(), name) != kInputs.end()) continue;
    throw Error(ErrorCode::data, "text has no input `" + name + "`", {.pointer = "/inputs"}, suggest(name, kInputs));
  }
}

void refuse_image_settings(const SplitConfig& split) {
  if (split.image_size == 0 && split.resize == 0) return;
  throw Error(ErrorCode::data, "image_size and resize are for images, and format " + to_text(split.format) + " has none", {}, "remove them");
}

}  // namespace

std::unique_ptr<Dataset> make_token_dataset(TokenExamples examples, const SplitConfig& split, const TokenizerFacts& facts) {
  check_inputs(split.inputs);
  refuse_image_settings(split);
  return std::make_unique<TokenDataset>(std::move(examples), split, facts);
}

std::string describe_text(const SplitConfig& split, const std::string& file) {
  const bool sliced = split.split.find('[') != std::string::npos;
  return to_text(split.format) + " " + std::filesystem::path(file).filename().string() + (sliced ? " " + split.split : "");
}

std::string CutCount::note(std::int64_t max_length) const {
  if (cut_ == 0) return {};
  return std::to_string(cut_) + " of " + std::to_string(count_) + " examples are cut to " + std::to_string(max_length) + " tokens (" + std::to_string(tokens_) + " tokens lost)";
}

std::string locate_text(const SplitConfig& split, const std::vector<std::string>& extensions) {
  namespace fs = std::filesystem;
  const fs::path path = split.path.path;
  const std::string name = parse_split(split.split).name;
  if (!fs::is_directory(path)) {
    if (name == "all" || name == SplitConfig{}.split || name == path.stem()) return path.string();
    throw Error(ErrorCode::data, "split `" + split.split + "`: " + path.filename().string() + " is one file, it has no split `" + name + "`", {.file = path.string()},
                "write split: all, or all with a slice such as all[-500:]");
  }
  std::string tried;
  for (const auto& extension : extensions) {
    const fs::path candidate = path / (name + extension);
    if (fs::exists(candidate)) return candidate.string();
    tried += (tried.empty() ? "" : ", ") + name + extension;
  }
  throw Error(ErrorCode::data, "split `" + split.split + "`: " + path.string() + " has none of " + tried, {.file = path.string()}, "name a file in `path`");
}

}  // namespace dsc
