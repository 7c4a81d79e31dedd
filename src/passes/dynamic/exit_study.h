// What thresholds of early exits, or of resolutions, come to: measured once, then computed for any threshold.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
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
// limit: at most so many examples; 0: all. score: each exit's scores of a batch's inputs, the network's own last.
// errors: data, for examples that have not one class each.
using Score = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& inputs)>;
ExitScores score_exits(const Score& score, Split split, std::int64_t limit, PassContext& context);
// Of networks that each have scores of their own.
ExitScores score_networks(const std::vector<Model>& networks, Split split, std::int64_t limit, PassContext& context);
double top1_of(const Model& model, Split split, std::int64_t limit, PassContext& context);

// What an example costs that leaves at an exit, the way there included, and the network's end last.
struct ExitCosts {
  double whole = 1;           // of the network without exits
  std::vector<double> until;  // of each exit
  double mean(const at::Tensor& taken) const;
};
ExitCosts macs_of(const std::vector<Model>& stages, const Model& before);
ExitCosts latencies_of(const std::vector<Model>& stages, const Model& before, PassContext& context);

// Thresholds that tell examples apart, from the loosest to the closed one.
std::vector<double> candidate_thresholds(ExitCriterion criterion, const ExitScores& found);

// The threshold of the least mean cost whose loss against `reference` is allowed; the closed one, where none is.
double choose_threshold(ExitCriterion criterion, const ExitScores& found, const ExitCosts& costs, const Drop& drop, double reference);
// The most careful threshold whose mean cost is at most this share of the whole network's; the loosest, where none is.
double threshold_within(ExitCriterion criterion, const ExitScores& found, const ExitCosts& costs, double share);

// What a threshold is chosen by: one of the two, or neither.
struct ExitLimits {
  std::optional<Quantity> max_drop;
  std::optional<double> max_cost;  // share of the whole network's
};

// What is measured of a network on data.valid before a threshold is chosen.
struct ExitStudy {
  std::vector<std::string> names;  // of the exits, the network's end among them
  ExitScores found;
  ExitCosts macs;
  std::optional<ExitCosts> latencies;
  double before_top1 = 0;  // of the model before the step
};

// What is kept of the choice of the threshold.
struct ExitChoice {
  double threshold = 0, top1 = 0, end_top1 = 0, before_top1 = 0, macs = 1;
  std::vector<Table> tables;
  std::string missed;  // the limit that no threshold keeps, and what was done; empty: it is kept
  void fields(FieldVisitor& visit);
};
// max_drop: against the network's end or the model before the step, whichever is better. No limit: the rule's threshold stays.
ExitChoice choose_exits(ExitRule rule, const ExitLimits& limits, const ExitStudy& study);
// how: of names of figures, "with_exits".
void record(const ExitChoice& choice, const std::string& how, PassResult& result);

// A line for each of some thresholds, `chosen` among them: accuracy, mean cost, and where examples leave.
Table thresholds_table(const ExitRule& chosen, const ExitStudy& study, double reference);
// A line for each exit: what leaves there is as hard as the network's own accuracy on it says.
Table difficulty_table(const ExitRule& rule, const ExitStudy& study);

}  // namespace dsc::dynamic
