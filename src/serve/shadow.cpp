#include "serve/shadow.h"

#include <ATen/ops/linalg_vector_norm.h>

#include <cmath>

#include "core/log.h"
#include "exec/foreign_error.h"

namespace dsc {

Agreement compare_rows(const at::Tensor& ours, const at::Tensor& theirs) {
  constexpr double kClose = 0.01;
  const auto rows = ours.size(0);
  const at::Tensor a = ours.to(at::kDouble).reshape({rows, -1}), b = theirs.to(at::kDouble).reshape({rows, -1});
  const at::Tensor relative =
      at::linalg_vector_norm(a - b, 2, at::IntArrayRef{1}) / at::linalg_vector_norm(a, 2, at::IntArrayRef{1}).clamp_min(1e-30);
  const bool are_scores = ours.dim() == 2 && ours.size(1) > 1 && ours.is_floating_point();
  const at::Tensor agrees = are_scores ? a.argmax(1).eq(b.argmax(1)) : relative.lt(kClose);
  return {agrees.sum().item<std::int64_t>(), relative.sum().item<double>()};
}

Shadow::Shadow(Counters& counters) : counters_(counters), thread_([this] { work(); }) {}

Shadow::~Shadow() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Shadow::offer(std::shared_ptr<ServedModel> candidate, std::vector<at::Tensor> inputs, at::Tensor answer) {
  constexpr std::size_t kMostBatches = 4;
  const auto rows = static_cast<double>(answer.size(0));
  {
    const std::lock_guard lock(mutex_);
    if (batches_.size() < kMostBatches) {
      batches_.push_back({std::move(candidate), std::move(inputs), std::move(answer)});
      changed_.notify_all();
      return;
    }
  }
  counters_.add("shadow_dropped_total", {}, rows);
}

void Shadow::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return closed_ || !batches_.empty(); });
    if (closed_) return;
    const auto batch = std::move(batches_.front());
    batches_.pop_front();
    lock.unlock();
    run(batch);
    lock.lock();
  }
}

void Shadow::run(const Batch& batch) {
  const auto rows = batch.answer.size(0);
  try {
    const auto theirs = batch.candidate->run(batch.inputs).front();
    if (theirs.sizes() != batch.answer.sizes()) throw Error(ErrorCode::data, "the candidate's first output has other sizes");
    const auto agreement = compare_rows(batch.answer, theirs);
    counters_.add("shadow_examples_total", {}, static_cast<double>(rows));
    counters_.add("shadow_agreed_total", {}, static_cast<double>(agreement.agreed));
    counters_.add("shadow_difference_total", {}, agreement.difference);
  } catch (const std::exception&) {
    counters_.add("shadow_dropped_total", {}, static_cast<double>(rows));
    log_warning("the candidate in the shadow failed: " + std::string(to_error(std::current_exception()).what()));
  }
}

}  // namespace dsc
