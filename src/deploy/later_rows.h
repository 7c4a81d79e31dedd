// Masks and positions of a graph over whole sequences, as a later call needs them.
//
// What does not depend on tokens is computed for all positions again, earlier ones included: the same operators at another
// length, which is right whatever they are. Of a mask [.., queries, keys] the later call needs the rows of its own queries,
// of rotary angles the rows of its own positions. Taking rows is pushed down to the ranges that they start from, where
// operators allow, so that a call of one token computes one row, and stays a slice elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "deploy/token_flow.h"

namespace dsc {

inline constexpr std::int64_t kToTheEnd = std::numeric_limits<std::int64_t>::max();  // of a slice

// A graph on its way, with what it had at first.
struct DecoderGraph {
  Graph& graph;
  const SequenceSymbol& length;
  const TokenFlow& flow;
  std::vector<Node*> nodes;  // its own, without what is made on the way
  Value* ids = nullptr;      // [batch, new]
  Value* mask = nullptr;     // [batch, total], not 0 where there is a token
  bool knew_mask = false;    // the graph computes with the mask itself
  // sym_ints before its first node: tokens of this call, earlier ones included, earlier ones.
  Value* fresh = nullptr;
  Value* total = nullptr;
  Value* earlier = nullptr;
};

class LaterRows {
 public:
  explicit LaterRows(const DecoderGraph& decoder);

  enum class Of : std::uint8_t {
    places,    // the n-th row of the cache, as masks compare
    positions  // what the input position_ids says, made when first asked for: as tokens are told where they are
  };
  // The value over all positions. errors: unsupported where it depends on tokens.
  Value* whole(Value* value);
  // Of that the rows of this call's tokens along `axis`.
  Value* rows(Value* value, std::int64_t axis, Of of);
  // A copy of the value's node, before `before`, with other arguments.
  using Substitute = std::function<Value*(Value*)>;
  Node* copy(const Node& node, Node* before, const Substitute& substitute, const std::vector<TensorType>& types);

  const Dim& total() const { return total_; }
  TensorType at_total(const TensorType& type) const { return length_.with(type, total_); }

 private:
  Value* whole_of(Value* value);
  Value* whole_size(Value* value);
  Value* pushed(Value* value, std::int64_t axis, Of of);
  Value* sliced(Value* value, std::int64_t axis);
  Value* copy_rows(Value* value, std::int64_t axis, const Substitute& substitute);
  Value* rows_elementwise(Value* value, std::int64_t axis, Of of);
  Value* rows_of_index(Value* value, std::int64_t axis, Of of);
  Value* rows_of_matmul(Value* value, std::int64_t axis, Of of);
  Value* rows_of_expand(Value* value, std::int64_t axis, Of of);
  Value* aligned_rows(Value* value, std::int64_t rank, std::int64_t axis, Of of);
  Value* given_positions(Value* value, std::int64_t offset);
  std::optional<std::int64_t> position_offset(const Value* value) const;
  Node* place_of_copies(const Value* value) const;

  const DecoderGraph& decoder_;
  Graph& graph_;
  const TokenFlow& flow_;
  const SequenceSymbol& length_;
  Dim total_;
  Value* positions_ = nullptr;
  std::unordered_map<const Value*, Value*> wholes_;
  std::map<std::tuple<const Value*, std::int64_t, Of>, Value*> rows_;
};

}  // namespace dsc
