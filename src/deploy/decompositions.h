// Operators written out with others, where LibTorch has no composite kernel to do it or OpenVINO needs other words.
//
// Each is a plain function over tensors with its operator's arguments in order; what it calls is recorded (decompose.h), so
// it may read sizes but no elements, and means what PyTorch's torch/_decomp says. One file a family.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/boxing/KernelFunction.h>

#include <limits>
#include <map>
#include <string_view>
#include <utility>

#include "dscompress/graph.h"

namespace dsc {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Decomposition {
  c10::KernelFunction kernel;  // none: LibTorch's composite kernel
  // Whether it is to be used although OpenVINO's frontend has a rule of its own, which is wrong there; null: never.
  bool (*replaces)(const Node&) = nullptr;
};
using Decompositions = std::map<std::string_view, Decomposition>;  // by operator, "aten.logaddexp"

template <class Function>
Decomposition decomposition(Function* function, bool (*replaces)(const Node&) = nullptr) {
  return {c10::KernelFunction::makeFromUnboxedRuntimeFunction(function), replaces};
}
inline bool always(const Node&) { return true; }
// LibTorch's composite kernel, where OpenVINO's frontend is wrong.
inline Decomposition composite(bool (*replaces)(const Node&) = always) { return {{}, replaces}; }

const Decompositions& elementwise_decompositions();
const Decompositions& reduction_decompositions();
const Decompositions& statistics_decompositions();
const Decompositions& product_decompositions();
const Decompositions& shape_decompositions();
const Decompositions& index_decompositions();
const Decompositions& loss_decompositions();
const Decompositions& image_decompositions();

const Decomposition* find_decomposition(const Node& node);  // null: none

}  // namespace dsc
