#include "deploy/torch_program.h"

#include <ATen/core/function_schema.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "deploy/torch_program_builder.h"
#include "exec/convert.h"
#include "ir/schema.h"
#include "ops/writes.h"

namespace dsc {
namespace {

TorchConstant from_default(const c10::IValue& value) {
  if (value.isNone()) return std::monostate{};
  if (value.isBool()) return value.toBool();
  if (value.isInt()) return value.toInt();
  if (value.isDouble()) return value.toDouble();
  if (value.isString()) return value.toStringRef();
  if (value.isIntList()) return value.toIntVector();
  if (value.isDoubleList()) return value.toDoubleVector();
  if (value.isDevice()) return value.toDevice().str();
  if (value.isBoolList()) {
    const auto list = value.toBoolList();
    return std::vector<bool>(list.begin(), list.end());
  }
  throw Error(ErrorCode::internal, "unexpected default argument of type " + value.tagKind());
}

// The exporter writes `1` where the schema says float, and one integer where it says int[].
Argument fit(const Argument& argument, const c10::Argument& wanted) {
  const auto* integer = std::get_if<std::int64_t>(&argument);
  if (!integer) return argument;
  auto type = wanted.type();
  if (auto optional = type->cast<c10::OptionalType>()) type = optional->getElementType();
  if (type->kind() == c10::TypeKind::FloatType) return static_cast<double>(*integer);
  if (type->kind() == c10::TypeKind::ListType) return IntList{*integer};
  return argument;
}

bool writes_first_argument(const c10::FunctionSchema& schema) {
  if (schema.arguments().empty()) return false;
  const auto* alias = schema.arguments().front().alias_info();
  return alias && alias->isWrite();
}

// Whether the result may be a view of the first argument. A conversion to another type copies.
bool views_first_argument(const Node& node, const c10::FunctionSchema& schema) {
  if (schema.arguments().empty() || schema.returns().empty() || node.outputs().empty()) return false;
  const auto* from = schema.arguments().front().alias_info();
  const auto* to = schema.returns().front().alias_info();
  if (!from || !to || from->isWrite()) return false;
  const auto* first = node.arguments().empty() ? nullptr : std::get_if<Value*>(&node.arguments().front().value);
  if (!first || !(*first)->is_tensor() || !node.output()->is_tensor()) return false;
  return (*first)->tensor().dtype == node.output()->tensor().dtype;
}

const Argument* find_schema_argument(const Node& node, const c10::Argument& wanted, std::size_t position) {
  if (const Argument* found = node.find_argument(wanted.name())) return found;
  // The exporter names every argument but those that shadow a Python word, as `from`.
  if (position < node.arguments().size() && node.arguments()[position].name.empty()) return &node.arguments()[position].value;
  return nullptr;
}

bool is_under_autocast(const Node& node) {
  for (const Region* region = node.region(); region; region = region->parent) {
    if (region->kind != Region::Kind::autocast) continue;
    const auto* enabled = region->arguments.size() > 2 ? std::get_if<bool>(&region->arguments[2]) : nullptr;
    return enabled && *enabled;
  }
  return false;
}

std::string schema_text(const c10::FunctionSchema& schema) {
  std::ostringstream text;
  text << schema;
  return text.str();
}

}  // namespace

Problem operator_problem(const Node& node, const std::string& reason) {
  std::string message = "operator " + node.target() + " of %" + node.name();
  if (const auto line = node.source_line(); !line.empty()) message += " (" + line + ")";
  return {message + " cannot be converted to OpenVINO: " + reason,
          {.pointer = "%" + node.name()},
          "keep this part of the model in LibTorch, or write it with operators that OpenVINO's PyTorch frontend knows"};
}

TorchProgram make_torch_program(const Model& model) { return TorchProgramBuilder(model).build(); }

TorchProgramBuilder::TorchProgramBuilder(const Model& model) : model_(model), written_(written_inputs(model.graph)) { program_.values.emplace_back(); }

TorchProgram TorchProgramBuilder::build() {
  const auto nodes = model_.graph.nodes();
  for (std::size_t i = 0; i < nodes.size(); ++i) order_[nodes[i]] = i;
  changes_in_place_ = std::any_of(nodes.begin(), nodes.end(), [](const Node* node) { return has_side_effect(*node); });
  for (const GraphInput& input : model_.graph.inputs()) {
    if (input.kind == InputKind::user) add_input(input);
  }
  for (const GraphInput& input : model_.graph.inputs()) {
    if (input.is_weight() && written_.contains(input.value)) add_state_input(input);
  }
  for (const Node* node : nodes) add_node(*node);
  if (!problems_.empty()) throw Error(ErrorCode::unsupported, std::move(problems_));
  node_ = nullptr;
  for (const GraphOutput& output : model_.graph.outputs()) {
    if (output.kind != OutputKind::user) continue;
    auto* const* value = std::get_if<Value*>(&output.value);
    if (value && *value && (*value)->is_tensor()) add_output(*value, (*value)->name());
  }
  add_state_outputs();
  return std::move(program_);
}

void TorchProgramBuilder::add_input(const GraphInput& input) {
  if (!input.value->is_tensor()) {
    problems_.push_back({"input `" + input.target + "` is a number, and OpenVINO models take tensors",
                         {.pointer = "%" + input.value->name()}, "export the model with that number fixed"});
    bind(input.value, new_value(input.value));
    return;
  }
  bind(input.value, new_value(input.value));
  program_.inputs.push_back(id_of(input.value));
  program_.input_names.push_back(input.target.empty() ? input.value->name() : input.target);
}

void TorchProgramBuilder::add_state_input(const GraphInput& input) {
  bind(input.value, new_value(input.value));
  program_.inputs.push_back(id_of(input.value));
  program_.input_names.push_back("state " + input.target);  // no argument has a space in its name
  program_.states.push_back({input.target, model_.weights.get(input.target)});
}

void TorchProgramBuilder::add_output(const Value* value, std::string name) {
  program_.outputs.push_back(id_of(value));
  program_.output_names.push_back(std::move(name));
  program_.output_types.push_back(value->tensor().dtype);
}

// What was written in place keeps its number, and so is what the input is bound to by now.
void TorchProgramBuilder::add_state_outputs() {
  for (const TorchState& state : program_.states) {
    const Value* left = model_.graph.find_weight(state.name);
    for (const GraphOutput& output : model_.graph.outputs()) {
      const bool is_its = (output.kind == OutputKind::buffer_mutation || output.kind == OutputKind::parameter_mutation) && output.target == state.name;
      if (is_its) left = std::get<Value*>(output.value);
    }
    add_output(left, state.name);
  }
}

void TorchProgramBuilder::add_node(const Node& node) {
  node_ = &node;
  if (const TorchRule rule = find_torch_rule(node, model_.graph)) return rule(*this, node);
  if (const auto* schema = find_schema(node)) return add_operator(node, *schema);
  refuse("it is not registered with LibTorch, and there is no rule for it");
}

void TorchProgramBuilder::refuse(const std::string& reason) {
  problems_.push_back(operator_problem(*node_, reason));
  for (const Value* output : node_->outputs()) bind(output, new_value(output));
}

void TorchProgramBuilder::add_operator(const Node& node, const c10::FunctionSchema& schema) {
  std::vector<ValueId> inputs;
  for (std::size_t i = 0; i < schema.arguments().size(); ++i) {
    const c10::Argument& wanted = schema.arguments()[i];
    if (const Argument* fixed = find_evaluation_argument(node, wanted.name())) {
      inputs.push_back(argument(*fixed));
    } else if (const Argument* given = find_schema_argument(node, wanted, i)) {
      inputs.push_back(argument(fit(*given, wanted)));
    } else if (wanted.default_value()) {
      inputs.push_back(constant(from_default(*wanted.default_value())));
    } else {
      return refuse("argument `" + wanted.name() + "` is missing");
    }
  }
  if (is_under_autocast(node)) cast_operands(node, schema.name(), inputs);
  TorchCall call = make_call(schema.name(), std::move(inputs));
  call.schema = schema_text(schema);
  if (writes_first_argument(schema)) return add_in_place(node, std::move(call));
  add_outputs(node, std::move(call), changes_in_place_ && views_first_argument(node, schema));
}

// Autocast converts what an operator reads to the type it computes in, which is the declared type of its result.
void TorchProgramBuilder::cast_operands(const Node& node, const std::string& op, std::vector<ValueId>& inputs) {
  const bool has_tensor = !node.outputs().empty() && node.output()->is_tensor() && is_floating(node.output()->tensor().dtype);
  if (!has_tensor || op == "aten::to") return;
  const ScalarType dtype = node.output()->tensor().dtype;
  for (ValueId& id : inputs) {
    const TorchValue value = program_.values[id];
    if (value.kind != TorchValue::Kind::tensor || !is_floating(value.dtype) || value.dtype == dtype) continue;
    TorchCall cast = make_call("aten::to", {id, argument(dtype), constant(false), constant(false), constant(std::monostate{})});
    id = new_value(TorchValue{.dtype = dtype, .sizes = value.sizes});
    cast.outputs.push_back(id);
    program_.calls.push_back(std::move(cast));
  }
}

void TorchProgramBuilder::add_outputs(const Node& node, TorchCall call, bool is_view) {
  const bool is_list = node.output_structure().size() == 1 && node.output_structure().front() >= 0;
  if (is_list) return calls_list(std::move(call.op), std::move(call.inputs), node.outputs());
  for (const Value* output : node.outputs()) {
    bind(output, new_value(output));
    call.outputs.push_back(id_of(output));
  }
  if (is_view) return add_view(std::move(call));
  program_.calls.push_back(std::move(call));
}

void TorchProgramBuilder::view(std::string op, std::vector<ValueId> inputs, const Value* output) {
  TorchCall made = make_call(std::move(op), std::move(inputs));
  bind(output, new_value(output));
  made.outputs.push_back(id_of(output));
  add_view(std::move(made));
}

void TorchProgramBuilder::calls_list(std::string op, std::vector<ValueId> inputs, const std::vector<Value*>& outputs) {
  TorchCall call = make_call(std::move(op), std::move(inputs));
  call.outputs.push_back(new_value(TorchValue{.kind = TorchValue::Kind::list, .is_tensor_list = true}));
  TorchCall unpack = make_call("prim::ListUnpack", {call.outputs.front()});
  for (const Value* output : outputs) {
    bind(output, new_value(output));
    unpack.outputs.push_back(id_of(output));
  }
  if (changes_in_place_) {
    add_view(std::move(call));
    add_view(std::move(unpack));
  } else {
    program_.calls.push_back(std::move(call));
    program_.calls.push_back(std::move(unpack));
  }
}

ValueId TorchProgramBuilder::new_value(TorchValue value) {
  const ValueId id = program_.values.size();
  value.number = std::to_string(id);
  program_.values.push_back(std::move(value));
  return id;
}

ValueId TorchProgramBuilder::new_value(const Value* value) {
  TorchValue made{.name = value->name()};
  if (value->is_tensor()) {
    made.dtype = value->tensor().dtype;
    for (const Dim& dim : value->tensor().sizes) made.sizes.push_back(dim.is_fixed() ? dim.size : -1);
  } else {
    made.kind = TorchValue::Kind::number;
    switch (std::get<SymbolType>(value->type()).kind) {
      case ScalarKind::sym_int: made.dtype = ScalarType::i64; break;
      case ScalarKind::sym_float: made.dtype = ScalarType::f32; break;
      case ScalarKind::sym_bool: made.dtype = ScalarType::boolean; break;
    }
  }
  return new_value(std::move(made));
}

TorchCall TorchProgramBuilder::make_call(std::string op, std::vector<ValueId> inputs) {
  return {.op = std::move(op), .inputs = std::move(inputs), .origin = node_, .name = node_ ? node_->name() : ""};
}

ValueId TorchProgramBuilder::call_like(std::string op, std::vector<ValueId> inputs, const Value* like, std::string name) {
  TorchCall made = make_call(std::move(op), std::move(inputs));
  if (!name.empty()) made.name = std::move(name);
  const ValueId id = new_value(like);
  made.outputs.push_back(id);
  program_.calls.push_back(std::move(made));
  return id;
}

ValueId TorchProgramBuilder::call(std::string op, std::vector<ValueId> inputs, const Value* output) {
  const ValueId id = call_like(std::move(op), std::move(inputs), output);
  bind(output, id);
  return id;
}

}  // namespace dsc
