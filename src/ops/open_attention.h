// scaled_dot_product_attention spelled out, and the masks it stands for.
#pragma once

#include <cstdint>

#include "dscompress/graph.h"
#include "ops/insert.h"

namespace dsc {

// Score of a key that gets no weight: far below any real score, and a row of nothing else is no row of NaN.
inline constexpr double kNoScore = -1e9;

// The number of positions, as an argument: a literal, or read from the tensor.
struct Length {
  Dim dim;
  IntOrValue value;
};
Argument as_argument(const IntOrValue& value);
// Of dimension -2 of a tensor [.., positions, any].
Length length_of(Inserter& insert, Value* tensor);

// Heads of keys or values of a scaled_dot_product_attention, each as often as its query heads share it.
Value* with_all_heads(Inserter& insert, const Node& attention, Value* keys_or_values);

// [positions, positions]: row - column.
Value* distances(Inserter& insert, const Length& length);
Value* compare(Inserter& insert, const char* op, Value* value, std::int64_t with);
Value* fill(Inserter& insert, Value* value, Value* where, double with, ScalarType dtype);

// Adds the mask of a scaled_dot_product_attention, causality included, onto a value that broadcasts to its scores.
// distance: from `distances`; read for a causal attention only.
Value* add_mask(Inserter& insert, const Node& attention, Value* distance, ScalarType dtype, Value* onto);

struct OpenedAttention {
  Value* scores = nullptr;         // [.., queries, keys], scaled and masked: what the softmax takes
  Node* softmax = nullptr;
};

// Puts matmul - softmax - dropout - matmul in the place of a scaled_dot_product_attention: the same function in evaluation
// and in training, within rounding. Types are rough until refresh_types. Precondition: as many keys as queries, where causal.
OpenedAttention open_attention(Graph& graph, Node* attention);

}  // namespace dsc
