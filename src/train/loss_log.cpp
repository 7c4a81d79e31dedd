#include "train/loss_log.h"

#include <ATen/ops/stack.h>

#include <cmath>
#include <sstream>

#include "dscompress/error.h"

namespace dsc {

void LossLog::add(const at::Tensor& loss, std::int64_t step, double lr, std::vector<std::int64_t> examples) {
  pending_.push_back({loss.detach(), step, lr, std::move(examples)});
  if (pending_.size() >= interval_) flush();
}

void LossLog::flush() {
  if (pending_.empty()) return;
  std::vector<at::Tensor> losses;
  for (const auto& entry : pending_) losses.push_back(entry.loss.reshape({}));
  const auto values = (losses.size() == 1 ? losses[0].reshape({1}) : at::stack(losses)).to(at::kCPU, at::kDouble);
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    last_ = values.const_data_ptr<double>()[i];
    if (!std::isfinite(last_)) {
      if (explain_) explain_(pending_[i].examples);
      std::ostringstream text;
      text << "the training loss is " << (std::isnan(last_) ? "not a number" : "infinite") << " in epoch " << epoch_ + 1 << ", step " << pending_[i].step + 1
           << ", at learning rate " << pending_[i].lr;
      throw Error(ErrorCode::numeric, text.str(), {},
                  std::string("lower optimizer.lr, add warmup_epochs, or set clip_norm: 1") + (bf16_ ? ", or try bf16: false" : ""));
    }
    sum_ += last_;
    ++count_;
  }
  pending_.clear();
}

}  // namespace dsc
