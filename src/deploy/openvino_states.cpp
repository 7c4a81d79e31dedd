#include "deploy/openvino_states.h"

#include <ATen/core/Tensor.h>

#include <memory>
#include <openvino/core/graph_util.hpp>
#include <openvino/core/model.hpp>
#include <openvino/op/assign.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/parameter.hpp>
#include <openvino/op/read_value.hpp>
#include <openvino/op/result.hpp>
#include <openvino/op/util/variable.hpp>

#include "deploy/openvino_types.h"
#include "exec/convert.h"

namespace dsc {
namespace {

// Of its own memory: who runs the graph elsewhere may go on writing into the tensor.
std::shared_ptr<ov::op::v0::Constant> initial_value(const TorchState& state) {
  const at::Tensor tensor = state.initial.detach().contiguous();
  const ov::Shape shape(tensor.sizes().begin(), tensor.sizes().end());
  const auto constant = std::make_shared<ov::op::v0::Constant>(to_openvino(from_c10(tensor.scalar_type())), shape, tensor.const_data_ptr());
  constant->set_friendly_name(state.name);
  return constant;
}

}  // namespace

void keep_states(ov::Model& model, const std::vector<TorchState>& states) {
  if (states.empty()) return;
  const auto parameters = model.get_parameters();
  const auto results = model.get_results();
  const std::size_t inputs = parameters.size() - states.size(), outputs = results.size() - states.size();
  for (std::size_t i = 0; i < states.size(); ++i) {
    const auto initial = initial_value(states[i]);
    const ov::op::util::VariableInfo info{initial->get_output_partial_shape(0), initial->get_element_type(), states[i].name};
    const auto variable = std::make_shared<ov::op::util::Variable>(info);
    const auto read = std::make_shared<ov::op::v6::ReadValue>(initial, variable);
    read->set_friendly_name(states[i].name + "/ReadValue");
    const auto& parameter = parameters[inputs + i];
    const auto& result = results[outputs + i];
    ov::replace_node(parameter, read);  // before Assign is made: what is left may be what was found
    const auto assign = std::make_shared<ov::op::v6::Assign>(result->input_value(0), variable);
    assign->set_friendly_name(states[i].name + "/Assign");
    model.remove_result(result);
    model.remove_parameter(parameter);
    model.add_sinks({assign});
    model.add_variables({variable});
  }
  model.validate_nodes_and_infer_types();
}

}  // namespace dsc
