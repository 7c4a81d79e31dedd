#include "eval/rows.h"

#include <algorithm>

#include "dscompress/error.h"
#include "ir/describe.h"

namespace dsc {
namespace {

void check_labels(const Rows& rows, const Batch& batch) {
  const std::int64_t classes = rows.logits.size(1);
  const auto labels = rows.labels.contiguous();
  const auto* label = labels.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    if ((label[i] >= 0 && label[i] < classes) || label[i] == kNoLabel) continue;
    const auto example = static_cast<std::size_t>(i / rows.per_example);
    const std::int64_t index = example < batch.indices.size() ? batch.indices[example] : static_cast<std::int64_t>(example);
    throw Error(ErrorCode::data, "example " + std::to_string(index) + " has label " + std::to_string(label[i]) +
                                     "; the model's output has classes 0 to " + std::to_string(classes - 1),
                {}, "check the labels, or that this model was made for this data");
  }
}

}  // namespace

void fail_masked(const std::string& metric, const std::string& cause) {
  throw Error(ErrorCode::numeric, metric + " has no finite value: " + cause, {}, "correct the labels or the model's mask of classes; top1 and agreement have a value all the same");
}

Rows make_rows(const at::Tensor& output, const at::Tensor& target) {
  if (output.dim() < 2) throw Error(ErrorCode::data, "the model's output of shape " + describe_sizes(output) + " has no classes");
  const auto dim = class_dimension(output, target);
  if (!dim) {
    throw Error(ErrorCode::data, "labels of shape " + describe_sizes(target) + " do not fit the model's output of shape " + describe_sizes(output),
                {}, "labels have the output's shape without the dimension of the classes");
  }
  Rows rows;
  rows.logits = output.movedim(*dim, -1).reshape({-1, output.size(*dim)});
  if (target.defined()) rows.labels = target.reshape({-1});
  rows.per_example = rows.logits.size(0) / std::max<std::int64_t>(1, output.size(0));
  return rows;
}

Rows make_labelled_rows(const at::Tensor& output, const Batch& batch) {
  if (!batch.target.defined() || batch.target.scalar_type() != at::kLong) {
    throw Error(ErrorCode::data, "accuracy metrics need class labels (integers) in the evaluation data", {}, "name the label column, or use mse or agreement");
  }
  Rows rows = make_rows(output, batch.target);
  check_labels(rows, batch);
  return rows;
}

}  // namespace dsc
