// Inserting operators whose sizes are said: a run on small inputs cannot tell a quotient that is rounded up from a constant.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "dscompress/graph.h"
#include "ops/insert.h"

namespace dsc::restructure {

using Sizes = std::vector<Dim>;

const Dim& dim_of(const Value* value, std::int64_t dim);  // -1: the last
bool is_one(const Dim& dim);
Dim times(const Dim& dim, std::int64_t factor);
Dim times(const Dim& a, const Dim& b);
// How many blocks hold so many: rounded up.
Dim blocks_of(const Dim& length, std::int64_t block);

class SizedInserter {
 public:
  SizedInserter(Graph& graph, Node* at) : graph_(graph), at_(at), plain_(graph, at) {}

  Value* make(const char* target, std::vector<NamedArgument> arguments, ScalarType dtype, Sizes sizes);
  // op(value, other), of the value's sizes.
  Value* with_number(const char* op, Value* value, Argument other, ScalarType dtype);
  Value* with_tensor(const char* op, Value* value, Value* other, ScalarType dtype, Sizes sizes);
  Value* unsqueeze(Value* value, std::int64_t dim);
  Value* reshape(Value* value, IntList shape, Sizes sizes);
  Value* expand(Value* value, IntList shape, Sizes sizes);
  Value* look_up(Value* value, std::int64_t dim, Value* positions);  // index_select
  Value* slice(Value* value, std::int64_t dim, std::int64_t start, const Argument& end, const Dim& size);
  Value* concatenate(Value* a, Value* b, std::int64_t dim, const Dim& size);
  IntOrValue size_of(Value* value, std::int64_t dim);
  Value* minus_one(Value* symbol);
  Inserter& plain() { return plain_; }  // of rough types

 private:
  Graph& graph_;
  Node* at_;
  Inserter plain_;
};

}  // namespace dsc::restructure
