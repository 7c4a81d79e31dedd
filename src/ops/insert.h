// Inserting operators into a graph.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dscompress/graph.h"

namespace dsc {

// The node behind it in order; null: it is the last.
Node* node_after(const Graph& graph, const Node* node);

// Inserts operators before `at`, as if they came from the same line of the model. Types are rough until refresh_types.
class Inserter {
 public:
  Inserter(Graph& graph, Node* at) : graph_(graph), at_(at) {}
  Value* tensor(std::string target, std::vector<NamedArgument> arguments, ScalarType dtype = ScalarType::f32);
  Value* size(Value* of, std::int64_t dim);  // a sym_int

 private:
  Graph& graph_;
  Node* at_;
};

}  // namespace dsc
