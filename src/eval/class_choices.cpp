#include "eval/class_choices.h"

#include <ATen/ops/argmax.h>
#include <ATen/ops/log_softmax.h>

#include <algorithm>
#include <utility>

namespace dsc {

void ClassChoices::add(const at::Tensor& output, const Batch& batch) {
  const auto examples = static_cast<std::int64_t>(batch.indices.size());
  const bool has_labels = batch.target.defined() && batch.target.scalar_type() == at::kLong && batch.target.dim() == 1;
  if (!has_labels || output.dim() != 2 || output.size(0) != examples || batch.target.size(0) != examples) return;
  constexpr double kMostLoss = 1000;  // of masked classes it is infinite, which reports do not hold
  const at::Tensor chosen = output.argmax(1).contiguous(), labels = batch.target.contiguous();
  const at::Tensor logs = at::log_softmax(output.to(at::kDouble), 1).contiguous();
  const auto *c = chosen.const_data_ptr<std::int64_t>(), *l = labels.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 0; i < examples; ++i) {
    const auto example = batch.indices[static_cast<std::size_t>(i)];
    const bool is_labelled = l[i] >= 0 && l[i] < output.size(1);
    const double loss = is_labelled ? -logs.const_data_ptr<double>()[i * output.size(1) + l[i]] : 0;
    chosen_.set(example, static_cast<double>(c[i]), static_cast<double>(l[i]));
    loss_.set(example, loss < kMostLoss ? loss : kMostLoss, is_labelled ? 1 : 0);
  }
}

void ClassChoices::take(std::map<std::string, Outcomes>& outcomes) && {
  if (chosen_.empty()) return;
  outcomes[kChosenClass] = std::move(chosen_);
  outcomes[kLabelLoss] = std::move(loss_);
}

}  // namespace dsc
