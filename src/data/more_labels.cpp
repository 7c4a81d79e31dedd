#include "data/more_labels.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/names.h"
#include "data/column.h"
#include "data/dataset_around.h"
#include "data/matching_output.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

std::optional<std::int64_t> number_in(const std::string& text) {
  std::int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  return read.ec == std::errc{} && read.ptr == text.data() + text.size() && number >= 0 ? std::optional(number) : std::nullopt;
}

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) text += (i ? ", " : "") + std::to_string(i) + " " + names[i];
  return text;
}

std::int64_t find_output(const MoreLabel& label, const std::vector<std::string>& names) {
  const std::string& wanted = label.output.empty() ? label.name : label.output;
  const auto found = std::ranges::find(names, wanted);
  if (found != names.end()) return found - names.begin();
  if (const auto number = number_in(wanted); number && *number < static_cast<std::int64_t>(names.size())) return *number;
  throw Error(ErrorCode::data, "the label `" + label.name + "` is of the output `" + wanted + "`, and the model has no such output", {},
              "its outputs are " + list_of(names) + "; write labels: {" + label.name + ": OUTPUT}");
}

class MoreLabelled final : public DatasetAround {
 public:
  MoreLabelled(std::unique_ptr<Dataset> whole, std::vector<MoreLabel> labels) : DatasetAround(std::move(whole)), labels_(std::move(labels)) {
    take_info();
  }

  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t> augment_seed) const override {
    Batch batch = whole_->batch(indices, augment_seed);
    for (std::size_t i = 0; i < labels_.size(); ++i)
      batch.labels.push_back({labels_[i].name, outputs_[i], gather_rows(labels_[i].values, indices, labels_[i].values.scalar_type())});
    return batch;
  }
  bool set_input_type(std::size_t i, ScalarType type) override {
    const bool has_form = whole_->set_input_type(i, type);
    take_info();
    return has_form;
  }
  void set_label_outputs(const std::vector<std::string>& output_names) override {
    std::ranges::transform(labels_, outputs_.begin(), [&](const MoreLabel& label) { return find_output(label, output_names); });
  }

 private:
  void take_info() {
    info_ = whole_->info();
    for (const MoreLabel& label : labels_) info_.label_names.push_back(label.name);
  }

  std::vector<MoreLabel> labels_;
  std::vector<std::int64_t> outputs_ = std::vector<std::int64_t>(labels_.size(), 0);
};

const LabelColumn& find_label(const Batch& batch, const std::string& label) {
  const auto found = std::ranges::find(batch.labels, label, &LabelColumn::name);
  if (found != batch.labels.end()) return *found;
  std::vector<std::string> names;
  for (const LabelColumn& known : batch.labels) names.push_back(known.name);
  throw Error(ErrorCode::data, "the data has no label `" + label + "`", {},
              names.empty() ? "name the column in the data's `labels`" : suggest(label, names));
}

}  // namespace

std::unique_ptr<Dataset> with_more_labels(std::unique_ptr<Dataset> dataset, std::vector<MoreLabel> labels) {
  if (labels.empty()) return dataset;
  return std::make_unique<MoreLabelled>(std::move(dataset), std::move(labels));
}

Batch with_label(const Batch& batch, const std::string& label) {
  Batch own = batch;
  own.target = find_label(batch, label).target;
  own.soft_target = false;
  own.multi_label = false;
  return own;
}

at::Tensor output_of_label(const std::vector<at::Tensor>& outputs, const Batch& batch, const std::string& label) {
  const LabelColumn& column = find_label(batch, label);
  if (static_cast<std::size_t>(column.output) < outputs.size()) return at_size_of(outputs[static_cast<std::size_t>(column.output)], column.target);
  throw Error(ErrorCode::data,
              "the label `" + label + "` is of output " + std::to_string(column.output) + ", and the model has " + std::to_string(outputs.size()) +
                  ", counted from 0",
              {}, "inspect shows a model's outputs");
}

}  // namespace dsc
