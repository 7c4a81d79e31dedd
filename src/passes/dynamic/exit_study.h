// What thresholds of early exits come to: measured once, then computed for any threshold.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "core/metric_facts.h"
#include "dscompress/pass.h"
#include "ops/exits.h"

namespace dsc::dynamic {

// All exits' scores of a split's examples, the network's own last.
struct ExitScores {
  std::vector<at::Tensor> scores;              // [examples, classes] f32
  at::Tensor labels;                           // [examples] i64
  double top1(const at::Tensor& taken) const;  // taken: the exit that each example leaves at
};
// limit: at most so many examples; 0: all. errors: data, for examples that have not one class each.
ExitScores score_exits(const Model& model, Split split, std::int64_t limit, PassContext& context);

// What an example costs that leaves at an exit, the way there included, and the network's end last.
struct ExitCosts {
  double whole = 1;           // of the network without exits
  std::vector<double> until;  // of each exit
  double mean(const at::Tensor& taken) const;
};
ExitCosts macs_of(const Model& model, const Model& before);
ExitCosts latencies_of(const Model& model, const Model& before, PassContext& context);

// Thresholds that tell examples apart, from the loosest to the closed one.
std::vector<double> candidate_thresholds(ExitCriterion criterion, const ExitScores& found);

// The threshold of the least mean cost whose loss against `reference` is allowed; the closed one, where none is.
double choose_threshold(ExitCriterion criterion, const ExitScores& found, const ExitCosts& costs, const Drop& drop, double reference);

// A line for each of some thresholds, `chosen` among them: accuracy, mean cost, and where examples leave. latencies: null: not measured.
Table thresholds_table(const ExitRule& chosen, const Exits& exits, const ExitScores& found, const ExitCosts& macs, const ExitCosts* latencies,
                       double reference);
// A line for each exit: what leaves there is as hard as the network's own accuracy on it says.
Table difficulty_table(const Exits& exits, const ExitScores& found, const ExitCosts& macs, const ExitCosts* latencies);

}  // namespace dsc::dynamic
