#include "ops/open_attention.h"

#include <cmath>

#include "ops/arguments.h"

namespace dsc {
Argument as_argument(const IntOrValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
  return std::get<Value*>(value);
}

Length length_of(Inserter& insert, Value* tensor) {
  const std::int64_t dim = tensor->tensor().rank() - 2;
  const Dim& known = tensor->tensor().sizes[static_cast<std::size_t>(dim)];
  return {known, known.is_fixed() ? IntOrValue(known.size) : IntOrValue(insert.size(tensor, dim))};
}

Value* with_all_heads(Inserter& insert, const Node& attention, Value* keys_or_values) {
  if (!bool_or(attention, "enable_gqa", false)) return keys_or_values;
  const auto heads = [](const Value* of) { return of->tensor().sizes[static_cast<std::size_t>(of->tensor().rank() - 3)].size; };
  const std::int64_t times = heads(attention.find_value("query")) / heads(keys_or_values);
  if (times == 1) return keys_or_values;
  return insert.tensor("aten.repeat_interleave.self_int", {{"self", keys_or_values}, {"repeats", times}, {"dim", std::int64_t{-3}}}, keys_or_values->tensor().dtype);
}

Value* distances(Inserter& insert, const Length& length) {
  Value* positions = insert.tensor("aten.arange.default", {{"end", as_argument(length.value)}}, ScalarType::i64);
  Value* rows = insert.tensor("aten.unsqueeze.default", {{"self", positions}, {"dim", std::int64_t{1}}}, ScalarType::i64);
  Value* columns = insert.tensor("aten.unsqueeze.default", {{"self", positions}, {"dim", std::int64_t{0}}}, ScalarType::i64);
  return insert.tensor("aten.sub.Tensor", {{"self", rows}, {"other", columns}}, ScalarType::i64);
}

Value* compare(Inserter& insert, const char* op, Value* value, std::int64_t with) {
  return insert.tensor(op, {{"self", value}, {"other", with}}, ScalarType::boolean);
}

Value* fill(Inserter& insert, Value* value, Value* where, double with, ScalarType dtype) {
  return insert.tensor("aten.masked_fill.Scalar", {{"self", value}, {"mask", where}, {"value", with}}, dtype);
}

Value* add_mask(Inserter& insert, const Node& attention, Value* distance, ScalarType dtype, Value* onto) {
  if (bool_or(attention, "is_causal", false)) onto = fill(insert, onto, compare(insert, "aten.lt.Scalar", distance, 0), kNoScore, dtype);
  Value* mask = attention.find_value("attn_mask");
  if (!mask) return onto;
  if (mask->tensor().dtype != ScalarType::boolean) return insert.tensor("aten.add.Tensor", {{"self", mask}, {"other", onto}}, dtype);
  Value* hidden = insert.tensor("aten.logical_not.default", {{"self", mask}}, ScalarType::boolean);
  return fill(insert, onto, hidden, kNoScore, dtype);
}

OpenedAttention open_attention(Graph& graph, Node* attention) {
  const Node& node = *attention;
  Inserter insert(graph, attention);
  Value* query = node.find_value("query");
  const ScalarType dtype = query->tensor().dtype;
  Value* key = with_all_heads(insert, node, node.find_value("key"));
  const double scale = number_of(node, "scale").value_or(1 / std::sqrt(static_cast<double>(query->tensor().sizes.back().size)));
  Value* turned = insert.tensor("aten.transpose.int", {{"self", key}, {"dim0", std::int64_t{-2}}, {"dim1", std::int64_t{-1}}}, dtype);
  Value* scaled = insert.tensor("aten.mul.Scalar", {{"self", query}, {"other", scale}}, dtype);
  Value* scores = insert.tensor("aten.matmul.default", {{"self", scaled}, {"other", turned}}, dtype);
  Value* distance = bool_or(node, "is_causal", false) ? distances(insert, length_of(insert, query)) : nullptr;
  scores = add_mask(insert, node, distance, dtype, scores);
  Value* shares = insert.tensor("aten.softmax.int", {{"self", scores}, {"dim", std::int64_t{-1}}}, dtype);
  Node* softmax = shares->producer();
  if (const double p = number_of(node, "dropout_p").value_or(0); p > 0) {
    shares = insert.tensor("aten.dropout.default", {{"input", shares}, {"p", p}, {"train", false}}, dtype);
  }
  Value* values = with_all_heads(insert, node, node.find_value("value"));
  Value* result = insert.tensor("aten.matmul.default", {{"self", shares}, {"other", values}}, dtype);
  graph.replace_uses(node.output(), result);
  graph.erase(attention);
  return {scores, softmax};
}

}  // namespace dsc
