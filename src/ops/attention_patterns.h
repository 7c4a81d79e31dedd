// Attention in a graph, whole or spelled out.
#pragma once

#include <vector>

#include "dscompress/graph.h"

namespace dsc {

// Self-attention: as many keys as queries.
struct Attention {
  Node* node = nullptr;  // scaled_dot_product_attention, or the softmax of matmul - softmax - matmul
  bool is_whole = false;
  // Of the scores: [.., queries, keys].
  Value* query = nullptr;  // of a whole one [.., queries, E]
  Value* key = nullptr;    // of a whole one [.., keys, E]
  Value* scores = nullptr; // of a spelled-out one: what the softmax takes
  Value* value = nullptr;  // [.., keys, E]: what the shares weigh
};

// In execution order. Left out: attention between different lengths, softmaxes that are no attention.
std::vector<Attention> find_attention(const Graph& graph);

}  // namespace dsc
