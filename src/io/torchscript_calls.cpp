#include "io/torchscript_calls.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/jit_type.h>

#include <algorithm>
#include <set>
#include <string>

#include "dscompress/error.h"
#include "io/torchscript_interpreter.h"
#include "io/torchscript_operators.h"
#include "io/torchscript_scalars.h"

namespace dsc::torchscript {
namespace {

namespace jit = torch::jit;
using Results = std::vector<std::vector<c10::IValue>>;  // in each lane, of each output

std::string label(const c10::FunctionSchema& schema) {
  return schema.name() + (schema.overload_name().empty() ? "" : "." + schema.overload_name());
}

Results run_in_lanes(const GraphBuilder& builder, const jit::Node& node, const c10::FunctionSchema& schema, const Items& arguments) {
  jit::Operation operation = node.getOperation();
  Results results;
  for (std::size_t lane = 0; lane < builder.lane_count(); ++lane) {
    jit::Stack stack;
    for (const Item& argument : arguments) {
      auto value = to_ivalue(argument, lane);
      if (!value) throw Error(ErrorCode::unsupported, "operator `" + label(schema) + "` on a list or dictionary");
      stack.push_back(std::move(*value));
    }
    if (schema.is_vararg()) stack.emplace_back(static_cast<std::int64_t>(arguments.size()));
    try {
      operation(stack);
    } catch (const std::exception& error) {
      if (lane == 0) throw;
      const std::string text = error.what();
      throw LaneFailure{lane, "`" + label(schema) + "` fails: " + text.substr(0, text.find('\n'))};
    }
    results.push_back(std::move(stack));
  }
  return results;
}

bool has_tensor(const c10::TypePtr& type) {
  if (type->kind() == c10::TypeKind::TensorType) return true;
  return std::any_of(type->containedTypes().begin(), type->containedTypes().end(), [](const c10::TypePtr& inner) { return has_tensor(inner); });
}

bool has_tensor(const Item& item) {
  const auto any = [](const Items& items) { return std::any_of(items.begin(), items.end(), [](const Item& inner) { return has_tensor(inner); }); };
  if (const auto* list = item.as<ListItem>()) return any(*list->elements);
  if (const auto* tuple = item.as<TupleItem>()) return any(tuple->elements);
  return item.as<TensorItem>() != nullptr;
}

// Sizes of all dimensions, or of one.
Items sizes(GraphBuilder& builder, const Items& arguments) {
  const auto* tensor = arguments[0].as<TensorItem>();
  if (arguments.size() > 1) {
    const auto* dim = find_known(arguments[1]);
    if (!dim) throw Error(ErrorCode::unsupported, "the size of a dimension that depends on the inputs");
    return {builder.size(*tensor, dim->toInt())};
  }
  auto all = std::make_shared<Items>();
  for (std::int64_t dim = 0; dim < tensor->lanes.front().dim(); ++dim) all->push_back(builder.size(*tensor, dim));
  return {ListItem{std::move(all), c10::IntType::get()}};
}

// Operators that read a tensor's elements. A constant's are known; others depend on the inputs.
bool reads_elements(const c10::FunctionSchema& schema) {
  static const std::set<std::string> kNames{"aten::Int", "aten::Float", "aten::Bool", "aten::IntImplicit", "aten::FloatImplicit", "aten::ScalarImplicit",
                                            "aten::item", "prim::ImplicitTensorToNum", "aten::tolist", "prim::tolist", "aten::Complex"};
  if (kNames.contains(schema.name())) return true;
  const auto op = c10::Dispatcher::singleton().findSchema({schema.name(), schema.overload_name()});
  return op && op->hasTag(at::Tag::data_dependent_output);
}

bool is_constant(GraphBuilder& builder, const Item& item) {
  const auto* tensor = item.as<TensorItem>();
  if (!tensor || !tensor->value) return true;
  const auto* input = builder.graph().find_input(tensor->value);
  return input && (input->kind == InputKind::buffer || input->kind == InputKind::constant);
}

void refuse_reading(GraphBuilder& builder, const c10::FunctionSchema& schema, const Items& arguments) {
  if (std::all_of(arguments.begin(), arguments.end(), [&](const Item& item) { return is_constant(builder, item); })) return;
  throw Error(ErrorCode::unsupported, "`" + label(schema) + "` turns a tensor's element into a number: what follows depends on data", {},
              "control flow on data cannot be compressed: write the model without it");
}

std::vector<c10::IValue> column(const Results& results, std::size_t output) {
  std::vector<c10::IValue> lanes;
  for (const auto& lane : results) lanes.push_back(lane.at(output));
  return lanes;
}

// Results that are no tensors: constants, or numbers that depend on sizes.
Items plain_results(GraphBuilder& builder, const c10::FunctionSchema& schema, const Items& arguments, const Results& results) {
  Items items;
  for (std::size_t i = 0; i < results.front().size(); ++i) {
    auto lanes = column(results, i);
    if (all_equal(lanes) || lanes.front().isString()) {  // texts with sizes in them are messages
      items.push_back(builder.item(lanes.front()));
    } else if (schema.name() == "aten::numel") {
      const auto self = [&] { return std::vector<NamedArgument>{{"self", builder.value(arguments[0]), false}}; };
      items.push_back(builder.number(std::move(lanes), "aten.sym_numel.default", self, "sym_numel"));
    } else {
      items.push_back(emit_number(builder, schema, arguments, std::move(lanes)));
    }
  }
  return items;
}

// torch.tensor(...) and its like make a new tensor each time: a constant and a copy of it.
Items constant_results(GraphBuilder& builder, const c10::FunctionSchema& schema, const Results& results) {
  const auto lanes = column(results, 0);
  const auto same = [&](const c10::IValue& lane) { return lane.toTensor().equal(lanes.front().toTensor()); };
  if (!std::all_of(lanes.begin(), lanes.end(), same)) throw Error(ErrorCode::unsupported, "`" + label(schema) + "` of sizes that may change");
  const Item constant = TensorItem{nullptr, std::vector<at::Tensor>(lanes.size(), lanes.front().toTensor())};
  return builder.operator_node("aten.lift_fresh_copy.default", "lift_fresh_copy", {{"self", builder.value(constant), false}}, results);
}

}  // namespace

Items call_operator(GraphBuilder& builder, const jit::Node& node, const Items& arguments) {
  const auto* op = node.maybeOperator();
  const std::string kind = node.kind().toQualString();
  if (!op) throw Error(ErrorCode::unsupported, "TorchScript construct `" + kind + "`", {}, "write or export the model without it");
  const c10::FunctionSchema& schema = node.schema();
  if (kind == "aten::size" && arguments[0].as<TensorItem>()) return sizes(builder, arguments);
  const bool takes_tensors = std::any_of(arguments.begin(), arguments.end(), [](const Item& item) { return has_tensor(item); });
  if (takes_tensors && reads_elements(schema)) refuse_reading(builder, schema, arguments);
  const auto results = run_in_lanes(builder, node, schema, arguments);

  const bool makes_tensors = std::any_of(schema.returns().begin(), schema.returns().end(), [](const auto& r) { return has_tensor(r.type()); });
  if (!makes_tensors && (!takes_tensors || !schema.returns().empty())) return plain_results(builder, schema, arguments, results);
  const bool is_single = results.front().size() == 1 && results.front()[0].isTensor();
  if (!takes_tensors && is_single) {
    std::vector<at::Tensor> lanes;
    for (const auto& lane : results) lanes.push_back(lane.front().toTensor());
    const bool from_numbers = kind == "prim::NumToTensor" || kind == "aten::tensor" || kind == "aten::scalar_tensor" || kind == "aten::as_tensor";
    const bool on_numbers = std::any_of(arguments.begin(), arguments.end(), [](const Item& item) { return is_tensor(item); });
    if (from_numbers || on_numbers) {
      if (auto item = emit_number_tensor(builder, schema, arguments, lanes)) return {*item};
    }
  }
  if (is_single && !c10::Dispatcher::singleton().findSchema({schema.name(), schema.overload_name()}) && !takes_tensors)
    return constant_results(builder, schema, results);
  return emit_operator(builder, schema, arguments, results);
}

}  // namespace dsc::torchscript
