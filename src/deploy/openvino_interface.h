// Inputs and outputs of an ov::Model as the graph declares them. Included by deploy/openvino_*.cpp only.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <openvino/core/node_vector.hpp>
#include <openvino/core/partial_shape.hpp>
#include <string>
#include <vector>

#include "deploy/torch_program.h"

namespace ov {
class Model;
}

namespace dsc {

ov::PartialShape to_partial_shape(const TorchValue& value);
// A Constant that shares the tensor's memory and keeps it alive.
ov::OutputVector share_constant(const at::Tensor& tensor, const std::string& name);

// The outputs that operators make, each once: what the frontend is asked for. The others are inputs and weights as they came.
std::vector<ValueId> computed_outputs(const TorchProgram& program);

// A model of all inputs and outputs, those of states last, with the program's names and types, out of one that gives
// `computed_outputs`, or of null where there are none.
std::shared_ptr<ov::Model> with_interface(const std::shared_ptr<ov::Model>& converted, const TorchProgram& program);

}  // namespace dsc
