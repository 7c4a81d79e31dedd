#include "ops/attention_patterns.h"

#include <set>
#include <string_view>

#include "ops/arguments.h"

namespace dsc {
namespace {

bool is_product(const Node* node) {
  if (!node) return false;
  std::string_view op = plain_op(*node);
  return op == "aten.matmul" || op == "aten.bmm" || op == "aten.baddbmm";
}

// Whether the value is made by a matrix product, through scaling, masking and reshaping only.
bool comes_from_product(const Value* value) {
  static const std::set<std::string_view> kPassing = {"aten.mul", "aten.div", "aten.add", "aten.sub", "aten.masked_fill", "aten.where", "aten.view",
                                                      "aten.reshape", "aten._unsafe_view", "aten.to", "aten._to_copy", "aten.clamp", "aten.maximum"};
  for (int depth = 0; value && value->producer() && depth < 12; ++depth) {
    const Node* node = value->producer();
    if (is_product(node)) return true;
    if (!kPassing.contains(plain_op(*node))) return false;
    const Value* next = node->find_value("self");
    value = next && next->is_tensor() ? next : nullptr;
    if (plain_op(*node) == "aten.where" && value && value->tensor().dtype != ScalarType::f32) value = node->find_value("self");
  }
  return false;
}

// The product that the shares go to, through dropout and reshaping only; null: none.
const Node* product_of(const Value* value) {
  static const std::set<std::string_view> kPassing = {"aten.dropout", "aten.view", "aten.reshape", "aten._unsafe_view", "aten.to", "aten._to_copy", "aten.expand"};
  for (int depth = 0; value && depth < 8; ++depth) {
    if (value->uses().size() != 1 || !value->uses()[0].node) return nullptr;
    const Node* node = value->uses()[0].node;
    if (is_product(node)) return node;
    if (!kPassing.contains(plain_op(*node)) || node->outputs().empty()) return nullptr;
    value = node->output();
  }
  return nullptr;
}

// What the shares weigh in their product.
Value* weighed_by(const Node& product) {
  for (const char* name : {"other", "mat2", "batch2"}) {
    if (Value* value = product.find_value(name)) return value;
  }
  return nullptr;
}

bool is_square(const Value* scores) {
  const auto& sizes = scores->tensor().sizes;
  return sizes.size() >= 2 && sizes[sizes.size() - 1] == sizes[sizes.size() - 2];
}

}  // namespace

std::vector<Attention> find_attention(const Graph& graph) {
  std::vector<Attention> found;
  for (Node* node : graph.nodes()) {
    std::string_view op = plain_op(*node);
    if (op == "aten.scaled_dot_product_attention") {
      Value *query = node->find_value("query"), *key = node->find_value("key");
      const auto &q = query->tensor().sizes, &k = key->tensor().sizes;
      if (q.size() >= 2 && k.size() >= 2 && q[q.size() - 2] == k[k.size() - 2]) found.push_back({node, true, query, key, nullptr, node->find_value("value")});
    } else if (op == "aten.softmax" || op == "aten._softmax") {
      Value* scores = node->find_value("self");
      bool last = scores && scores->is_tensor() && dim_or(*node, "dim", -1, scores->tensor().rank()) == scores->tensor().rank() - 1;
      const Node* product = product_of(node->output());
      if (last && product && is_square(scores) && comes_from_product(scores)) found.push_back({node, false, nullptr, nullptr, scores, weighed_by(*product)});
    }
  }
  return found;
}

}  // namespace dsc
