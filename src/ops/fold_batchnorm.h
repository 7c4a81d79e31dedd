// Folds batch norm, as it acts in evaluation, into the convolution or linear layer before it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dscompress/model.h"

namespace dsc {

struct FoldedPair {
  std::string layer, batch_norm;  // node names
  std::string module;             // of the layer, or its node's name
};
struct KeptBatchNorm {
  std::string node, module, reason;
};
struct FoldReport {
  std::vector<FoldedPair> folded;
  std::vector<KeptBatchNorm> kept;  // batch norms that stay, each with its reason
};

// Folds every batch norm whose input is made by a convolution or linear layer for it alone (of a linear layer's rows also
// once they are joined, [N, T, C] as [N * T, C]), and for which `select`
// (empty: all) is true. The layer keeps the name of its weight, and gets a bias where it had none. Computed in double
// precision, stored in the weight's. Tensors that nothing uses any more are dropped, the counter of batches with them.
// source: Jacob et al. 2018, arXiv:1712.05877, section 3.2.
FoldReport fold_batch_norms(Model& model, const std::function<bool(const Node& batch_norm)>& select = {});

}  // namespace dsc
