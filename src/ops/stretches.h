// A network as stretches that run one after the other, so that no more than one of them need be in memory.
#pragma once

#include <cstddef>
#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "dscompress/graph.h"

namespace dsc {

struct Stretch {
  std::vector<Node*> nodes;    // in order: its own, and those of earlier ones that calculate sizes and quantise what it needs
  std::vector<Value*> takes;   // tensors from outside that it reads, inputs of the network included
  std::vector<Value*> gives;   // tensors that it makes and later ones read
};

struct Stretches {
  std::vector<Stretch> all;
  std::unordered_map<const Node*, std::size_t> places;  // which stretch a node belongs to
};

// Cut behind each block of the network (ops/blocks.h), wherever that is: any place is right, and a residual stream alone crosses there.
// One stretch: a network without blocks, one that leaves something behind for its next run, and one that writes into what crosses.
Stretches cut_at_blocks(const Graph& graph);
Stretches uncut(const Graph& graph);
// Cut behind these nodes.
Stretches cut_behind(const Graph& graph, const std::unordered_set<const Node*>& ends);
// Whether a stretch writes into what an earlier one made, which others may read: such a cut does not compute what the network does.
bool writes_across(const Graph& graph, const Stretches& cut);
using CutGraph = std::function<Stretches(const Graph& graph)>;  // one of them

// It alone, with the weights that it reads: its user inputs are `takes`, its outputs `gives`, in order, values under their names.
Graph graph_of(const Graph& graph, const Stretch& stretch);

}  // namespace dsc
