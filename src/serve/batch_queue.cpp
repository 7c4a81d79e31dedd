#include "serve/batch_queue.h"

#include <algorithm>

namespace dsc {

namespace {

std::chrono::steady_clock::duration to_duration(double ms) {
  return std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double, std::milli>(ms));
}

}  // namespace

bool BatchQueue::push(WaitingRequest& request) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || (all_rows_ > 0 && all_rows_ + request.rows > options_.capacity)) return false;
    all_rows_ += request.rows;
    rows_[request.group] += request.rows;
    requests_.push_back(std::move(request));
  }
  changed_.notify_one();
  return true;
}

std::optional<std::string> BatchQueue::ready_group(std::chrono::steady_clock::time_point now) const {
  const auto& oldest = requests_.front();
  if (hurried_ || now >= oldest.arrived + to_duration(options_.max_wait_ms)) return oldest.group;
  const auto full = std::ranges::find_if(rows_, [this](const auto& group) { return group.second >= options_.max_rows; });
  return full == rows_.end() ? std::nullopt : std::optional(full->first);
}

std::vector<WaitingRequest> BatchQueue::take(const std::string& group) {
  std::vector<WaitingRequest> batch;
  std::int64_t rows = 0;
  for (auto request = requests_.begin(); request != requests_.end();) {
    if (request->group != group) {
      ++request;
      continue;
    }
    if (!batch.empty() && rows + request->rows > options_.max_rows) break;
    rows += request->rows;
    batch.push_back(std::move(*request));
    request = requests_.erase(request);
  }
  all_rows_ -= rows;
  if (const auto left = rows_.find(group); (left->second -= rows) == 0) rows_.erase(left);
  return batch;
}

std::vector<WaitingRequest> BatchQueue::next() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (requests_.empty()) {
      if (closed_) return {};
      changed_.wait(lock);
      continue;
    }
    if (const auto group = ready_group(std::chrono::steady_clock::now())) return take(*group);
    changed_.wait_until(lock, requests_.front().arrived + to_duration(options_.max_wait_ms));
  }
}

void BatchQueue::hurry() {
  {
    const std::lock_guard lock(mutex_);
    hurried_ = true;
  }
  changed_.notify_all();
}

void BatchQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    hurried_ = closed_ = true;
  }
  changed_.notify_all();
}

std::int64_t BatchQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  return all_rows_;
}

}  // namespace dsc
