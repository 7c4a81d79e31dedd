// A few threads that take jobs from one list.
#pragma once

#include <cstdint>
#include <functional>

namespace dsc::checkpoint {

// Calls work(thread, job) for jobs 0..jobs-1, each once, on `threads` threads; `progress` now and then on the calling one. Stops early when a
// call throws, or on Ctrl-C. errors: the first that was thrown; cancelled.
void run_jobs(std::int64_t threads, std::size_t jobs, const std::function<void(std::size_t thread, std::size_t job)>& work,
              const std::function<void()>& progress);

}  // namespace dsc::checkpoint
