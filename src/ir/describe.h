// Types as messages and tables show them: "f32[s77, 3, 32, 32]". The text form of graphs (text.h) says more.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "dscompress/graph.h"

namespace dsc {

// The size, the symbol's name, or for a longer expression "?" and the example's value.
std::string describe_dim(const Dim& dim);
std::string describe_type(const Type& type);
// "[2, 3, 32, 32]"
std::string describe_sizes(const at::Tensor& tensor);
// "[s77, 3, 2*s77]": sizes that are not fixed as their expressions.
std::string describe_sizes(const std::vector<Dim>& sizes);

}  // namespace dsc
