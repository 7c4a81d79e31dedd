// TorchScript archives (.pt), as torch.jit.save writes them, into the same graph as a .pt2.
//
// A TorchScript program has control flow, lists, objects and calls, and says nothing about shapes. It is translated by
// running it once on example inputs: what depends only on the program and its weights is computed, loops are unrolled,
// branches taken, calls followed; what is left is one flat list of operators. Several sets of inputs run side by side
// ("lanes"), which differ in the sizes that may change: what differs between lanes depends on these sizes and becomes
// symbolic, the rest is constant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dscompress/model.h"

namespace dsc {

// The example of one argument of forward(). A dimension with an expression (a plain name, "batch") may change.
struct InputSpec {
  std::string name;  // empty: the argument at this position
  std::vector<Dim> sizes;
  ScalarType dtype = ScalarType::f32;
};

// One dimension: "3", "batch", "height@64" (a name with its example size; otherwise 2 for the first dimension, 16 for others).
// errors: usage.
Dim parse_input_dim(std::string_view text, bool is_first);
// "[NAME=]SIZE,SIZE,...[:TYPE]", such as `1,3,32,32`, `ids=batch,sequence:i64`; `x` may stand for the commas between numbers.
// errors: usage.
InputSpec parse_input_spec(std::string_view text);

// The model in evaluation mode, weights under the names they have in the module.
// errors: model_file (no TorchScript, or damaged), unsupported (what a Graph cannot hold, with the source line), usage
// (inputs missing or too many, with what the program takes), data (inputs that the program rejects).
Model read_torchscript(const std::string& path, const std::vector<InputSpec>& inputs);

}  // namespace dsc
