#include "ops/close_attention.h"

#include <algorithm>
#include <utility>

#include "ops/arguments.h"
#include "ops/dropout.h"
#include "ops/insert.h"

namespace dsc {
namespace {

constexpr double kHides = -1e4;  // what is filled into scores that get no weight is below

bool is_product(const Node& node) { return plain_op(node) == "aten.matmul" || plain_op(node) == "aten.bmm"; }

Value* second_operand(const Node& product) {
  Value* other = product.find_value("other");
  return other ? other : product.find_value("mat2");
}

// One step from the softmax up to the product; false: not understood.
bool read_step(const Node& node, SpelledAttention& spelled, Value*& self) {
  const auto op = plain_op(node);
  self = node.find_value("self");
  if (!self || !self->is_tensor()) return false;
  const std::optional<double> number = number_of(node, "other");
  if (number && op == "aten.mul") return spelled.scale *= *number, true;
  if (number && op == "aten.div" && !is_given(node, "rounding_mode")) return spelled.scale /= *number, true;
  if (spelled.mask || spelled.scale != 1) return false;
  if (op == "aten.add" && number_of(node, "alpha").value_or(1) == 1) spelled.mask = node.find_value("other");
  else if (op == "aten.masked_fill" && number_of(node, "value").value_or(0) < kHides) {
    spelled.mask = node.find_value("mask");
    spelled.mask_hides = true;
  }
  const std::int64_t rank = spelled.mask && spelled.mask->is_tensor() ? spelled.mask->tensor().rank() : 0;
  return rank >= 2 && rank <= self->tensor().rank();
}

Node* only_user(const Value* value) { return value->uses().size() == 1 ? value->uses()[0].node : nullptr; }

// From the softmax down to the product with the values.
bool read_shares(const Node& softmax, SpelledAttention& spelled) {
  const Value* shares = softmax.output();
  Node* next = only_user(shares);
  if (next && is_dropout(*next)) {
    spelled.dropout = number_of(*next, "p").value_or(0);
    shares = next->output();
    next = only_user(shares);
  }
  if (!next || !is_product(*next) || next->find_value("self") != shares) return false;
  spelled.product = next;
  return true;
}

// Keys as they were before they were turned for the product.
Value* keys_of(Graph& graph, Inserter& insert, Value* turned) {
  const Node* node = turned->producer();
  const std::int64_t rank = turned->tensor().rank();
  if (node && node->is("aten.transpose.int")) {
    const std::int64_t a = dim_or(*node, "dim0", 0, rank), b = dim_or(*node, "dim1", 0, rank);
    if (a + b == 2 * rank - 3 && a != b && std::min(a, b) == rank - 2) return node->find_value("self");
  }
  Value* keys = insert.tensor("aten.transpose.int", {{"self", turned}, {"dim0", std::int64_t{-2}}, {"dim1", std::int64_t{-1}}}, turned->tensor().dtype);
  TensorType type{.dtype = turned->tensor().dtype, .sizes = turned->tensor().sizes};
  std::swap(type.sizes[type.sizes.size() - 1], type.sizes[type.sizes.size() - 2]);
  graph.set_type(keys, std::move(type));
  return keys;
}

// Of a mask that hides where it is true: shown where it is.
Value* turned_round(Graph& graph, Inserter& insert, Value* mask) {
  Value* shown = insert.tensor("aten.logical_not.default", {{"self", mask}}, ScalarType::boolean);
  graph.set_type(shown, TensorType{.dtype = ScalarType::boolean, .sizes = mask->tensor().sizes});
  return shown;
}

}  // namespace

std::optional<SpelledAttention> read_attention(const Attention& attention, std::string& why) {
  SpelledAttention spelled;
  Value* value = attention.scores;
  while (true) {
    Node* node = value->producer();
    if (!node || value->uses().size() != 1) return why = "its scores are used elsewhere", std::nullopt;
    if (is_product(*node)) {
      spelled.scores = node;
      break;
    }
    if (!read_step(*node, spelled, value)) return why = "`" + std::string(node->op()) + "` lies between its scores and its softmax", std::nullopt;
  }
  if (!read_shares(*attention.node, spelled)) return why = "its shares go elsewhere than into one product", std::nullopt;
  return spelled;
}

Node* close_attention(Graph& graph, const SpelledAttention& spelled) {
  Node* product = spelled.product;
  Inserter insert(graph, product);
  Value* query = spelled.scores->find_value("self");
  std::vector<NamedArgument> arguments = {{"query", query}, {"key", keys_of(graph, insert, second_operand(*spelled.scores))}, {"value", second_operand(*product)}};
  if (spelled.mask) arguments.push_back({"attn_mask", spelled.mask_hides ? turned_round(graph, insert, spelled.mask) : spelled.mask});
  if (spelled.dropout > 0) arguments.push_back({"dropout_p", spelled.dropout});
  arguments.push_back({"scale", spelled.scale, true});
  Value* whole = insert.tensor("aten.scaled_dot_product_attention.default", std::move(arguments), query->tensor().dtype);
  graph.set_type(whole, product->output()->type());
  graph.replace_uses(product->output(), whole);
  std::vector<Node*> chain = {product};
  while (chain.back() != spelled.scores) chain.push_back(self_of(*chain.back())->producer());
  for (Node* node : chain) graph.erase(node);
  return whole->producer();
}

}  // namespace dsc
