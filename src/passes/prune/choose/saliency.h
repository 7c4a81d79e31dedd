// Importances from gradients of the loss on training data.
//
// taylor: the loss a unit's removal causes to first order, |sum of gradient * weight| over all batches (Molchanov
// et al. 2019, arXiv:1906.10771). hessian: second order with the Fisher diagonal, sum of (gradient * weight)^2.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "passes/prune/choose/importance.h"

namespace dsc::prune {

// By weight: for each batch gradient * weight, summed (taylor) and squared and summed (hessian).
struct Saliencies {
  std::map<std::string, at::Tensor> first_order;
  std::map<std::string, at::Tensor> second_order;
};

// errors: data, without a train split; numeric, when the loss is not finite.
Saliencies measure_saliencies(const Model& model, const ImportanceOptions& options, PassContext& context, std::uint64_t seed);

// A score for each index of a dimension of a weight; zeros for weights without gradient.
std::vector<double> saliency_by_index(const std::map<std::string, at::Tensor>& terms, const std::string& weight, std::int64_t dim, std::int64_t size);

}  // namespace dsc::prune
