// Attention that a model spells out, as scaled_dot_product_attention: what open_attention undoes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ops/attention_patterns.h"

namespace dsc {

struct SpelledAttention {
  Node* scores = nullptr;   // matmul(query, turned keys)
  double scale = 1;         // that they are multiplied by
  Value* mask = nullptr;    // added after that, or of booleans; null: none
  bool mask_hides = false;  // where it is true, as masked_fill's does
  double dropout = 0;       // of the shares
  Node* product = nullptr;  // matmul(shares, values)
};

// None, and why: what lies between the two products is more than a scale, one added mask, softmax and dropout.
std::optional<SpelledAttention> read_attention(const Attention& attention, std::string& why);

// Puts one scaled_dot_product_attention in its place. Types are rough until refresh_types.
Node* close_attention(Graph& graph, const SpelledAttention& spelled);

}  // namespace dsc
