// Inputs of a data set in the order that a model takes them.
#include <algorithm>

#include "data/model_inputs.h"
#include "data/open.h"

namespace dsc {
namespace {

class BoundDataset final : public Dataset {
 public:
  BoundDataset(std::unique_ptr<Dataset> whole, std::vector<std::size_t> chosen) : whole_(std::move(whole)), info_(whole_->info()), chosen_(std::move(chosen)) {
    info_.inputs.clear();
    info_.input_names.clear();
    for (const std::size_t i : chosen_) {
      info_.inputs.push_back(whole_->info().inputs[i]);
      info_.input_names.push_back(whole_->info().input_names[i]);
    }
    for (std::size_t i = 0; i < whole_->info().inputs.size(); ++i) {
      if (std::ranges::find(chosen_, i) != chosen_.end()) continue;
      others_.push_back(i);
      info_.other_names.push_back(whole_->info().input_names[i]);
    }
  }
  std::int64_t size() const override { return whole_->size(); }
  const DatasetInfo& info() const override { return info_; }
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t> augment_seed) const override {
    Batch batch = whole_->batch(indices, augment_seed);
    const auto all = std::move(batch.inputs);
    batch.inputs.clear();
    for (const std::size_t i : chosen_) batch.inputs.push_back(all[i]);
    for (const std::size_t i : others_) batch.others.push_back(all[i]);
    return batch;
  }
  std::span<const std::int64_t> lengths() const override { return whole_->lengths(); }
  const AnswerKey* answers() const override { return whole_->answers(); }
  std::string show(std::int64_t index) const override { return whole_->show(index); }

 private:
  std::unique_ptr<Dataset> whole_;
  DatasetInfo info_;
  std::vector<std::size_t> chosen_, others_;
};

}  // namespace

std::unique_ptr<Dataset> bind_inputs(std::unique_ptr<Dataset> dataset, const Model& model) {
  const auto& names = dataset->info().input_names;
  std::vector<std::size_t> chosen;
  for (const GraphInput* input : model_inputs(model.graph)) {
    const auto found = std::find(names.begin(), names.end(), input->target);
    if (found == names.end()) return dataset;
    chosen.push_back(static_cast<std::size_t>(found - names.begin()));
  }
  const bool same = chosen.size() == names.size() && std::is_sorted(chosen.begin(), chosen.end());
  if (same || chosen.empty()) return dataset;
  return std::make_unique<BoundDataset>(std::move(dataset), std::move(chosen));
}

}  // namespace dsc
