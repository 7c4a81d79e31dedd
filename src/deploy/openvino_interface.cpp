#include "deploy/openvino_interface.h"

#include <algorithm>
#include <map>
#include <openvino/core/model.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/convert.hpp>
#include <openvino/op/parameter.hpp>
#include <openvino/op/result.hpp>
#include <set>
#include <string_view>
#include <unordered_set>
#include <variant>

#include "deploy/openvino_types.h"
#include "exec/convert.h"

namespace dsc {
namespace {

// The frontend drops a first input that nothing uses, taking it for a module's `self`. The model takes all of the graph's.
ov::ParameterVector restore_inputs(const std::shared_ptr<ov::Model>& converted, const TorchProgram& program) {
  std::map<std::string, std::shared_ptr<ov::op::v0::Parameter>> found;
  if (converted) {
    for (const auto& parameter : converted->get_parameters()) found[parameter->get_friendly_name()] = parameter;
  }
  ov::ParameterVector parameters;
  for (std::size_t i = 0; i < program.inputs.size(); ++i) {
    auto& parameter = found[program.input_names[i]];
    if (!parameter) {
      const TorchValue& value = program.values[program.inputs[i]];
      parameter = std::make_shared<ov::op::v0::Parameter>(to_openvino(value.dtype), to_partial_shape(value));
      parameter->set_friendly_name(program.input_names[i]);
    }
    parameter->get_output_tensor(0).set_names({program.input_names[i]});
    parameters.push_back(parameter);
  }
  return parameters;
}

// What in-place operators write into, and what that is a part of.
std::unordered_set<ValueId> changed_values(const TorchProgram& program) {
  std::unordered_set<ValueId> changed;
  for (const TorchCall& call : program.calls) {
    const bool writes = call.op == "aten::copy_" || call.schema.find("(Tensor(a!)") != std::string::npos;
    if (writes) changed.insert(call.inputs.front());
  }
  for (auto call = program.calls.rbegin(); call != program.calls.rend(); ++call) {
    if (call->may_alias && changed.contains(call->outputs.front())) changed.insert(call->inputs.front());
  }
  return changed;
}

// Weights and constants, and their unchanged copies, which the frontend hands on under the weight's name: by value, the call that
// holds the tensor.
std::map<ValueId, const TorchCall*> stored_values(const TorchProgram& program) {
  static const std::set<std::string_view> kCopies{"aten::clone", "aten::contiguous", "aten::detach", "aten::alias"};
  const auto changed = changed_values(program);
  std::map<ValueId, const TorchCall*> stored;
  for (const TorchCall& call : program.calls) {
    if (call.outputs.empty() || changed.contains(call.outputs.front())) continue;
    if (call.op == "prim::GetAttr") stored.emplace(call.outputs.front(), &call);
    if (!kCopies.contains(call.op)) continue;
    const auto source = stored.find(call.inputs.front());
    if (source != stored.end()) stored.emplace(call.outputs.front(), source->second);
  }
  return stored;
}

// Where each output's value comes from.
std::map<ValueId, ov::Output<ov::Node>> find_sources(const std::shared_ptr<ov::Model>& converted, const TorchProgram& program,
                                                     const ov::ParameterVector& parameters) {
  std::map<ValueId, ov::Output<ov::Node>> sources;
  for (std::size_t i = 0; i < program.inputs.size(); ++i) sources.emplace(program.inputs[i], parameters[i]->output(0));
  const std::unordered_set<ValueId> wanted(program.outputs.begin(), program.outputs.end());
  for (const auto& [id, call] : stored_values(program)) {
    if (wanted.contains(id)) sources.emplace(id, share_constant(std::get<at::Tensor>(call->constant), call->name).front());
  }
  const auto computed = computed_outputs(program);
  for (std::size_t i = 0; i < computed.size(); ++i) sources[computed[i]] = converted->get_results()[i]->input_value(0);
  return sources;
}

ov::Output<ov::Node> convert_to(const ov::Output<ov::Node>& source, const ov::element::Type& type, const std::string& name) {
  const auto convert = std::make_shared<ov::op::v0::Convert>(source, type);
  convert->set_friendly_name(name + "/Convert");
  return convert->output(0);
}

// Tensors get the graph's names and declared types: the frontend leaves numbers, and may compute in another type. What is an
// input, a weight or another result gets a tensor of its own: OpenVINO never fills the memory that is given for a Parameter's
// result, and a tensor has one name.
ov::ResultVector make_results(const std::shared_ptr<ov::Model>& converted, const TorchProgram& program, const ov::ParameterVector& parameters) {
  const auto sources = find_sources(converted, program, parameters);
  const std::size_t users = program.outputs.size() - program.states.size();
  ov::ResultVector results;
  std::set<ov::Output<ov::Node>> taken;
  for (std::size_t i = 0; i < program.outputs.size(); ++i) {
    ov::Output<ov::Node> source = sources.at(program.outputs[i]);
    const std::string& name = program.output_names.at(i);
    const auto type = to_openvino(program.output_types.at(i));
    const bool is_state = i >= users;  // its result becomes an Assign, which has no tensor
    const bool is_leaf = source.get_node()->get_input_size() == 0;
    if (source.get_element_type() != type || (!is_state && (is_leaf || !taken.insert(source).second))) source = convert_to(source, type, name);
    if (!is_state) source.get_tensor().set_names({name});
    results.push_back(std::make_shared<ov::op::v0::Result>(source));
  }
  return results;
}

}  // namespace

ov::PartialShape to_partial_shape(const TorchValue& value) {
  if (value.kind != TorchValue::Kind::tensor) return ov::PartialShape::dynamic();
  return ov::PartialShape(std::vector<ov::Dimension>(value.sizes.begin(), value.sizes.end()));
}

// An empty tensor has no memory to share.
ov::OutputVector share_constant(const at::Tensor& tensor, const std::string& name) {
  using Constant = ov::op::v0::Constant;
  const auto kept = std::make_shared<at::Tensor>(tensor.detach().contiguous());
  const ov::Shape shape(kept->sizes().begin(), kept->sizes().end());
  const auto type = to_openvino(from_c10(kept->scalar_type()));
  const auto constant =
      kept->numel() == 0 ? std::make_shared<Constant>(type, shape) : std::make_shared<Constant>(type, shape, kept->data_ptr(), kept);
  constant->set_friendly_name(name);
  return constant->outputs();
}

std::vector<ValueId> computed_outputs(const TorchProgram& program) {
  const auto changed = changed_values(program);
  std::unordered_set<ValueId> leaves(program.inputs.begin(), program.inputs.end());
  for (const auto& [id, call] : stored_values(program)) leaves.insert(id);
  std::vector<ValueId> computed;
  for (const ValueId id : program.outputs) {
    const bool is_leaf = leaves.contains(id) && !changed.contains(id);
    if (!is_leaf && std::find(computed.begin(), computed.end(), id) == computed.end()) computed.push_back(id);
  }
  return computed;
}

std::shared_ptr<ov::Model> with_interface(const std::shared_ptr<ov::Model>& converted, const TorchProgram& program) {
  const auto parameters = restore_inputs(converted, program);
  return std::make_shared<ov::Model>(make_results(converted, program, parameters), parameters);
}

}  // namespace dsc
