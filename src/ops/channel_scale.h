// Equivalent rescaling of channels: a factor for each channel of a value moves from the weights that make it to the
// weights that read it, and the model's function stays as it is.
//
//   y = W2 relu(W1 x + b1)   =   (W2 diag(f)) relu(diag(1/f) (W1 x + b1))        f > 0
//
// What cross-layer equalisation, SmoothQuant and AWQ have in common; they differ in the factors.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "dscompress/model.h"

namespace dsc {

// A weight whose indices along `axis` are channels of the value.
struct ScaledWeight {
  std::string name;  // in Weights
  std::int64_t axis = 0;
  std::int64_t begin = 0;  // of the channels among the indices
};
struct ScalePath {
  Value* value = nullptr;              // read by layers alone, or of a shared norm
  std::int64_t channels = 0;
  std::int64_t experts = 0;            // of a mixture, each of which has factors of its own; 0: one factor for each channel
  std::vector<ScaledWeight> makers;    // weights and biases; none of a shared norm: a product of its own divides its result
  std::vector<ScaledWeight> readers;   // weights
  std::vector<Node*> layers;           // the readers' nodes
  bool is_made_by_layer = false;       // a convolution or linear layer, not a norm
};

// Rows that only move between value and layer, as to the experts that they are routed to, are still the value's.
// Every value that only layers with stored weights read, and that a layer or a norm with affine weights makes, directly or
// through operators that commute with positive factors (relu, pools, products with other values). A weight with other
// users is on no path. A path's makers may be another path's readers; moves along several paths commute.
std::vector<ScalePath> find_scale_paths(const Graph& graph);

// Results of norms over their last dimension that linear layers read, and others too, as residual adds do.
std::vector<ScalePath> find_shared_norms(const Graph& graph);

// Inside of each expert: the factor of a gated product that its first layer makes directly, read by its second layer.
std::vector<ScalePath> find_expert_paths(const Graph& graph);

// factors: positive, f64 [channels], or [experts, channels]; makers, or what readers read, are divided by them, readers multiplied.
void move_scale(Model& model, const ScalePath& path, const at::Tensor& factors);

}  // namespace dsc
