// Requests that wait to be run together.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace dsc {

class ServedModel;

// What became of a request: outputs, or why there are none.
struct Outcome {
  std::vector<at::Tensor> outputs;
  std::string error;
};

struct WaitingRequest {
  std::string group;  // requests of one group can be run together
  std::int64_t rows = 1;
  std::chrono::steady_clock::time_point arrived = std::chrono::steady_clock::now();
  std::shared_ptr<ServedModel> model;
  std::vector<at::Tensor> inputs;       // in the model's order, [rows, ...], filled up to `padded`
  std::int64_t length = 0, padded = 0;  // serve/padding.h
  std::function<void(Outcome)> done;
};

struct BatchOptions {
  std::int64_t max_rows = 16;    // of a batch; a request with more is a batch of its own
  double max_wait_ms = 2;        // of the oldest request, for others to join it
  std::int64_t capacity = 1024;  // rows that may wait
};

class BatchQueue {
 public:
  explicit BatchQueue(const BatchOptions& options) : options_(options) {}

  // returns: false when too many wait already; `request` is left as it is then.
  bool push(WaitingRequest& request);
  // The next batch: a group that fills one, or that of the oldest request once it has waited. Waits for it. None: closed, and
  // all that waited has been given out.
  std::vector<WaitingRequest> next();
  void hurry();  // from now on no request waits for others to join it
  // Nothing is accepted any more, and nothing waits for others.
  void close();
  std::int64_t waiting() const;

 private:
  std::optional<std::string> ready_group(std::chrono::steady_clock::time_point now) const;
  std::vector<WaitingRequest> take(const std::string& group);

  const BatchOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<WaitingRequest> requests_;                 // oldest first
  std::unordered_map<std::string, std::int64_t> rows_;  // of each group
  std::int64_t all_rows_ = 0;
  bool hurried_ = false, closed_ = false;
};

}  // namespace dsc
