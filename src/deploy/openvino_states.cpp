#include "deploy/openvino_states.h"

#include <ATen/core/Tensor.h>

#include <memory>
#include <openvino/core/graph_util.hpp>
#include <openvino/core/model.hpp>
#include <openvino/op/assign.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/convert.hpp>
#include <openvino/op/parameter.hpp>
#include <openvino/op/read_value.hpp>
#include <openvino/op/result.hpp>
#include <openvino/op/util/variable.hpp>

#include "deploy/openvino_types.h"
#include "exec/convert.h"

namespace dsc {
namespace {

// The CPU plugin keeps variables in the types of its kernels alone: no 64-bit numbers, no booleans. It computes such numbers in
// these types in any case.
ov::element::Type kept_type(ov::element::Type type) {
  if (type == ov::element::i64 || type == ov::element::u64) return ov::element::i32;
  if (type == ov::element::f64) return ov::element::f32;
  return type == ov::element::boolean ? ov::element::u8 : type;
}

std::shared_ptr<ov::Node> converted(const ov::Output<ov::Node>& value, ov::element::Type type, const std::string& name) {
  const auto convert = std::make_shared<ov::op::v0::Convert>(value, type);
  convert->set_friendly_name(name);
  return convert;
}

// Of its own memory: who runs the graph elsewhere may go on writing into the tensor.
std::shared_ptr<ov::op::v0::Constant> initial_value(const TorchState& state) {
  const auto kept = kept_type(to_openvino(from_c10(state.initial.scalar_type())));
  const at::Tensor tensor = state.initial.detach().to(to_c10(from_openvino(kept))).contiguous();
  const ov::Shape shape(tensor.sizes().begin(), tensor.sizes().end());
  const auto constant = std::make_shared<ov::op::v0::Constant>(kept, shape, tensor.const_data_ptr());
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
    const auto type = parameter->get_element_type();
    const bool is_kept = type == info.data_type;
    const std::shared_ptr<ov::Node> found = is_kept ? std::static_pointer_cast<ov::Node>(read) : converted(read, type, states[i].name + "/Convert");
    ov::replace_node(parameter, found);  // before Assign is made: what is left may be what was found
    const ov::Output<ov::Node> left = result->input_value(0);
    const auto assign = std::make_shared<ov::op::v6::Assign>(is_kept ? left : converted(left, info.data_type, states[i].name + "/Kept")->output(0), variable);
    assign->set_friendly_name(states[i].name + "/Assign");
    model.remove_result(result);
    model.remove_parameter(parameter);
    model.add_sinks({assign});
    model.add_variables({variable});
  }
  model.validate_nodes_and_infer_types();
}

}  // namespace dsc
