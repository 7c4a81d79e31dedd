#include "data/tensors.h"

#include <algorithm>
#include <filesystem>

#include "core/names.h"
#include "core/printed.h"
#include "data/column.h"
#include "data/images.h"
#include "data/more_labels.h"
#include "data/split.h"
#include "dscompress/error.h"
#include "io/pt2_schema.h"
#include "io/safetensors.h"
#include "ir/describe.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;
using Columns = std::vector<std::pair<std::string, at::Tensor>>;

std::vector<std::string> names_of(const Columns& columns) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : columns) names.push_back(name);
  return names;
}

// The file or folder that the split's name means below `path`.
fs::path locate_file(const SplitConfig& split) {
  const fs::path path = split.path.path;
  const std::string name = parse_split(split.split).name;
  if (name == "all") return path;
  std::error_code code;
  if (fs::is_regular_file(path, code)) {
    throw Error(ErrorCode::data, "split `" + split.split + "`: " + path.filename().string() + " is one file, it has no splits",
                {.file = path.string()}, "write split: all, or all with a slice such as all[-500:]");
  }
  for (const char* extension : {".safetensors", "", ".npy"}) {
    const fs::path candidate = path / (name + extension);
    if (fs::exists(candidate, code)) return candidate;
  }
  throw Error(ErrorCode::data,
              "split `" + split.split + "`: " + path.string() + " has no " + name + ".safetensors, " + name +
                  ".npy or folder " + name,
              {.file = path.string()}, "name one that is there, or write split: all to use the path itself");
}

// A damaged file is the data's fault here, not the model's.
Columns read_safetensors_columns(const fs::path& path) {
  try {
    return read_safetensors(path.string()).tensors;
  } catch (const Error& error) {
    throw error.code() == ErrorCode::model_file ? Error(ErrorCode::data, error.problems()) : error;
  }
}

Columns read_columns(const fs::path& path) {
  Columns columns;
  if (path.extension() == ".npy") {
    columns.emplace_back(path.stem().string(), read_npy(path.string()));
  } else if (fs::is_directory(path) && !fs::exists(path / "model.safetensors.index.json")) {
    for (const auto& entry : fs::directory_iterator(path)) {
      if (entry.path().extension() == ".npy") columns.emplace_back(entry.path().stem().string(), read_npy(entry.path().string()));
    }
    std::sort(columns.begin(), columns.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  } else {
    columns = read_safetensors_columns(path);
  }
  if (columns.empty()) {
    throw Error(ErrorCode::data, path.string() + " holds no tensors", {.file = path.string()},
                "a folder of tensors has one .npy file per column");
  }
  const std::int64_t rows = columns[0].second.dim() > 0 ? columns[0].second.size(0) : -1;
  for (auto& [name, tensor] : columns) {
    if (tensor.dim() == 0 || tensor.size(0) != rows) {
      throw Error(ErrorCode::data,
                  "column `" + name + "` has " + (tensor.dim() == 0 ? "no dimension" : std::to_string(tensor.size(0)) + " rows") +
                      ", column `" + columns[0].first + "` has " + std::to_string(rows),
                  {.file = path.string()}, "all columns have the examples in dimension 0");
    }
    tensor = tensor.contiguous();
  }
  return columns;
}

at::Tensor get_column(const Columns& columns, const std::string& name, const fs::path& path) {
  for (const auto& [known, tensor] : columns) if (known == name) return tensor;
  throw Error(ErrorCode::data, path.string() + " has no column `" + name + "`", {.file = path.string()},
              suggest(name, names_of(columns)));
}

bool is_float(at::ScalarType type) { return c10::isFloatingType(type); }

// What a column is given as until a model asks for something else.
at::ScalarType plain_type(at::ScalarType type) {
  if (type == at::kBool) return at::kBool;
  return is_float(type) ? at::kFloat : at::kLong;
}

ScalarType our_type(at::ScalarType type) {
  if (type == at::kBool) return ScalarType::boolean;
  return is_float(type) ? ScalarType::f32 : ScalarType::i64;
}

void check_readable(const std::string& name, const at::Tensor& column) {
  if (is_readable(column.scalar_type())) return;
  throw Error(ErrorCode::data, "column `" + name + "` has type " + c10::toString(column.scalar_type()) + ", which cannot be read", {},
              "store bool, integers or floating-point numbers");
}

// One label per example: checks that none is negative and returns the number of classes; none for other targets.
std::optional<std::int64_t> count_classes(const at::Tensor& label, std::span<const std::int64_t> rows, const fs::path& path) {
  if (!label.defined() || label.dim() != 1 || is_float(label.scalar_type())) return std::nullopt;
  if (label.scalar_type() == at::kBool) return 2;
  const at::Tensor values = gather_rows(label, rows, at::kLong);
  const auto* data = values.const_data_ptr<std::int64_t>();
  std::int64_t most = -1;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (data[i] < 0) {
      throw Error(ErrorCode::data, "example " + std::to_string(rows[i]) + " has label " + std::to_string(data[i]),
                  {.file = path.string()}, "classes are numbered from 0");
    }
    most = std::max(most, data[i]);
  }
  return most + 1;
}

// Several labels an example: checks that each is 0 or 1 and returns the number of classes.
std::int64_t count_multi_label(const at::Tensor& label, std::span<const std::int64_t> rows, const SplitConfig& split, const fs::path& path) {
  if (!label.defined() || label.dim() != 2) {
    throw Error(
        ErrorCode::data,
        "multi_label needs a column `" + split.label + "` of shape [N, classes]" + (label.defined() ? ", and it has " + describe_sizes(label) : ""),
        {.file = path.string()}, "store 1 for each class that an example has and 0 for the others");
  }
  const at::Tensor values = gather_rows(label, rows, at::kFloat);
  const auto* data = values.const_data_ptr<float>();
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    if (data[i] == 0 || data[i] == 1) continue;
    throw Error(ErrorCode::data,
                "example " + std::to_string(rows[static_cast<std::size_t>(i / values.size(1))]) + " has " +
                    printed("%g", static_cast<double>(data[i])) + " for class " + std::to_string(i % values.size(1)) + ", expected 0 or 1",
                {.file = path.string()}, "store 1 for each class that an example has and 0 for the others");
  }
  return values.size(1);
}

std::vector<MoreLabel> read_more_labels(const SplitConfig& split, const Columns& columns, std::span<const std::int64_t> rows, const fs::path& path) {
  std::vector<MoreLabel> more;
  for (const auto& [name, output] : split.labels) {
    const at::Tensor column = get_column(columns, name, path);
    check_readable(name, column);
    count_classes(column, rows, path);
    const bool is_boolean = column.scalar_type() == at::kBool;
    more.push_back({name, output, gather_rows(column, rows, is_boolean ? at::kLong : plain_type(column.scalar_type()))});
  }
  return more;
}

class TensorDataset : public Dataset {
 public:
  TensorDataset(DatasetInfo info, std::vector<at::Tensor> inputs, at::Tensor label, bool multi_label, std::vector<std::int64_t> rows)
      : info_(std::move(info)), inputs_(std::move(inputs)), label_(std::move(label)), multi_label_(multi_label), rows_(std::move(rows)) {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      const at::ScalarType stored = inputs_[i].scalar_type();
      check_readable(info_.input_names[i], inputs_[i]);
      types_.push_back(plain_type(stored));
    }
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(rows_.size()); }
  const DatasetInfo& info() const override { return info_; }
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t>) const override {
    Batch batch;
    batch.indices.assign(indices.begin(), indices.end());
    std::vector<std::int64_t> rows;
    for (const std::int64_t index : indices) rows.push_back(rows_[static_cast<std::size_t>(index)]);
    for (std::size_t i = 0; i < inputs_.size(); ++i) batch.inputs.push_back(gather_rows(inputs_[i], rows, types_[i]));
    batch.multi_label = multi_label_;
    if (label_.defined())
      batch.target = gather_rows(label_, rows,
                                 multi_label_                        ? at::kFloat
                                 : label_.scalar_type() == at::kBool ? at::kLong
                                                                     : plain_type(label_.scalar_type()));
    return batch;
  }

  bool set_input_type(std::size_t i, ScalarType type) override {
    const at::ScalarType stored = inputs_[i].scalar_type(), wanted = pt2::to_aten(type);
    if (!is_readable(wanted)) return false;
    const std::string name = "column `" + info_.input_names[i] + "`", asked = std::string(to_string(type));
    if (stored == at::kBool && is_float(wanted)) {
      throw Error(ErrorCode::data, name + " is boolean and the model takes " + asked + ": whether it multiplies by 0 and 1 or adds 0 and -inf, the data does not say", {},
                  "store the column as f32, with the numbers that the model expects");
    }
    if (stored == at::kByte && inputs_[i].dim() > 2 && is_float(wanted)) {
      throw Error(ErrorCode::data, name + " holds u8 pixels and the model takes " + asked + ": whether as 0 to 255 or 0 to 1, the data does not say", {},
                  "store the column as f32 in the scale that the model was trained with; a single u8 column [N, C, H, W] is divided by 255 and normalised");
    }
    refuse_misfit(i, wanted);
    types_[i] = wanted;
    info_.inputs[i].dtype = type;
    return true;
  }

 private:
  void refuse_misfit(std::size_t i, at::ScalarType type) const {
    const auto misfit = find_misfit(inputs_[i], rows_, type);
    if (!misfit) return;
    const auto example = std::ranges::find(rows_, misfit->row) - rows_.begin();
    throw Error(ErrorCode::data,
                "column `" + info_.input_names[i] + "` has " + misfit->value + " in example " + std::to_string(example) + ", which " +
                    std::string(to_string(*pt2::from_aten(type))) + " cannot hold",
                {}, "give the column the values that the model's input of that type takes");
  }

  DatasetInfo info_;
  std::vector<at::Tensor> inputs_;
  std::vector<at::ScalarType> types_;  // of the inputs in batches
  at::Tensor label_;
  bool multi_label_;
  std::vector<std::int64_t> rows_;
};

// Pictures in a u8 column.
class TensorImages : public ImageSource {
 public:
  TensorImages(at::Tensor pictures, at::Tensor labels, std::vector<std::int64_t> rows, std::optional<std::int64_t> classes)
      : pictures_(std::move(pictures)), rows_(std::move(rows)), classes_(classes) {
    if (labels.defined()) labels_ = gather_rows(labels, rows_, labels.dim() == 2 ? at::kFloat : at::kLong);
  }
  ImageShape shape() const override { return {pictures_.size(1), pictures_.size(2), pictures_.size(3)}; }
  std::int64_t size() const override { return static_cast<std::int64_t>(rows_.size()); }
  bool has_labels() const override { return labels_.defined() && labels_.dim() == 1; }
  std::int64_t label_count() const override { return labels_.defined() && labels_.dim() == 2 ? labels_.size(1) : 0; }
  void read_labels(std::int64_t index, float* labels) const override {
    std::copy_n(labels_.const_data_ptr<float>() + index * labels_.size(1), labels_.size(1), labels);
  }
  std::int64_t label(std::int64_t index) const override { return labels_.const_data_ptr<std::int64_t>()[index]; }
  std::optional<std::int64_t> classes() const override { return classes_; }
  const std::uint8_t* pixels(std::int64_t index, std::vector<std::uint8_t>&) const override {
    return pictures_.const_data_ptr<std::uint8_t>() + rows_[static_cast<std::size_t>(index)] * shape().bytes();
  }

 private:
  at::Tensor pictures_, labels_;
  std::vector<std::int64_t> rows_;
  std::optional<std::int64_t> classes_;
};

TensorType example_type(const at::Tensor& column) {
  TensorType type{.dtype = our_type(column.scalar_type())};
  for (const std::int64_t size : column.sizes().slice(1)) type.sizes.push_back(Dim{size});
  return type;
}

void refuse_image_settings(const SplitConfig& split, const std::optional<NormalizeConfig>& normalize) {
  if (split.corruption) {
    throw Error(ErrorCode::data, "the corruption `" + split.corruption->name + "` is for images or text; these tensors are not one u8 column [N, C, H, W]", {},
                "store the images as u8, or remove it");
  }
  const char* setting = !split.augment.empty() ? "augment" : normalize && !normalize->mean.empty() ? "normalize" : nullptr;
  if (!setting) return;
  throw Error(ErrorCode::data, std::string(setting) + " is for images; these tensors are not one u8 column [N, C, H, W]", {},
              std::string("remove ") + setting + ", or store the images as u8");
}

}  // namespace

std::unique_ptr<Dataset> open_tensors(const SplitConfig& split, const std::optional<NormalizeConfig>& normalize) {
  const fs::path path = locate_file(split);
  const Columns columns = read_columns(path);
  const std::vector<std::string> names = names_of(columns);
  at::Tensor label;
  const bool has_label = !split.label.empty() && std::find(names.begin(), names.end(), split.label) != names.end();
  if (has_label || (!split.label.empty() && split.label != SplitConfig{}.label)) label = get_column(columns, split.label, path);

  if (label.defined()) check_readable(split.label, label);

  DatasetInfo info;
  info.input_names = split.inputs;
  info.listed = !split.inputs.empty();
  if (info.input_names.empty()) {
    std::copy_if(names.begin(), names.end(), std::back_inserter(info.input_names),
                 [&](const std::string& name) { return (!has_label || name != split.label) && !split.labels.contains(name); });
  }
  if (info.input_names.empty()) {
    throw Error(ErrorCode::data, path.string() + " holds labels only", {.file = path.string()}, "add a column of inputs");
  }
  std::vector<at::Tensor> inputs;
  for (const std::string& name : info.input_names) inputs.push_back(get_column(columns, name, path));
  std::vector<std::int64_t> rows = select_examples(split, inputs[0].size(0));
  std::vector<MoreLabel> more = read_more_labels(split, columns, rows, path);
  info.classes = split.multi_label ? count_multi_label(label, rows, split, path) : count_classes(label, rows, path);
  const bool labels_fit = !label.defined() || info.classes;
  if (inputs.size() == 1 && inputs[0].scalar_type() == at::kByte && inputs[0].dim() == 4 && labels_fit) {
    return with_more_labels(make_image_dataset(std::make_unique<TensorImages>(inputs[0], label, std::move(rows), info.classes), split, normalize),
                            std::move(more));
  }
  refuse_image_settings(split, normalize);
  info.description = "tensors " + split.split + ", " + std::to_string(rows.size()) + " examples";
  for (const at::Tensor& input : inputs) info.inputs.push_back(example_type(input));
  return with_more_labels(std::make_unique<TensorDataset>(std::move(info), std::move(inputs), std::move(label), split.multi_label, std::move(rows)),
                          std::move(more));
}

}  // namespace dsc
