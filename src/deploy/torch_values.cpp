// Literals, weights and lists as calls of a TorchProgram.
#include <algorithm>
#include <utility>

#include "deploy/torch_program_builder.h"
#include "exec/convert.h"

namespace dsc {

at::Tensor TorchProgramBuilder::weight_of(const Value* value) const {
  const GraphInput* input = value->producer() ? nullptr : model_.graph.find_input(value);
  if (!input || !input->is_weight()) return {};
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
