// Attention over this call's tokens and those of earlier calls.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "deploy/later_rows.h"

namespace dsc {

class AttentionPast {
 public:
  AttentionPast(const DecoderGraph& decoder, LaterRows& later);

  // Gives the attention keys, values and mask of all positions. errors: unsupported.
  void add_to(Node* attention);
  // Makes what add_to keeps outputs of the graph. returns: how many.
  std::size_t keep();

 private:
  Value* with_past(Node* attention, Value* taken, const std::string& what);
  Value* before_repetition(Value* taken) const;
  Value* extended(Node* attention, Value* kept, const std::string& what);
  Value* repeated(Node* attention, Value* taken);
  Value* later_mask(Node* attention);
  Value* causal_mask();
  Value* without_padding(Node* attention, Value* mask);
  Value* insert(Node* before, const std::string& target, std::vector<NamedArgument> arguments, ScalarType dtype, std::vector<Dim> sizes);

  const DecoderGraph& decoder_;
  Graph& graph_;
  const SequenceSymbol& length_;
  LaterRows& later_;
  Dim earlier_;
  Value* beams_;
  Value* causal_ = nullptr;
  int layer_ = 0;
  std::unordered_map<const Value*, Value*> all_, padded_;
  std::vector<std::pair<std::string, Value*>> kept_;
};

}  // namespace dsc
