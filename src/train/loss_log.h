// The losses of an epoch, checked for NaN and infinity without making every step wait for the device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace dsc {

// On the CPU each loss is looked at when it is made; elsewhere they are fetched a few dozen at a time.
class LossLog {
 public:
  // explain: throws, when the loss over these examples is not finite for a reason that lies outside of the weights.
  using Explain = std::function<void(const std::vector<std::int64_t>& examples)>;
  LossLog(std::int64_t epoch, bool on_cpu, bool bf16, Explain explain = {}) : epoch_(epoch), interval_(on_cpu ? 1 : 32), bf16_(bf16), explain_(std::move(explain)) {}
  // errors: numeric for a loss that is not finite, naming epoch, step, learning rate and remedy.
  void add(const at::Tensor& loss, std::int64_t step, double lr, std::vector<std::int64_t> examples = {});
  void flush();
  double mean() const { return count_ > 0 ? sum_ / static_cast<double>(count_) : 0; }
  double last() const { return last_; }

 private:
  struct Entry {
    at::Tensor loss;
    std::int64_t step;
    double lr;
    std::vector<std::int64_t> examples;
  };
  std::int64_t epoch_;
  std::size_t interval_;
  bool bf16_;
  Explain explain_;
  std::vector<Entry> pending_;
  double sum_ = 0, last_ = 0;
  std::int64_t count_ = 0;
};

}  // namespace dsc
