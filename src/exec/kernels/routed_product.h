// The product of rows with matrices of a stack, each row with the one that it is routed to.
#pragma once

#include <ATen/core/ivalue.h>

#include <vector>

namespace dsc {

// stack: matrices [E, ., .]; experts [R], integers from -E to E - 1; input [R, ., .] or [1, ., .]; whether the matrices are
// transposed; whether they stand on the input's left. Becomes [R, ., .]: for each r the product of input[r] and
// matrices[experts[r]], with gradients for both. Memory: a copy of input and output, however many rows an expert has.
// errors: an index out of range, and sizes that do not fit, as LibTorch's own operators.
void routed_product(std::vector<c10::IValue>& stack);

}  // namespace dsc
