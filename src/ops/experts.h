// Weights that are looked up in a stack for each row: the experts of a mixture.
//
//   %w: f32[rows, O, I] = aten.index.Tensor(self=stack [E, O, I], indices=[%ids])     or index_select along dimension 0
//   %y: f32[rows, O, 1] = aten.bmm.default(self=%w, mat2=%x)                          x: f32[rows, I, 1]
//
// The product is a linear layer whose weight has one more axis, the expert. Stacks [E, I, O] stand on the product's right.
#pragma once

#include <optional>
#include <vector>

#include "dscompress/model.h"

namespace dsc {

// The stack's use by the look-up along its first dimension that made this value; none: the value was made otherwise.
std::optional<Use> find_look_up(const Value* rows);

struct RoutedProduct {
  Use stack;                    // of the look-up
  Value* experts = nullptr;     // that are looked up
  Value* input = nullptr;       // what the looked-up matrices are multiplied with
  bool matrices_left = true;    // of the input
  bool transposed = false;      // the matrices, between look-up and product
  std::vector<Node*> between;   // the look-up, then what transposes
};
// None: the node is no product, or neither operand is looked up in a stack of matrices.
std::optional<RoutedProduct> find_routed_product(const Node& product);

struct ExpertLayer {
  Use stack;                  // of the look-up: a stored tensor of three dimensions
  Value* experts = nullptr;   // that are looked up
  Value* input = nullptr;     // what the looked-up matrices are multiplied with
  bool outputs_first = true;  // [E, O, I]; otherwise [E, I, O]
};
// A routed product whose stack is stored.
std::optional<ExpertLayer> find_expert_layer(const Graph& graph, Node* product);

// The layers that read a stored weight: its users, and those of what they look up in it.
std::vector<Node*> readers_of_weight(const Value* weight);

// Stacks [E, I, O] become [E, O, I], turned back behind the look-up, where nothing else reads them: the elements that an
// output adds up then lie side by side, as in all other linear layers.
void turn_experts_outputs_first(Model& model);

}  // namespace dsc
