// Accuracy metrics over a data set, computed by any engine.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "dscompress/pass.h"
#include "eval/outcomes.h"
#include "exec/engine.h"
#include "exec/windowed_engine.h"
#include "parallel/ranks.h"

namespace dsc {

// Names that `evaluate.metrics` accepts; what each means is in core/metric_facts.cpp.
const std::vector<std::string>& metric_names();

// Whether any of these needs the base model.
bool compares_with_base(const std::vector<std::string>& metrics);

// What the models see in the place of a batch's inputs.
using Disturb = std::function<std::vector<at::Tensor>(const Batch& batch)>;

struct EvaluateOptions {
  std::vector<std::string> metrics = {"top1"};
  std::int64_t batch = 250;
  std::int64_t limit = 0;
  std::function<void(std::int64_t done, std::int64_t total)> progress;  // may throw cancelled
  Engine* reference = nullptr;  // the base model, for `agreement` and `kl`
  std::optional<WindowOptions> windows;  // in which both see long inputs, but for generation; none: they see them whole
  Disturb disturb;              // empty: they see the inputs
  Ranks* ranks = nullptr;       // who run a batch each in turn, and all know all outputs; null: this process runs all
};

// Examples that a model sees at once: of different lengths one, where others' windows would be padding alone.
std::int64_t examples_at_once(const Dataset& dataset, std::int64_t batch, const std::optional<WindowOptions>& windows);

// errors: data for labels that the model's output has no class for, with the example's index; numeric for outputs that
// are not finite.
Metrics evaluate(Engine& engine, const Dataset& dataset, const EvaluateOptions& options);

struct Evaluation {
  Metrics metrics;
  std::map<std::string, Outcomes> outcomes;  // of the metrics that say something of single examples
  std::vector<std::int64_t> examples;        // what tells them apart (ExampleIds)
};
// The same, keeping what became of each example.
Evaluation evaluate_examples(Engine& engine, const Dataset& dataset, const EvaluateOptions& options);

}  // namespace dsc
