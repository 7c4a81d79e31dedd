#include "deploy/torch_program.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/function_schema.h>

#include <algorithm>
#include <sstream>
#include <utility>

#include "deploy/torch_program_builder.h"
#include "exec/convert.h"

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

const c10::FunctionSchema* find_schema(const Node& node) {
  const std::string op(node.op());
  const auto dot = op.find('.');
  if (dot == std::string::npos) return nullptr;
  std::string overload = node.target().size() > op.size() ? node.target().substr(op.size() + 1) : "";
  if (overload == "default") overload.clear();
  const auto handle = c10::Dispatcher::singleton().findSchema({op.substr(0, dot) + "::" + op.substr(dot + 1), overload});
  return handle ? &handle->schema() : nullptr;
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

TorchProgramBuilder::TorchProgramBuilder(const Model& model) : model_(model) { program_.values.emplace_back(); }

TorchProgram TorchProgramBuilder::build() {
  const auto nodes = model_.graph.nodes();
  for (std::size_t i = 0; i < nodes.size(); ++i) order_[nodes[i]] = i;
  changes_in_place_ = std::any_of(nodes.begin(), nodes.end(), [](const Node* node) { return has_side_effect(*node); });
  for (const GraphInput& input : model_.graph.inputs()) {
    if (input.kind == InputKind::user) add_input(input);
  }
  for (const Node* node : nodes) add_node(*node);
  if (!problems_.empty()) throw Error(ErrorCode::unsupported, std::move(problems_));
  node_ = nullptr;
  for (const GraphOutput& output : model_.graph.outputs()) {
    if (output.kind != OutputKind::user) continue;
    auto* const* value = std::get_if<Value*>(&output.value);
    if (!value || !*value || !(*value)->is_tensor()) continue;
    program_.outputs.push_back(id_of(*value));
    program_.output_names.push_back((*value)->name());
    program_.output_types.push_back((*value)->tensor().dtype);
  }
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
  TorchCall call = make_call(schema.name(), std::move(inputs));
  call.schema = schema_text(schema);
  if (writes_first_argument(schema)) return add_in_place(node, std::move(call));
  call.may_alias = changes_in_place_ && views_first_argument(node, schema);
  add_outputs(node, std::move(call));
}

void TorchProgramBuilder::add_outputs(const Node& node, TorchCall call) {
  const bool is_list = node.output_structure().size() == 1 && node.output_structure().front() >= 0;
  if (is_list) return calls_list(std::move(call.op), std::move(call.inputs), node.outputs());
  for (const Value* output : node.outputs()) {
    bind(output, new_value(output));
    call.outputs.push_back(id_of(output));
  }
  if (call.may_alias) views_.push_back({call});
  program_.calls.push_back(std::move(call));
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
    views_.push_back({call});
    views_.push_back({unpack});
  }
  program_.calls.push_back(std::move(call));
  program_.calls.push_back(std::move(unpack));
}

// The result of an in-place call is the changed tensor itself: it keeps the number, and the call's own output is unused.
void TorchProgramBuilder::add_in_place(const Node& node, TorchCall call) {
  const ValueId changed = call.inputs.front();
  for (const Value* output : node.outputs()) {
    call.outputs.push_back(new_value(output));
    bind(output, changed);
  }
  program_.calls.push_back(std::move(call));
  refresh_views(changed);
}

// The frontend writes a change through to the tensors that `changed` is a view of. Other views of these are computed
// again here, in order, and take new numbers.
void TorchProgramBuilder::refresh_views(ValueId changed) {
  std::unordered_set<ValueId> current{changed}, stale;
  for (auto view = views_.rbegin(); view != views_.rend(); ++view) {
    const auto& outputs = view->call.outputs;
    const bool leads = view->alive && std::any_of(outputs.begin(), outputs.end(), [&](ValueId id) { return current.contains(id); });
    if (!leads) continue;
    const ValueId base = view->call.inputs.front();
    current.insert(base);
    if (view->call.may_alias) continue;
    // A part of a list: the frontend cannot write it back.
    if (is_used_later(base)) return refuse("it changes one part of a split tensor that is used again");
  }
  std::unordered_map<ValueId, ValueId> renamed;
  const std::size_t count = views_.size();
  for (std::size_t i = 0; i < count; ++i) {
    View& view = views_[i];
    const ValueId base = view.call.inputs.front();
    const auto moved = renamed.find(base);
    const bool leads = std::any_of(view.call.outputs.begin(), view.call.outputs.end(), [&](ValueId id) { return current.contains(id); });
    if (!view.alive || leads || (moved == renamed.end() && !current.contains(base))) continue;
    view.alive = false;
    TorchCall again = view.call;
    if (moved != renamed.end()) again.inputs.front() = moved->second;
    for (ValueId& output : again.outputs) {
      const ValueId fresh = new_value(TorchValue(program_.values[output]));
      renamed[output] = fresh;
      output = fresh;
    }
    views_.push_back({again});
    program_.calls.push_back(std::move(again));
  }
  for (auto& [value, id] : ids_) {
    if (const auto found = renamed.find(id); found != renamed.end()) id = found->second;
  }
}

bool TorchProgramBuilder::is_used_later(ValueId id) const {
  const std::size_t now = order_.at(node_);
  return std::any_of(ids_.begin(), ids_.end(), [&](const auto& entry) {
    if (entry.second != id) return false;
    const auto& uses = entry.first->uses();
    return std::any_of(uses.begin(), uses.end(), [&](const Use& use) { return !use.node || order_.at(use.node) > now; });
  });
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

at::Tensor TorchProgramBuilder::weight_of(const Value* value) const {
  const GraphInput* input = value->producer() ? nullptr : model_.graph.find_input(value);
  if (!input || input->kind == InputKind::user || input->kind == InputKind::literal) return {};
  return model_.weights.get(input->target);
}

ValueId TorchProgramBuilder::id_of(const Value* value) {
  if (const auto found = ids_.find(value); found != ids_.end()) return found->second;
  const at::Tensor tensor = weight_of(value);
  if (!tensor.defined()) throw Error(ErrorCode::internal, "%" + value->name() + " is used before it is made");
  const ValueId id = weight(tensor, model_.graph.find_input(value)->target);
  bind(value, id);
  return id;
}

ValueId TorchProgramBuilder::weight(at::Tensor tensor, std::string name) {
  TorchCall call = make_call("prim::GetAttr", {});
  call.name = name;
  const auto sizes = tensor.sizes().vec();
  call.outputs.push_back(new_value({.dtype = from_c10(tensor.scalar_type()), .sizes = sizes, .name = std::move(name)}));
  call.constant = std::move(tensor);
  program_.calls.push_back(std::move(call));
  return program_.calls.back().outputs.front();
}

ValueId TorchProgramBuilder::constant(TorchConstant value) {
  using Kind = TorchValue::Kind;
  TorchValue made{.kind = Kind::number};
  TorchCall call = make_call("prim::Constant", {});
  if (std::holds_alternative<std::monostate>(value)) made.kind = Kind::none;
  if (std::holds_alternative<std::string>(value)) made.kind = Kind::text;
  if (std::holds_alternative<std::int64_t>(value)) made.dtype = ScalarType::i64;
  if (std::holds_alternative<bool>(value)) made.dtype = ScalarType::boolean;
  const auto list = [&](ScalarType dtype, bool is_empty) {
    made.kind = Kind::list;
    made.dtype = dtype;
    if (is_empty) call.op = "prim::ListConstruct";  // the frontend knows an empty list in this form only
  };
  if (const auto* ints = std::get_if<std::vector<std::int64_t>>(&value)) list(ScalarType::i64, ints->empty());
  if (const auto* floats = std::get_if<std::vector<double>>(&value)) list(ScalarType::f32, floats->empty());
  if (const auto* bools = std::get_if<std::vector<bool>>(&value)) list(ScalarType::boolean, bools->empty());
  call.outputs.push_back(new_value(std::move(made)));
  call.constant = std::move(value);
  program_.calls.push_back(std::move(call));
  return program_.calls.back().outputs.front();
}

ValueId TorchProgramBuilder::argument(const Argument& argument) {
  const auto list_of = [&](std::vector<ValueId> elements, bool is_tensor_list) {
    TorchCall call = make_call("prim::ListConstruct", std::move(elements));
    call.outputs.push_back(new_value({.kind = TorchValue::Kind::list, .dtype = is_tensor_list ? ScalarType::f32 : ScalarType::i64,
                                      .is_tensor_list = is_tensor_list}));
    program_.calls.push_back(std::move(call));
    return program_.calls.back().outputs.front();
  };
  struct Visitor {
    TorchProgramBuilder& self;
    const decltype(list_of)& list;
    ValueId operator()(const NoneArgument&) { return self.constant(std::monostate{}); }
    ValueId operator()(Value* value) { return value ? self.id_of(value) : self.constant(std::monostate{}); }
    ValueId operator()(const ValueList& values) {
      std::vector<ValueId> ids;
      for (Value* value : values) ids.push_back((*this)(value));
      return list(std::move(ids), true);
    }
    ValueId operator()(const IntList& ints) {
      if (std::all_of(ints.begin(), ints.end(), [](const IntOrValue& i) { return i.index() == 0; })) {
        std::vector<std::int64_t> numbers;
        for (const IntOrValue& i : ints) numbers.push_back(std::get<std::int64_t>(i));
        return self.constant(std::move(numbers));
      }
      std::vector<ValueId> ids;
      for (const IntOrValue& i : ints) {
        ids.push_back(i.index() == 0 ? self.constant(std::get<std::int64_t>(i)) : self.id_of(std::get<Value*>(i)));
      }
      return list(std::move(ids), false);
    }
    ValueId operator()(std::int64_t value) { return self.constant(value); }
    ValueId operator()(double value) { return self.constant(value); }
    ValueId operator()(bool value) { return self.constant(value); }
    ValueId operator()(const std::vector<double>& value) { return self.constant(value); }
    ValueId operator()(const std::vector<bool>& value) { return self.constant(value); }
    ValueId operator()(const std::string& value) { return self.constant(value); }
    ValueId operator()(const std::vector<std::string>&) { return refused("a list of strings"); }
    ValueId operator()(ScalarType type) { return self.constant(static_cast<std::int64_t>(to_c10(type))); }
    ValueId operator()(MemoryFormat format) { return self.constant(static_cast<std::int64_t>(to_c10(format))); }
    ValueId operator()(Layout) { return self.constant(std::int64_t{0}); }
    ValueId operator()(const Device& device) { return self.constant(device.type); }
    ValueId operator()(const Complex&) { return refused("a complex number"); }
    ValueId refused(const std::string& what) {
      self.refuse("it takes " + what);
      return self.constant(std::monostate{});
    }
  };
  return std::visit(Visitor{*this, list_of}, argument);
}

}  // namespace dsc
