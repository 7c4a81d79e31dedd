// Weights that a network computes from parameters alone (weight norm, spectral norm, standardised or masked weights, merged
// adapters) as plain parameters.
//
//   %w = aten._weight_norm(v, g)     %y = aten.conv1d(%x, %w)            %y = aten.conv1d(%x, w)
//
// Passes cut, round and train a layer's stored weight; behind an expression they see none.
#pragma once

#include <string>
#include <vector>

#include "dscompress/model.h"

namespace dsc {

struct PlainWeight {
  std::string name;                  // of the new parameter: "conv.weight"
  std::vector<std::string> sources;  // that it was computed from: "conv.weight_g", "conv.weight_v"
};

// Folds every weight and bias of a layer that parameters, buffers and constants alone decide. Left as they are: plain moves of
// one stored tensor, filters of buffers alone, quantised weights, random ones, and what the network writes into. Sources that
// nothing else reads are dropped, with the updates that only they saw (spectral norm's power iteration).
std::vector<PlainWeight> make_weights_plain(Model& model);

}  // namespace dsc
