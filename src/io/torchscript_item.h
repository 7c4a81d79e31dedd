// What a TorchScript value is while its program is translated.
#pragma once

#include <ATen/core/ivalue.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "dscompress/graph.h"

namespace dsc::torchscript {

struct Item;
using Items = std::vector<Item>;

// The same in all lanes: None, a number, a string, a device, an object that is no module.
struct KnownItem {
  c10::IValue value;
};
struct TensorItem {
  Value* value = nullptr;  // null: a constant of the program that no operator has used yet
  std::vector<at::Tensor> lanes;
};
// A number that may differ between lanes, or one in the form of a tensor without dimensions (as traces keep sizes).
struct NumberItem {
  Value* value = nullptr;  // null: the same in all lanes
  std::vector<c10::IValue> lanes;
  std::optional<c10::ScalarType> tensor_type = {};
};
// Lists and dictionaries are shared by whoever refers to them, as in Python.
struct ListItem {
  std::shared_ptr<Items> elements;
  c10::TypePtr element_type;
};
struct TupleItem {
  Items elements;
};
struct DictItem {
  std::shared_ptr<std::vector<std::pair<Item, Item>>> entries;
};
struct ModuleItem {
  c10::intrusive_ptr<c10::ivalue::Object> object;
  std::string path;  // "layer1.0.conv1"; empty: the root
};

struct Item : std::variant<KnownItem, TensorItem, NumberItem, ListItem, TupleItem, DictItem, ModuleItem> {
  using variant::variant;
  template <class T>
  const T* as() const {
    return std::get_if<T>(this);
  }
};

// True for a tensor, and for a number that stands for one.
inline bool is_tensor(const Item& item) {
  const auto* number = item.as<NumberItem>();
  return item.as<TensorItem>() || (number && number->tensor_type);
}

// The value in one lane, as an operator takes it. None of a module, of a list without a known element type.
std::optional<c10::IValue> to_ivalue(const Item& item, std::size_t lane);
// A plain number, string or None; null when the item is something else or differs between lanes.
const c10::IValue* find_known(const Item& item);

// Python's isinstance. Of containers only the kind counts: all elements of a program's lists and dictionaries have the type
// that it declares.
bool is_instance(const Item& item, const std::vector<c10::TypePtr>& types);

bool all_equal(const std::vector<c10::IValue>& lanes);

}  // namespace dsc::torchscript
