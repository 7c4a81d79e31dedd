// Batch norm in training over a batch whose examples are spread over several ranks: mean and variance are those of the whole
// batch, and so are the means that its gradient subtracts. Gradients of weight and bias are those of the own examples, as of
// every other parameter; their sum over the ranks is the whole batch's.
// source: Ioffe and Szegedy 2015, arXiv:1502.03167, section 3; Chan, Golub and LeVeque 1979 for means and variances of parts.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "exec/kernels/batch_norm.h"
#include "parallel/ranks.h"

namespace dsc {

// Of the values of each channel.
struct ChannelStatistics {
  double count = 0;
  std::vector<double> mean, variance;  // biased
};
ChannelStatistics of_all_ranks(Ranks& ranks, ChannelStatistics own);

// Two sums for each channel, over the ranks, in place.
void sum_over_ranks(Ranks& ranks, std::vector<double>& first, std::vector<double>& second);

// Moves the running statistics, where there are any, towards those of a batch with so many values a channel; variance: biased.
void update_running_statistics(const BatchNorm& norm, const std::vector<double>& mean, std::vector<double> variance, double count);

// Any type and layout, out of LibTorch's kernels.
at::Tensor shared_batch_norm(const BatchNorm& norm, Ranks& ranks);

}  // namespace dsc
