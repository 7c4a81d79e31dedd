// The scores of several teachers as one.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "train/distill/options.h"

namespace dsc {

// Shares of as many teachers as there are weights, summing to one: in proportion to them under `weighted`, else equal.
std::vector<double> fixed_shares(Fusion fusion, const std::vector<double>& weights);

// Shares of the teachers, each broadcasting to scores [..., classes], summing to one. mean and weighted: fixed_shares;
// confidence: in proportion to exp(-entropy) of each teacher's probabilities, position by position.
std::vector<at::Tensor> fusion_shares(const std::vector<at::Tensor>& scores, Fusion fusion, const std::vector<double>& weights);

// Scores whose softmax at this temperature is the mean of the teachers' (by shares).
at::Tensor fuse_scores(const std::vector<at::Tensor>& scores, const std::vector<at::Tensor>& shares, double temperature);
// The mean itself, for outputs that are no scores.
at::Tensor fuse_outputs(const std::vector<at::Tensor>& outputs, const std::vector<at::Tensor>& shares);

}  // namespace dsc
