#include "passes/restructure/sized_inserter.h"

#include "ir/dim_expression.h"
#include "ops/arguments.h"

namespace dsc::restructure {

const Dim& dim_of(const Value* value, std::int64_t dim) { return value->tensor().sizes.at(static_cast<std::size_t>(normal_dim(dim, value->tensor().rank()))); }

bool is_one(const Dim& dim) { return dim.is_fixed() && dim.size == 1; }

Dim times(const Dim& dim, std::int64_t factor) {
  if (dim.is_fixed()) return {dim.size * factor, {}};
  return {dim.size < 0 ? -1 : dim.size * factor, make_dim(factor, {dim.expression}, 0)};
}

Dim times(const Dim& a, const Dim& b) {
  if (a.is_fixed()) return times(b, a.size);
  if (b.is_fixed()) return times(a, b.size);
  return {a.size < 0 || b.size < 0 ? -1 : a.size * b.size, make_dim(1, {a.expression, b.expression}, 0)};
}

Dim blocks_of(const Dim& length, std::int64_t block) {
  const std::int64_t count = length.size < 0 ? -1 : (length.size + block - 1) / block;
  return length.is_fixed() ? Dim{count, {}} : Dim{count, make_floor_dim(1, length.expression, block - 1, block)};
}

Value* SizedInserter::make(const char* target, std::vector<NamedArgument> arguments, ScalarType dtype, Sizes sizes) {
  Value* value = plain_.tensor(target, std::move(arguments), dtype);
  graph_.set_type(value, TensorType{.dtype = dtype, .sizes = std::move(sizes)});
  return value;
}

Value* SizedInserter::with_number(const char* op, Value* value, Argument other, ScalarType dtype) {
  return make(op, {{"self", value}, {"other", std::move(other)}}, dtype, value->tensor().sizes);
}

Value* SizedInserter::with_tensor(const char* op, Value* value, Value* other, ScalarType dtype, Sizes sizes) {
  return make(op, {{"self", value}, {"other", other}}, dtype, std::move(sizes));
}

Value* SizedInserter::unsqueeze(Value* value, std::int64_t dim) {
  Sizes sizes = value->tensor().sizes;
  sizes.insert(sizes.begin() + dim, Dim{1, {}});
  return make("aten.unsqueeze.default", {{"self", value}, {"dim", dim}}, value->tensor().dtype, std::move(sizes));
}

Value* SizedInserter::reshape(Value* value, IntList shape, Sizes sizes) {
  return make("aten.reshape.default", {{"self", value}, {"shape", std::move(shape)}}, value->tensor().dtype, std::move(sizes));
}

Value* SizedInserter::expand(Value* value, IntList shape, Sizes sizes) {
  return make("aten.expand.default", {{"self", value}, {"size", std::move(shape)}}, value->tensor().dtype, std::move(sizes));
}

Value* SizedInserter::look_up(Value* value, std::int64_t dim, Value* positions) {
  Sizes sizes = value->tensor().sizes;
  sizes.at(static_cast<std::size_t>(dim)) = dim_of(positions, 0);
  return make("aten.index_select.default", {{"self", value}, {"dim", dim}, {"index", positions}}, value->tensor().dtype, std::move(sizes));
}

Value* SizedInserter::slice(Value* value, std::int64_t dim, std::int64_t start, const Argument& end, const Dim& size) {
  Sizes sizes = value->tensor().sizes;
  sizes.at(static_cast<std::size_t>(dim)) = size;
  return make("aten.slice.Tensor", {{"self", value}, {"dim", dim}, {"start", start}, {"end", end}}, value->tensor().dtype, std::move(sizes));
}

Value* SizedInserter::concatenate(Value* a, Value* b, std::int64_t dim, const Dim& size) {
  Sizes sizes = b->tensor().sizes;
  sizes.at(static_cast<std::size_t>(dim)) = size;
  return make("aten.cat.default", {{"tensors", ValueList{a, b}}, {"dim", dim}}, b->tensor().dtype, std::move(sizes));
}

IntOrValue SizedInserter::size_of(Value* value, std::int64_t dim) {
  const Dim& known = dim_of(value, dim);
  return known.is_fixed() ? IntOrValue(known.size) : IntOrValue(plain_.size(value, dim));
}

Value* SizedInserter::minus_one(Value* symbol) {
  const Dim& of = std::get<SymbolType>(symbol->type()).expression;
  const SymbolType less{.expression = {of.size - 1, make_dim(1, {of.expression}, -1)}};
  Node* node = graph_.insert(at_, "_operator.sub", {{"", symbol}, {"", std::int64_t{1}}}, {{"sub", less}});
  graph_.copy_origin(node, at_);
  return node->output();
}

}  // namespace dsc::restructure
