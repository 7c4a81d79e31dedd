// State of a graph, such as a streaming cache, as variables of an ov::Model. Included by deploy/openvino_*.cpp only.
#pragma once

#include <vector>

#include "deploy/torch_program.h"

namespace ov {
class Model;
}

namespace dsc {

// The last parameters and results of the model, as many as there are states, become variables of the states' names: ReadValue
// in place of the parameter, Assign in place of the result. A request starts with the initial tensors, and keeps from one
// inference to the next what it leaves.
void keep_states(ov::Model& model, const std::vector<TorchState>& states);

}  // namespace dsc
