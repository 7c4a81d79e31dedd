// When an example leaves a network with early exits.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "ops/exits.h"

namespace dsc {

// Decides for a batch, exit by exit.
class ExitDecision {
 public:
  explicit ExitDecision(const ExitRule& rule) : rule_(rule) {}
  // scores: [rows, classes] of the next exit, of the rows that have stayed so far. returns: which of them leave here, [rows] bool.
  at::Tensor leaving(const at::Tensor& scores);
  // Only these rows go on.
  void keep(const at::Tensor& rows);

 private:
  ExitRule rule_;
  at::Tensor choice_, streak_;  // of patience
};

// How sure scores are by this criterion, [rows] f32: what is compared with the threshold. precondition: not patience
at::Tensor sureness(ExitCriterion criterion, const at::Tensor& scores);

// The exit that each row of a data set leaves at, [rows] i64, from the scores of all exits, the network's own last.
at::Tensor exits_taken(const ExitRule& rule, const std::vector<at::Tensor>& scores);

}  // namespace dsc
