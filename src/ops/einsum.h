// The equation of an einsum, and the linear layers among einsums.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "dscompress/model.h"

namespace dsc {

// A letter for each dimension of each operand and of the result; characters that are no letters stand for the dimensions of
// an ellipsis, aligned from the right.
struct Equation {
  std::vector<std::string> inputs;
  std::string output;
};
Equation equation_of(const Node& einsum);

// Two operands without a letter twice, of which some letter is summed over.
bool is_product(const Node& einsum);

// An einsum that is a linear layer written otherwise: a product with a stored tensor that it alone reads, no dimension of
// which stays beside one of the other operand.
struct EinsumLinear {
  std::size_t weight = 0;                // index of the stored operand
  std::string rows, columns, outputs;    // letters that the activation keeps, that are summed over, that the weight adds
};
std::optional<EinsumLinear> find_einsum_linear(const Graph& graph, const Node& einsum);

// Those become aten.linear, between permutations where needed: linear layers have low-precision kernels with a scale for each
// row of the weight. The weight keeps its name and becomes a matrix [outputs, columns].
void turn_einsums_into_linears(Model& model);

}  // namespace dsc
