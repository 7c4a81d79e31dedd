// Attention within a window, computed in blocks: work and memory grow with the length, not with its square.
//
//   before  %y = scaled_dot_product_attention(%q, %k, %v, %mask)                      q, k, v [N, heads, length, E]
//   after   %keys = %k's positions from `reach` before to `reach` behind each block   [heads, N*blocks, block + 2*reach, E]
//           %y = scaled_dot_product_attention(%q in blocks, %keys, %values, %mask's parts)
//
// Heads come first, so that one mask of [1, N*blocks, ..] serves them all, and engines see the four dimensions that they fuse.
// Positions are looked up: nothing is padded, and lengths are any; what the last block has too many repeats the last position,
// hidden. What a mask hides gets a finite score, so that rows of nothing else are numbers.
// Source: Beltagy et al. 2020, arXiv:2004.05150, section 3.2 (windows in chunks, global positions).
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "ops/attention_patterns.h"
#include "passes/restructure/block_places.h"

namespace dsc::restructure {

// Why an attention has no such form, or none that saves anything; empty: it has.
std::string obstacle_to_blocks(const Attention& attention, const Window& window);

// Rewrites the attentions of one graph, which share positions and masks.
class BlockAttention {
 public:
  BlockAttention(Graph& graph, const Window& window) : graph_(graph), window_(window) {}
  void rewrite(const Attention& attention);  // precondition: no obstacle

 private:
  class Builder;  // of one attention

  Graph& graph_;
  Window window_;
  std::map<std::pair<std::string, bool>, BlockPlaces> places_;  // by length and causality
  // [heads or 1, N*blocks, block, keys]; by the model's mask, places, batch size and type.
  std::map<std::tuple<const Value*, const BlockPlaces*, std::string, ScalarType>, Value*> masks_;
};

}  // namespace dsc::restructure
