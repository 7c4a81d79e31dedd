#include "io/torchscript_item.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/class_type.h>
#include <ATen/core/ivalue_inl.h>
#include <ATen/core/jit_type.h>
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>

namespace dsc::torchscript {
namespace {

std::optional<c10::IValue> list_value(const ListItem& list, std::size_t lane) {
  c10::impl::GenericList out(list.element_type);
  for (const Item& element : *list.elements) {
    auto value = to_ivalue(element, lane);
    if (!value) return std::nullopt;
    out.push_back(std::move(*value));
  }
  return c10::IValue(std::move(out));
}

std::optional<c10::IValue> tuple_value(const TupleItem& tuple, std::size_t lane) {
  std::vector<c10::IValue> elements;
  for (const Item& element : tuple.elements) {
    auto value = to_ivalue(element, lane);
    if (!value) return std::nullopt;
    elements.push_back(std::move(*value));
  }
  return c10::IValue(c10::ivalue::Tuple::create(std::move(elements)));
}

}  // namespace

std::optional<c10::IValue> to_ivalue(const Item& item, std::size_t lane) {
  if (const auto* known = item.as<KnownItem>()) return known->value;
  if (const auto* tensor = item.as<TensorItem>()) return c10::IValue(tensor->lanes[lane]);
  if (const auto* number = item.as<NumberItem>()) {
    if (!number->tensor_type) return number->lanes[lane];
    return c10::IValue(at::scalar_tensor(number->lanes[lane].toScalar(), *number->tensor_type));
  }
  if (const auto* list = item.as<ListItem>()) return list->element_type ? list_value(*list, lane) : std::nullopt;
  if (const auto* tuple = item.as<TupleItem>()) return tuple_value(*tuple, lane);
  if (const auto* module = item.as<ModuleItem>()) return c10::IValue(module->object);
  return std::nullopt;
}

const c10::IValue* find_known(const Item& item) {
  if (const auto* known = item.as<KnownItem>()) return &known->value;
  const auto* number = item.as<NumberItem>();
  return number && !number->value ? &number->lanes.front() : nullptr;
}

namespace {

bool is_of(const Item& item, const c10::TypePtr& type) {
  switch (type->kind()) {
    case c10::TypeKind::UnionType:
    case c10::TypeKind::OptionalType: {
      const auto& choices = type->castRaw<c10::UnionType>()->containedTypes();
      return std::any_of(choices.begin(), choices.end(), [&](const c10::TypePtr& choice) { return is_of(item, choice); });
    }
    case c10::TypeKind::AnyListType:
    case c10::TypeKind::ListType: return item.as<ListItem>() != nullptr;
    case c10::TypeKind::AnyTupleType:
    case c10::TypeKind::TupleType: return item.as<TupleItem>() != nullptr;
    case c10::TypeKind::DictType: return item.as<DictItem>() != nullptr;
    case c10::TypeKind::TensorType: return is_tensor(item);
    default: break;
  }
  if (const auto* number = item.as<NumberItem>()) return !number->tensor_type && number->lanes.front().type()->isSubtypeOf(*type);
  const auto* module = item.as<ModuleItem>();
  const auto* known = item.as<KnownItem>();
  return module ? module->object->type()->isSubtypeOf(*type) : known && known->value.type()->isSubtypeOf(*type);
}

}  // namespace

bool is_instance(const Item& item, const std::vector<c10::TypePtr>& types) {
  return std::any_of(types.begin(), types.end(), [&](const c10::TypePtr& type) { return is_of(item, type); });
}

bool all_equal(const std::vector<c10::IValue>& lanes) {
  return std::all_of(lanes.begin(), lanes.end(), [&](const c10::IValue& lane) {
    if (lane.isDouble() && lanes.front().isDouble() && lane.toDouble() != lane.toDouble()) return lanes.front().toDouble() != lanes.front().toDouble();
    return lane.tagKind() == lanes.front().tagKind() && lane == lanes.front();
  });
}

}  // namespace dsc::torchscript
