#include "io/torchscript_builder.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/jit_type.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "dscompress/error.h"
#include "io/pt2_schema.h"
#include "ir/dim_fit.h"

namespace dsc::torchscript {
namespace {

// The name that torch.export would give the value of a weight.
std::string value_name(InputKind kind, std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return (kind == InputKind::parameter ? "p_" : kind == InputKind::buffer ? "b_" : "c_") + name;
}

ScalarType element_type(const at::Tensor& tensor, const std::string& what) {
  const auto type = pt2::from_aten(tensor.scalar_type());
  if (!type || tensor.layout() != c10::kStrided) {
    throw Error(ErrorCode::unsupported, what + " is a " + tensor.toString() + " tensor", {}, "export the model with dense, unquantised tensors");
  }
  return *type;
}

// A number in a tensor without dimensions, as Python numbers appear in traces.
bool holds_number(const at::Tensor& tensor) {
  const auto type = tensor.scalar_type();
  return tensor.dim() == 0 && (type == c10::kLong || type == c10::kDouble || type == c10::kBool);
}

std::vector<std::int64_t> place_of(const at::Tensor& tensor) {
  std::vector<std::int64_t> place{reinterpret_cast<std::int64_t>(tensor.storage().data()), tensor.storage_offset(),
                                  static_cast<std::int64_t>(tensor.scalar_type())};
  place.insert(place.end(), tensor.sizes().begin(), tensor.sizes().end());
  place.insert(place.end(), tensor.strides().begin(), tensor.strides().end());
  return place;
}

InputKind kind_of_role(const std::string& node_name, const std::string& role, const at::Tensor& tensor) {
  if (role.starts_with("running_")) return InputKind::buffer;
  const bool is_layers = role == "weight" || role == "bias" || role == "mat1" || role == "mat2" || (role == "self" && node_name.starts_with("addmm"));
  const bool is_trainable = is_layers && at::isFloatingType(tensor.scalar_type());
  return is_trainable ? InputKind::parameter : InputKind::constant;
}

}  // namespace

GraphBuilder::GraphBuilder(Model& model, std::vector<SymbolValues> lanes, Expressions expressions)
    : model_(model), lanes_(std::move(lanes)), expressions_(std::move(expressions)) {}

// --- weights and inputs ---

GraphBuilder::Weight GraphBuilder::make_weight(InputKind kind, const std::string& name, const at::Tensor& tensor) {
  TensorType type;
  type.dtype = element_type(tensor, "`" + name + "`");
  for (const auto size : tensor.sizes()) type.sizes.push_back({size, {}});
  type.requires_grad = kind == InputKind::parameter && tensor.requires_grad();
  auto* value = graph().add_input(kind, value_name(kind, name), name, std::move(type));
  model_.weights.set(name, tensor.detach().contiguous());
  Weight weight{value, {}};
  // Programs may update buffers in place; each lane has its own.
  for (std::size_t i = 0; i < lanes_.size(); ++i) weight.lanes.push_back(kind == InputKind::parameter ? tensor : tensor.clone());
  return weight;
}

void GraphBuilder::add_weight(InputKind kind, const std::string& name, const at::Tensor& tensor) {
  keep_alive_.push_back(tensor);
  auto weight = make_weight(kind, name, tensor);
  const auto [same, is_new] = by_storage_.emplace(place_of(tensor), name);
  if (!is_new && tensor.numel() > 0) {
    model_.weights.set(name, model_.weights.get(same->second));
    tied_.emplace_back(name, same->second);
  }
  weights_.emplace(tensor.unsafeGetTensorImpl(), weight);
  by_name_.emplace(name, std::move(weight));
}

std::optional<Item> GraphBuilder::find_weight(const std::string& name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return std::nullopt;
  return TensorItem{found->second.value, found->second.lanes};
}

void GraphBuilder::drop_unused_aliases() {
  auto aliases = nlohmann::json::object();
  for (const auto& [name, first] : tied_) {
    const Value* value = by_name_.at(name).value;
    if (!value->uses().empty()) continue;
    graph().remove_input(value);
    model_.weights.erase(name);
    aliases[name] = first;
  }
  if (!aliases.empty()) model_.archive.json["aliases"] = aliases.dump();
}

Item GraphBuilder::add_user_input(const std::string& name, std::vector<at::Tensor> lanes) {
  auto type = type_of(lanes, "input `" + name + "`");
  auto* value = graph().add_input(InputKind::user, name, name, type);
  for (std::size_t i = 0; i < type.sizes.size(); ++i) {
    if (!type.sizes[i].is_fixed()) symbols_.emplace(type.sizes[i].expression, std::pair{value, static_cast<std::int64_t>(i)});
  }
  return TensorItem{value, std::move(lanes)};
}

Item GraphBuilder::tensor(const at::Tensor& tensor) {
  if (!tensor.defined()) return KnownItem{};
  const auto found = weights_.find(tensor.unsafeGetTensorImpl());
  if (found != weights_.end()) return TensorItem{found->second.value, found->second.lanes};
  if (holds_number(tensor)) return NumberItem{nullptr, std::vector<c10::IValue>(lanes_.size(), tensor.item()), tensor.scalar_type()};
  return TensorItem{nullptr, std::vector<at::Tensor>(lanes_.size(), tensor)};
}

Item GraphBuilder::item(const c10::IValue& value) {
  if (value.isTensor()) return tensor(value.toTensor());
  if (value.isList()) {
    auto elements = std::make_shared<Items>();
    for (const c10::IValue& element : value.toListRef()) elements->push_back(item(element));
    return ListItem{std::move(elements), value.type()->castRaw<c10::ListType>()->getElementType()};
  }
  if (value.isTuple()) {
    TupleItem tuple;
    for (const c10::IValue& element : value.toTupleRef().elements()) tuple.elements.push_back(item(element));
    return tuple;
  }
  if (value.isGenericDict()) {
    auto entries = std::make_shared<std::vector<std::pair<Item, Item>>>();
    for (const auto& entry : value.toGenericDict()) entries->emplace_back(item(entry.key()), item(entry.value()));
    return DictItem{std::move(entries)};
  }
  return KnownItem{value};
}

Value* GraphBuilder::constant(const TensorItem& item, const Reader& reader) {
  const at::Tensor& tensor = item.lanes.front();
  const InputKind kind = kind_of_role(reader.node_name, reader.role, tensor);
  // Freezing makes equal constants one, such as all biases that are zero; those are weights of their own.
  const bool is_small = kind == InputKind::buffer || (kind == InputKind::parameter && tensor.dim() < 2);
  const auto found = weights_.find(tensor.unsafeGetTensorImpl());
  if (found != weights_.end() && !is_small) return found->second.value;
  const std::pair key{static_cast<const void*>(tensor.unsafeGetTensorImpl()), reader.constants};
  if (is_small && small_constants_.contains(key)) return small_constants_.at(key);
  const std::string wish = reader.node_name + "." + reader.role;
  std::string name = kind == InputKind::constant ? "lifted_tensor_" + std::to_string(constant_count_++) : wish;
  for (int i = 1; model_.weights.has(name); ++i) name = wish + "_" + std::to_string(i);
  keep_alive_.push_back(tensor);
  auto weight = make_weight(kind, name, is_small ? tensor.clone() : tensor);
  if (kind == InputKind::parameter) {
    auto type = weight.value->tensor();
    type.requires_grad = true;
    graph().set_type(weight.value, std::move(type));
  }
  auto* value = weight.value;
  if (is_small) small_constants_.emplace(key, value);
  else weights_.emplace(tensor.unsafeGetTensorImpl(), std::move(weight));
  return value;
}

Value* GraphBuilder::value(const Item& item, const Reader& reader) {
  if (const auto* tensor = item.as<TensorItem>()) return tensor->value ? tensor->value : constant(*tensor, reader);
  const auto* number = item.as<NumberItem>();
  if (!number) throw Error(ErrorCode::internal, "a TorchScript value that is neither tensor nor number was asked for");
  if (!number->tensor_type) return number->value;
  if (!number->value) return constant(TensorItem{nullptr, {to_ivalue(item, 0)->toTensor()}}, reader);
  std::vector<std::vector<c10::IValue>> results;
  for (std::size_t lane = 0; lane < lanes_.size(); ++lane) results.push_back({*to_ivalue(item, lane)});
  std::vector<NamedArgument> arguments{{"s", number->value, false}, {"dtype", *pt2::from_aten(*number->tensor_type), true}};
  return operator_node("aten.scalar_tensor.default", "scalar_tensor", std::move(arguments), results).front().as<TensorItem>()->value;
}

// --- types ---

std::optional<std::string> GraphBuilder::find_expression(const std::vector<std::int64_t>& sizes) const {
  std::vector<SizeSample> samples;
  for (std::size_t lane = 0; lane < lanes_.size(); ++lane) samples.push_back({&lanes_[lane], sizes[lane]});
  return fit_size(samples, expressions_);
}

std::string GraphBuilder::fit(const std::vector<std::int64_t>& sizes, const std::string& what) const {
  if (auto expression = find_expression(sizes)) return *expression;
  std::string seen;
  for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
    for (const auto& [name, value] : lanes_[lane]) seen += (seen.empty() ? "" : " ") + name + "=" + std::to_string(value);
    seen += ": " + std::to_string(sizes[lane]) + ";";
  }
  throw Error(ErrorCode::unsupported, what + " depends on the inputs' sizes in a way that cannot be written (" + seen + ")", {},
              "give numbers for some of the dimensions that have names");
}

TensorType GraphBuilder::type_of(const std::vector<at::Tensor>& lanes, const std::string& what) const {
  TensorType type;
  type.dtype = element_type(lanes.front(), what);
  for (std::int64_t dim = 0; dim < lanes.front().dim(); ++dim) {
    std::vector<std::int64_t> sizes;
    for (const at::Tensor& lane : lanes) {
      if (lane.dim() != lanes.front().dim()) throw Error(ErrorCode::unsupported, "the number of dimensions of " + what + " depends on the inputs' sizes");
      sizes.push_back(lane.size(dim));
    }
    type.sizes.push_back({sizes.front(), fit(sizes, "dimension " + std::to_string(dim) + " of " + what)});
  }
  return type;
}

SymbolType GraphBuilder::symbol_type(const std::vector<c10::IValue>& lanes) {
  const c10::IValue& first = lanes.front();
  if (first.isDouble()) return {ScalarKind::sym_float, {-1, {}}, first.toDouble()};
  if (first.isBool()) return {ScalarKind::sym_bool, {-1, {}}, first.toBool() ? 1.0 : 0.0};
  std::vector<std::int64_t> sizes;
  for (const c10::IValue& lane : lanes) sizes.push_back(lane.toInt());
  // A remainder, say, has no expression in the sizes; it gets a symbol of its own.
  const auto expression = find_expression(sizes);
  return {ScalarKind::sym_int, {sizes.front(), expression ? *expression : "Symbol('u" + std::to_string(unknown_count_++) + "', integer=True)"}, {}};
}

// --- nodes ---

Node* GraphBuilder::insert(std::string target, std::vector<NamedArgument> arguments, std::vector<OutputSpec> outputs, std::vector<int> structure) {
  auto* node = graph().insert(nullptr, std::move(target), std::move(arguments), std::move(outputs), std::move(structure));
  graph().set_metadata(node, origin_);
  return node;
}

Value* GraphBuilder::input_size(const std::string& expression) {
  const auto input = symbols_.find(expression);
  if (input == symbols_.end()) return nullptr;
  const auto [value, dim] = input->second;
  const auto known = sizes_.find({value, dim});
  return known == sizes_.end() ? nullptr : known->second.as<NumberItem>()->value;
}

Item GraphBuilder::size(const TensorItem& tensor, std::int64_t dim) {
  std::vector<c10::IValue> lanes;
  for (const at::Tensor& lane : tensor.lanes) lanes.emplace_back(lane.size(dim));
  if (all_equal(lanes)) return KnownItem{lanes.front()};
  if (dim < 0) dim += tensor.lanes.front().dim();
  const auto known = sizes_.find({tensor.value, dim});
  if (known != sizes_.end() && known->second.as<NumberItem>()->lanes == lanes) return known->second;
  // What is an input's size is asked of the input, as torch.export does.
  const auto type = symbol_type(lanes);
  const auto input = symbols_.find(type.expression.expression);
  const auto key = input == symbols_.end() ? std::pair<Value*, std::int64_t>{tensor.value, dim} : input->second;
  auto* value = input_size(type.expression.expression);
  if (!value) {
    value = insert("aten.sym_size.int", {{"self", key.first, false}, {"dim", key.second, false}}, {{"sym_size_int", type}})->output();
  }
  return sizes_[key] = NumberItem{value, std::move(lanes)};
}

Item GraphBuilder::number(std::vector<c10::IValue> lanes, std::string_view target, const std::function<std::vector<NamedArgument>()>& arguments,
                          std::string_view name) {
  if (all_equal(lanes)) return NumberItem{nullptr, std::move(lanes)};
  const auto type = symbol_type(lanes);
  auto* value = insert(std::string(target), arguments(), {{std::string(name), type}})->output();
  return NumberItem{value, std::move(lanes)};
}

Items GraphBuilder::operator_node(std::string target, std::string_view name, std::vector<NamedArgument> arguments,
                                  const std::vector<std::vector<c10::IValue>>& results) {
  std::vector<OutputSpec> outputs;
  std::vector<int> structure;
  std::vector<std::vector<at::Tensor>> tensors;  // of each output value, in each lane
  const auto add = [&](const std::function<at::Tensor(std::size_t)>& tensor_in) {
    auto& lanes = tensors.emplace_back();
    for (std::size_t lane = 0; lane < results.size(); ++lane) lanes.push_back(tensor_in(lane));
    outputs.push_back({std::string(name), type_of(lanes, "the result of `" + target + "`")});
  };
  for (std::size_t i = 0; i < results.front().size(); ++i) {
    const c10::IValue& result = results.front()[i];
    if (result.isTensor()) {
      structure.push_back(-1);
      add([&](std::size_t lane) { return results[lane][i].toTensor(); });
      continue;
    }
    const std::size_t count = result.toTensorVector().size();
    structure.push_back(static_cast<int>(count));
    for (const auto& lane : results) {
      if (lane[i].toTensorVector().size() != count)
        throw Error(ErrorCode::unsupported, "the number of tensors that `" + target + "` makes depends on the inputs' sizes");
    }
    for (std::size_t j = 0; j < count; ++j) add([&](std::size_t lane) { return results[lane][i].toTensorVector()[j]; });
  }
  auto* node = insert(std::move(target), std::move(arguments), std::move(outputs), structure);
  Items items;
  std::size_t next = 0;
  for (const int count : structure) {
    if (count < 0) {
      items.push_back(TensorItem{node->output(next), std::move(tensors[next])});
      ++next;
      continue;
    }
    auto elements = std::make_shared<Items>();
    for (int j = 0; j < count; ++j, ++next) elements->push_back(TensorItem{node->output(next), std::move(tensors[next])});
    items.push_back(ListItem{std::move(elements), c10::TensorType::get()});
  }
  return items;
}

}  // namespace dsc::torchscript
