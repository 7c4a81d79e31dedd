// What in a language model's graph is made of tokens, and what follows from the number of positions alone.
#pragma once

#include <string_view>
#include <unordered_set>

#include "deploy/sequence_symbol.h"
#include "dscompress/graph.h"

namespace dsc {

class TokenFlow {
 public:
  // mask: the input of attention masks, whose values are known of all positions; may be null.
  TokenFlow(const Graph& graph, const SequenceSymbol& length, const Value* mask);

  // Computed from what tokens are, of which a later call sees the new ones only.
  bool is_of_tokens(const Value* value) const { return of_tokens_.contains(value); }
  // Changes with the number of positions or with the mask.
  bool varies(const Value* value) const { return varying_.contains(value); }

 private:
  void follow(const Node& node);
  void mark_written(const Node& node);

  const SequenceSymbol& length_;
  std::unordered_set<const Value*> of_tokens_, varying_;
};

bool is_one_attention(const Node& node);  // one operator, not spelled out

// Whether an argument is read for its type or device alone: new_ones(self), type_as(other).
bool reads_type_alone(const Node& node, std::string_view argument);

// Refuses what computes one position's values from another's, attention apart: a later call has only its own positions.
// errors: unsupported, naming the node.
void require_position_wise(const Node& node, const TokenFlow& flow, const SequenceSymbol& length);

inline constexpr const char* kExportWhole = "export with attn_implementation=\"sdpa\", which makes attention one operator";
// Rows of blocks are what windowed attention has.
inline constexpr const char* kMaskWindows = "attention windows need a mask here: sparsify_attention: {window: .., form: mask}";
[[noreturn]] void refuse_decoder(const Node& node, const std::string& reason, const std::string& remedy = {});

}  // namespace dsc
