// What the parts of `bench` share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/session.h"
#include "dscompress/model.h"

namespace dsc {

struct BenchOptions {
  std::vector<std::string> models, inputs;
  std::int64_t open_size = 0;
  std::vector<std::string> engines = {"openvino"}, precisions = {"f32"};
  std::vector<std::int64_t> batches = {1};
  std::string target = "CPU", performance = "latency";
  std::int64_t iterations = 50;
  std::optional<std::int64_t> warmup;  // none given: what suits runs, or steps of training
  std::optional<double> min_seconds, max_seconds;
  bool layers = false, require_device = false;
  std::int64_t generate = 0;  // tokens; 0: runs are timed
  struct Train {
    bool enabled = false, bf16 = false, channels_last = false;
    std::int64_t steps = 10;
  } train;
};

// The given inputs are for the TorchScript models among them.
Model open_timed(const std::string& path, const BenchOptions& options);

// With so many digits behind the point.
std::string fixed(double value, int decimals);

// With --train: training steps of each model at each batch size.
int bench_training_steps(const Session& session, const BenchOptions& options);

}  // namespace dsc
