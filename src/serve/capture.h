// A sample of what a model was asked for, in files that `traffic:` of dscompress nightly reads.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "core/random.h"

namespace dsc {

struct CaptureOptions {
  std::string folder;            // empty: nothing is captured
  std::int64_t examples = 1000;  // of a file
  double period_seconds = 3600;  // that a file covers
  std::uint64_t seed = 0;
};

// Each period's examples, or so many of them, each with the same chance: a reservoir. A period without requests has no file.
// source: algorithm R, Vitter 1985, doi:10.1145/3147.3165.
class Capture {
 public:
  explicit Capture(const CaptureOptions& options);

  // One request's inputs, a tensor [rows, ...] for each name. Rows of other sizes than those captured before are left out.
  void offer(const std::string& id, const std::vector<std::string>& names, const std::vector<at::Tensor>& inputs);
  // Writes the period's file when it is over, or now. FOLDER/TIME.safetensors: a column for each input; metadata `ids` has the
  // requests' ids as a JSON list, by which labels find their examples later. errors: io.
  void write_if_over();
  void write();

  std::int64_t captured() const;  // examples in files so far

 private:
  struct Example {
    std::string id;
    std::vector<at::Tensor> inputs;
  };
  bool fits(const std::vector<std::string>& names, const std::vector<at::Tensor>& inputs);
  std::string next_file() const;

  const CaptureOptions options_;
  mutable std::mutex mutex_;
  Random random_;
  std::vector<std::string> names_;
  std::vector<at::Tensor> like_;  // the first example of all: columns of several files have the same sizes
  std::vector<Example> kept_;
  std::int64_t seen_ = 0;  // in this period
  std::int64_t captured_ = 0;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace dsc
