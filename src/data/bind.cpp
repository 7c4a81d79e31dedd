// Inputs of a data set in the order, the types and the batch size that a model takes.
#include <algorithm>

#include "data/dataset_around.h"
#include "data/match_columns.h"
#include "data/model_inputs.h"
#include "data/open.h"
#include "io/output_names.h"

namespace dsc {
namespace {

class BoundDataset final : public DatasetAround {
 public:
  BoundDataset(std::unique_ptr<Dataset> whole, std::vector<std::size_t> chosen, std::int64_t fixed_batch)
      : DatasetAround(std::move(whole)), chosen_(std::move(chosen)) {
    info_.fixed_batch = fixed_batch;
    info_.inputs.clear();
    info_.input_names.clear();
    for (const std::size_t i : chosen_) {
      info_.inputs.push_back(whole_->info().inputs[i]);
      if (!whole_->info().input_names.empty()) info_.input_names.push_back(whole_->info().input_names[i]);
    }
    for (std::size_t i = 0; i < whole_->info().inputs.size(); ++i) {
      if (std::ranges::find(chosen_, i) != chosen_.end()) continue;
      others_.push_back(i);
      info_.other_names.push_back(whole_->info().input_names[i]);
    }
  }
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t> augment_seed) const override {
    Batch batch = whole_->batch(indices, augment_seed);
    const auto all = std::move(batch.inputs);
    batch.inputs.clear();
    for (const std::size_t i : chosen_) batch.inputs.push_back(all[i]);
    for (const std::size_t i : others_) batch.others.push_back(all[i]);
    return batch;
  }

 private:
  std::vector<std::size_t> chosen_, others_;
};

}  // namespace

std::unique_ptr<Dataset> bind_inputs(std::unique_ptr<Dataset> dataset, const Model& model) {
  if (!dataset->info().label_names.empty()) dataset->set_label_outputs(output_names(model));
  const auto inputs = model_inputs(model.graph);
  const ColumnMatch match = match_columns(dataset->info(), inputs);
  if (!match.problems.empty() || inputs.empty()) return dataset;
  // What has no such form keeps its type, and check_against_model says so.
  for (std::size_t i = 0; i < inputs.size(); ++i) dataset->set_input_type(match.columns[i], inputs[i]->value->tensor().dtype);
  const std::int64_t fixed_batch = fixed_batch_of(inputs);
  const bool same = match.columns.size() == dataset->info().inputs.size() && std::is_sorted(match.columns.begin(), match.columns.end());
  if (same && fixed_batch == 0) return dataset;
  return std::make_unique<BoundDataset>(std::move(dataset), match.columns, fixed_batch);
}

}  // namespace dsc
