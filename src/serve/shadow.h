// Runs a candidate on what another version has answered, and counts how far they agree; nobody waits for it.
#pragma once

#include <ATen/core/Tensor.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "serve/counters.h"
#include "serve/served_model.h"

namespace dsc {

struct Agreement {
  std::int64_t agreed = 0;  // rows
  double difference = 0;    // sum over rows of |a - b| / |a|, Euclidean norms
};
// Of the first outputs, row by row. Rows of scores [rows, classes] agree when their largest score is the same one, all others when
// they differ by less than 1 %. precondition: the same sizes.
Agreement compare_rows(const at::Tensor& ours, const at::Tensor& theirs);

class Shadow {
 public:
  explicit Shadow(Counters& counters);
  ~Shadow();  // what waits is dropped
  // A batch and what was answered. Dropped, and counted, where the candidate is too far behind.
  void offer(std::shared_ptr<ServedModel> candidate, std::vector<at::Tensor> inputs, at::Tensor answer);

 private:
  struct Batch {
    std::shared_ptr<ServedModel> candidate;
    std::vector<at::Tensor> inputs;
    at::Tensor answer;
  };
  void work();
  void run(const Batch& batch);

  Counters& counters_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> batches_;
  bool closed_ = false;
  std::thread thread_;
};

}  // namespace dsc
