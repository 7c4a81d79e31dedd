// The example arguments that torch.export.save puts beside a program (data/sample_inputs/model.pt).
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "dscompress/model.h"

namespace dsc {

// In the order of the graph's user inputs; numbers as tensors without dimensions. None when the archive has none, when they
// hold other things than plain tensors, numbers, texts and None in tuples, lists and dictionaries, or when they are not of the
// inputs' types any more. Nothing in them is ever executed.
std::optional<std::vector<at::Tensor>> read_sample_inputs(const Model& model);

}  // namespace dsc
