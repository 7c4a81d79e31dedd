#include "deploy/call_writer.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/jit_type.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "deploy/added_constant.h"
#include "deploy/observe.h"
#include "dscompress/error.h"
#include "exec/convert.h"

namespace dsc {
namespace {

[[noreturn]] void refuse(const std::string& reason) { throw Error(ErrorCode::unsupported, reason); }

InLanes element(const std::vector<std::vector<c10::IValue>>& lists, std::size_t i) {
  InLanes lanes;
  for (const auto& list : lists) lanes.push_back(&list.at(i));
  return lanes;
}

bool is_nan(const c10::IValue& value) { return value.isDouble() && std::isnan(value.toDouble()); }

bool all_equal(const InLanes& value) {
  const c10::IValue& first = *value.front();
  return std::all_of(value.begin(), value.end(), [&](const c10::IValue* lane) { return *lane == first || (is_nan(*lane) && is_nan(first)); });
}

// "aten::add", "Tensor" as "aten.add.Tensor".
std::string target_of(const c10::FunctionSchema& schema) {
  std::string name = schema.name();
  name.replace(name.find("::"), 2, ".");
  return name + "." + (schema.overload_name().empty() ? "default" : schema.overload_name());
}

const c10::Type& without_optional(const c10::Type& type) {
  const auto* optional = type.castRaw<c10::OptionalType>();
  return optional ? *optional->getElementType() : type;
}

// The one element of a tensor without dimensions, as it stands in a graph.
Argument number_of(const at::Tensor& tensor) {
  if (tensor.scalar_type() == c10::kBool) return tensor.item<bool>();
  if (c10::isIntegralType(tensor.scalar_type(), false)) return tensor.item<std::int64_t>();
  return tensor.item<double>();
}

bool has_mask(const c10::IValue& indices) {
  const auto list = indices.toListRef();
  return std::any_of(list.begin(), list.end(), [](const c10::IValue& index) {
    const auto type = index.isTensor() ? index.toTensor().scalar_type() : c10::kLong;
    return type == c10::kBool || type == c10::kByte;
  });
}

// Whether its result's sizes, or a number that it gives, depend on what tensors hold.
bool reads_elements(const RecordedCall& call) {
  const std::string& name = call.op.schema().name();
  if (name == "aten::index") return has_mask(call.arguments.at(1));
  return name == "aten::is_nonzero" || call.op.hasTag(at::Tag::data_dependent_output) || call.op.hasTag(at::Tag::dynamic_output_shape);
}

// "aten::add.out": a kernel that was called as one, and no composition.
bool fills_given_tensors(const c10::FunctionSchema& schema) {
  const auto& arguments = schema.arguments();
  return std::any_of(arguments.begin(), arguments.end(), [](const c10::Argument& argument) { return argument.is_out(); });
}

bool makes_tensors(const c10::FunctionSchema& schema) {
  return std::any_of(schema.returns().begin(), schema.returns().end(), [](const c10::Argument& made) {
    const c10::Type& type = without_optional(*made.type());
    return type.kind() == c10::TypeKind::TensorType || type.kind() == c10::TypeKind::ListType;
  });
}

}  // namespace

CallWriter::CallWriter(Model& model, Node* replaced, const Lanes& lanes)
    : model_(model), graph_(model.graph), replaced_(replaced), lanes_(lanes), tensors_(lanes.count()) {}

CallWriter::~CallWriter() {
  for (auto node = written_.rbegin(); node != written_.rend(); ++node) graph_.erase(*node);
  for (const Value* constant : constants_) {
    model_.weights.erase(graph_.find_input(constant)->target);
    graph_.remove_input(constant);
  }
}

void CallWriter::bind(const InLanes& value, Value* made) {
  if (!value.front()->isTensor()) {
    Sizes sizes;
    for (const c10::IValue* lane : value) sizes.push_back(lane->toInt());
    sources_.push_back({std::move(sizes), made, -1});
    return;
  }
  for (std::size_t lane = 0; lane < value.size(); ++lane) tensors_[lane].emplace(value[lane]->toTensor().unsafeGetTensorImpl(), made);
  add_sources(value, made);
}

Value* CallWriter::find(const InLanes& tensor) const {
  Value* found = nullptr;
  for (std::size_t lane = 0; lane < tensor.size(); ++lane) {
    const auto known = tensors_[lane].find(tensor[lane]->toTensor().unsafeGetTensorImpl());
    Value* here = known == tensors_[lane].end() ? nullptr : known->second;
    if (lane > 0 && here != found) refuse("what it does depends on sizes that are open");
    found = here;
  }
  return found;
}

Value* CallWriter::value(const InLanes& tensor) {
  if (!tensor.front()->isTensor()) refuse("it gives numbers");
  Value* found = find(tensor);
  if (!found) refuse("its result is made outside LibTorch's dispatcher");
  return found;
}

// --- arguments ---

// A tensor that nothing recorded made: a number that LibTorch turned into one, or a constant of a decomposition's.
Argument CallWriter::tensor_argument(const InLanes& value) {
  if (!value.front()->toTensor().defined()) return NoneArgument{};
  if (Value* known = find(value)) return known;
  const at::Tensor& first = value.front()->toTensor();
  const bool equal = std::all_of(value.begin(), value.end(), [&](const c10::IValue* lane) { return same_values(lane->toTensor(), first); });
  if (equal) return first.dim() == 0 ? number_of(first) : constant(first);
  const bool sizes_alone = first.dim() == 0 && c10::isIntegralType(first.scalar_type(), false);
  if (!sizes_alone) refuse("it computes numbers from sizes that are open");
  Sizes sizes;
  for (const c10::IValue* lane : value) sizes.push_back(lane->toTensor().item<std::int64_t>());
  Value* made = size(sizes);
  if (!made) refuse("it computes a number from sizes that are open");
  return made;
}

Value* CallWriter::constant(const at::Tensor& tensor) {
  Value* made = add_constant(model_, replaced_->name(), tensor.clone());
  constants_.push_back(made);
  return made;
}

Argument CallWriter::plain_argument(const InLanes& value, const c10::Type& type) {
  const c10::IValue& first = *value.front();
  if (first.isInt() && !all_equal(value)) {
    Sizes sizes;
    for (const c10::IValue* lane : value) sizes.push_back(lane->toInt());
    Value* made = size(sizes);
    if (!made) refuse("it computes a size from sizes that are open");
    return made;
  }
  if (!all_equal(value)) refuse("it computes a number from sizes that are open");
  switch (type.kind()) {
    case c10::TypeKind::ScalarTypeType: return from_c10(static_cast<c10::ScalarType>(first.toInt()));
    case c10::TypeKind::LayoutType: return Layout::strided;
    default: break;
  }
  if (first.isBool()) return first.toBool();
  if (first.isInt()) return first.toInt();
  if (first.isDouble()) return first.toDouble();
  if (first.isString()) return first.toStringRef();
  if (first.isDevice()) return Device{};
  refuse("it passes on a value of type " + first.tagKind());
}

Argument CallWriter::list_argument(const InLanes& value, const c10::Type& element_type) {
  std::vector<std::vector<c10::IValue>> lists;
  for (const c10::IValue* lane : value) {
    lists.push_back(lane->toListRef().vec());
    if (lists.back().size() != lists.front().size()) refuse("what it does depends on sizes that are open");
  }
  const std::size_t count = lists.front().size();
  const c10::Type& type = without_optional(element_type);
  if (type.kind() == c10::TypeKind::TensorType) {
    ValueList values;
    for (std::size_t i = 0; i < count; ++i) values.push_back(lists.front()[i].isNone() ? nullptr : this->value(element(lists, i)));
    return values;
  }
  if (type.kind() == c10::TypeKind::FloatType) return value.front()->toDoubleVector();
  if (type.kind() == c10::TypeKind::BoolType) {
    std::vector<bool> flags;
    for (const c10::IValue& flag : lists.front()) flags.push_back(flag.toBool());
    return flags;
  }
  IntList numbers;
  for (std::size_t i = 0; i < count; ++i) {
    const Argument number = plain_argument(element(lists, i), type);
    if (auto* const* made = std::get_if<Value*>(&number)) numbers.emplace_back(*made);
    else numbers.emplace_back(std::get<std::int64_t>(number));
  }
  return numbers;
}

Argument CallWriter::argument(const InLanes& value, const c10::Type& declared) {
  const c10::Type& type = without_optional(declared);
  if (value.front()->isNone()) return NoneArgument{};
  if (value.front()->isTensor()) return tensor_argument(value);
  if (value.front()->isList()) return list_argument(value, *type.expectRef<c10::ListType>().getElementType());
  return plain_argument(value, type);
}

std::vector<NamedArgument> CallWriter::arguments(const std::vector<const RecordedCall*>& call) {
  std::vector<NamedArgument> arguments;
  const auto& schema = call.front()->op.schema();
  for (std::size_t i = 0; i < schema.arguments().size(); ++i) {
    const c10::Argument& wanted = schema.arguments()[i];
    InLanes value;
    for (const RecordedCall* lane : call) value.push_back(&lane->arguments[i]);
    const bool plain = !value.front()->isTensor() && !value.front()->isTensorList();
    if (plain && wanted.default_value() && all_equal(value) && *wanted.default_value() == *value.front()) continue;
    if (wanted.name() == "memory_format") continue;  // means nothing to the engine
    arguments.push_back({wanted.name(), argument(value, *wanted.real_type()), wanted.kwarg_only()});
  }
  return arguments;
}

// --- nodes ---

TensorType CallWriter::type_of(const InLanes& tensor) const {
  const at::Tensor& first = tensor.front()->toTensor();
  TensorType type;
  if (!first.defined()) return type;
  type.dtype = from_c10(first.scalar_type());
  for (std::int64_t dim = 0; dim < first.dim(); ++dim) {
    Sizes sizes;
    for (const c10::IValue* lane : tensor) {
      if (lane->toTensor().dim() != first.dim()) refuse("the rank of a result depends on sizes that are open");
      sizes.push_back(lane->toTensor().size(dim));
    }
    type.sizes.push_back(dim_of(lanes_, sizes));
  }
  return type;
}

Node* CallWriter::insert(std::string target, std::vector<NamedArgument> arguments, std::vector<OutputSpec> outputs, std::vector<int> structure) {
  const std::string name = graph_.unique_name(replaced_->name());
  for (OutputSpec& output : outputs) output.name = name;
  Node* node = graph_.insert(replaced_, std::move(target), std::move(arguments), std::move(outputs), std::move(structure), name);
  graph_.copy_origin(node, replaced_);
  written_.push_back(node);
  return node;
}

void CallWriter::add(const std::vector<const RecordedCall*>& call) {
  const RecordedCall& first = *call.front();
  if (reads_elements(first)) refuse("what it does depends on data");
  if (fills_given_tensors(first.op.schema())) refuse("LibTorch has no composite form of it");
  if (!makes_tensors(first.op.schema())) return;
  std::vector<std::vector<c10::IValue>> lists;  // of one list of tensors, its elements
  const bool is_list = first.results.size() == 1 && first.results[0].isTensorList();
  std::vector<InLanes> results;
  if (is_list) {
    for (const RecordedCall* lane : call) {
      const auto list = lane->results[0].toTensorVector();
      lists.emplace_back(list.begin(), list.end());
      if (lists.back().size() != lists.front().size()) refuse("what it does depends on sizes that are open");
    }
  }
  for (std::size_t i = 0; i < (is_list ? lists.front().size() : first.results.size()); ++i) {
    results.emplace_back();
    for (std::size_t lane = 0; lane < call.size(); ++lane) results.back().push_back(is_list ? &lists[lane][i] : &call[lane]->results[i]);
  }
  // `contiguous` and its like give back what they got.
  if (results.size() == 1 && !first.op.schema().is_mutable() && find(results[0])) return;
  std::vector<OutputSpec> outputs;
  for (const InLanes& result : results) outputs.push_back({"", type_of(result)});
  std::vector<int> structure;
  if (is_list) structure = {static_cast<int>(results.size())};
  else if (results.size() > 1) structure.assign(results.size(), -1);
  const Node* node = insert(target_of(first.op.schema()), arguments(call), std::move(outputs), std::move(structure));
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].front()->toTensor().defined()) bind(results[i], node->output(i));
  }
}

std::vector<Node*> CallWriter::finish(const std::vector<Value*>& results) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < results.size(); ++i) {
    names.push_back(replaced_->output(i)->name());
    if (results[i]) graph_.replace_uses(replaced_->output(i), results[i]);
  }
  graph_.erase(replaced_);
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!results[i]) continue;
    const bool is_new = std::any_of(written_.begin(), written_.end(), [&](const Node* node) { return node == results[i]->producer(); });
    if (is_new && !graph_.find_value(names[i])) graph_.rename(results[i], names[i]);
  }
  constants_.clear();
  return std::exchange(written_, {});
}

}  // namespace dsc
