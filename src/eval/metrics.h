// Accuracy metrics over a data set, computed by any engine.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "dscompress/pass.h"
#include "exec/engine.h"

namespace dsc {

// Names that `evaluate.metrics` accepts: top1, top5, loss, mse, agreement (share of equal argmax with the base model).
const std::vector<std::string>& metric_names();

struct EvaluateOptions {
  std::vector<std::string> metrics = {"top1"};
  std::int64_t batch = 250;
  std::int64_t limit = 0;
  std::function<void(std::int64_t done, std::int64_t total)> progress;  // may throw cancelled
  Engine* reference = nullptr;  // for `agreement`
};

// errors: data for labels that the model's output has no class for, with the example's index; numeric for outputs that
// are not finite.
Metrics evaluate(Engine& engine, const Dataset& dataset, const EvaluateOptions& options);

}  // namespace dsc
