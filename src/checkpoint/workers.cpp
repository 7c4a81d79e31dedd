#include "checkpoint/workers.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/interrupt.h"

namespace dsc::checkpoint {
namespace {

struct Shared {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t running = 0;
  std::exception_ptr error;
};

void take_jobs(Shared& shared, std::size_t thread, std::size_t jobs, const std::function<void(std::size_t, std::size_t)>& work) {
  std::exception_ptr error;
  try {
    for (auto job = shared.next++; job < jobs && !shared.stop && !is_interrupted(); job = shared.next++) work(thread, job);
  } catch (...) {
    error = std::current_exception();
    shared.stop = true;
  }
  const std::lock_guard lock(shared.mutex);
  if (error && !shared.error) shared.error = error;
  --shared.running;
  shared.changed.notify_all();
}

void wait(Shared& shared, const std::function<void()>& progress) {
  std::unique_lock lock(shared.mutex);
  while (!shared.changed.wait_for(lock, std::chrono::milliseconds(200), [&] { return shared.running == 0; })) {
    lock.unlock();
    progress();
    lock.lock();
  }
}

}  // namespace

void run_jobs(std::int64_t threads, std::size_t jobs, const std::function<void(std::size_t, std::size_t)>& work, const std::function<void()>& progress) {
  Shared shared;
  std::vector<std::thread> workers;
  {
    const std::lock_guard lock(shared.mutex);
    for (std::int64_t i = 0; i < threads; ++i) {
      ++shared.running;
      workers.emplace_back([&, i] { take_jobs(shared, static_cast<std::size_t>(i), jobs, work); });
    }
  }
  std::exception_ptr error;
  try {
    wait(shared, progress);
  } catch (...) {  // of `progress`: the threads still use what this call owns
    error = std::current_exception();
    shared.stop = true;
  }
  for (auto& worker : workers) worker.join();
  if (error || shared.error) std::rethrow_exception(error ? error : shared.error);
  throw_if_interrupted();
}

}  // namespace dsc::checkpoint
