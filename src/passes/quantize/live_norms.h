// Batch norms that go on learning while the weights before them are quantised in their folded form.
//
//   before  %y = aten.conv2d(%x, w, b)                       after  %s  = dscompress.batch_norm_scale(gamma, var)
//                                                                   %ws = aten.mul(w, %s)        quantised in between
//                                                                   %wq = aten.div(%ws, %s)
//                                                                   %c  = aten.conv2d(%x, %wq)
//                                                                   %y  = dscompress.live_batch_norm(%c, gamma, b, mean, var)
//
// exec/kernels/live_batch_norm.h says why this is the deployed network while its statistics move.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "passes/quantize/choose/precisions.h"

namespace dsc::quantize {

// What folding took away from one layer.
struct FoldedNorm {
  struct Tensor {
    std::string name;
    at::Tensor value;
  };
  std::string layer;                         // its node
  at::Tensor weight;                         // of the layer, not scaled
  std::optional<at::Tensor> bias;            // of the layer
  std::optional<Tensor> gamma, beta;
  Tensor mean, variance;
  double eps = 1e-5, momentum = 0.1;
};

// Folds all batch norms that can be.
std::vector<FoldedNorm> fold_and_remember(Model& model);
// Brings them back behind layers that compute in integers or f32, once the quantisers are in place. Those of rows that were
// joined first stay folded.
void bring_back_norms(Model& model, const std::vector<FoldedNorm>& norms, const Precisions& precisions);
// Folds what was brought back, by the scales that training quantised with.
void fold_live_norms(Model& model);

}  // namespace dsc::quantize
