// A causal language model that computes whole sequences, as one that goes on from where earlier calls left off.
//
// Inputs: input_ids [batch, new], attention_mask [batch, total], position_ids [batch, new] where the graph tells tokens their
// positions by row, beam_idx [batch] (which row of the earlier calls each row goes on from), then keys and values of earlier
// calls. Outputs: logits of the new tokens, then keys and values of all. Keys and values are kept as attention takes them,
// rotated, before heads are repeated for grouped queries.
//
// This is done on the graph rather than on OpenVINO's: here attention is one operator, sizes are symbols that tell the sequence's
// dimensions from others, what is not understood has a name and a source line, and LibTorch can run the result.
#pragma once

#include <cstddef>

#include "dscompress/model.h"

namespace dsc {

struct CachedDecoder {
  Model model;             // shares its tensors with the model it was made of
  std::size_t caches = 0;  // the last inputs and outputs: keys and values, layer by layer
};

// errors: unsupported, naming the node, for whatever makes a later call depend on more than keys, values and the mask.
CachedDecoder to_cached_decoder(const Model& model);

}  // namespace dsc
