#include "ops/random_mask.h"

#include <algorithm>
#include <string_view>

#include "ops/arguments.h"
#include "ops/op_traits.h"

namespace dsc {
namespace {

// A mask drawn with a fixed probability, and all that only it is used for.
struct Mask {
  std::vector<Node*> scalings;  // divisions by the probability
  std::vector<Node*> products;  // with what is masked
};

// Whether every use of the mask's value is one of a mask; fills in what those are.
bool collect(Value* value, double keep, Mask& mask) {
  for (const Use& use : value->uses()) {
    if (!use.node) return false;
    const std::string_view op = plain_op(*use.node);
    const bool scales = op == "aten.div" && use.argument == 0 && number_of(*use.node, "other") == keep;
    const bool multiplies = op == "aten.mul" && use.node->find_value("self") && use.node->find_value("other");
    if (!scales && !multiplies) return false;
    if (multiplies) {
      if (std::find(mask.products.begin(), mask.products.end(), use.node) == mask.products.end()) mask.products.push_back(use.node);
    } else {
      mask.scalings.push_back(use.node);
      if (!collect(use.node->output(), keep, mask)) return false;
    }
  }
  return true;
}

bool is_of_mask(const Value* value, const Node* drawn, const Mask& mask) {
  const Node* producer = value->producer();
  return producer && (producer == drawn || std::find(mask.scalings.begin(), mask.scalings.end(), producer) != mask.scalings.end());
}

// What a product masks; null: the mask itself is what is multiplied.
Value* masked_value(const Node& product, const Node* drawn, const Mask& mask) {
  Value *self = product.find_value("self"), *other = product.find_value("other");
  if (is_of_mask(self, drawn, mask)) std::swap(self, other);
  return is_of_mask(self, drawn, mask) || self->tensor().sizes.size() != product.output()->tensor().sizes.size() ? nullptr : self;
}

bool remove_mask(Graph& graph, Node* drawn) {
  const auto keep = number_of(*drawn, "p");
  Mask mask;
  if (!keep || !collect(drawn->output(), *keep, mask) || mask.products.empty()) return false;
  std::vector<Value*> masked;
  for (const Node* product : mask.products) masked.push_back(masked_value(*product, drawn, mask));
  if (std::find(masked.begin(), masked.end(), nullptr) != masked.end()) return false;
  for (std::size_t i = 0; i < masked.size(); ++i) {
    graph.replace_uses(mask.products[i]->output(), masked[i]);
    graph.erase(mask.products[i]);
  }
  for (auto scaling = mask.scalings.rbegin(); scaling != mask.scalings.rend(); ++scaling) graph.erase(*scaling);
  Node* empty = drawn->find_value("self")->producer();
  graph.erase(drawn);
  if (empty) graph.erase_if_dead(empty);
  return true;
}

}  // namespace

std::int64_t remove_random_masks(Graph& graph) {
  std::int64_t removed = 0;
  std::vector<std::string> drawn;  // by name: removing one mask erases other nodes
  for (const Node* node : graph.nodes()) {
    if (plain_op(*node) == "aten.bernoulli") drawn.push_back(node->name());
  }
  for (const std::string& name : drawn) {
    Node* node = graph.find_node(name);
    removed += node && remove_mask(graph, node);
  }
  return removed;
}

std::vector<std::string> random_nodes(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node* node : graph.nodes()) {
    if (traits_in_any_form(*node).is_random) names.push_back(node->name());
  }
  return names;
}

}  // namespace dsc
