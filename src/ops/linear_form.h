// Linear layers of the core vocabulary as `aten.linear`.
#pragma once

#include <cstdint>

#include "dscompress/graph.h"

namespace dsc {

//   %t = aten.permute(w, [1, 0])    %y = aten.addmm(b, %x, %t)           %y = aten.linear(%x, w, b)
//
// with `aten.t`, `aten.numpy_T` or `aten.transpose` as well, and `aten.mm` or `aten.matmul` (`x @ w.T`) without a bias. w is stored. Core ATen has no
// linear layer, and passes look for one weight [outputs, inputs]. returns: how many were found.
std::int64_t recompose_linear_layers(Graph& graph);

}  // namespace dsc
