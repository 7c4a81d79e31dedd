#include "io/torchscript_lists.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/jit_type.h>

#include <algorithm>
#include <unordered_map>

#include "dscompress/error.h"

namespace dsc::torchscript {
namespace {

std::int64_t known_int(const Item& item, std::int64_t otherwise = 0) {
  const auto* known = find_known(item);
  if (!known || !(known->isInt() || known->isNone())) throw Error(ErrorCode::unsupported, "a position in a list depends on the inputs");
  return known->isNone() ? otherwise : known->toInt();
}

Items& elements(const Item& item) { return *item.as<ListItem>()->elements; }

std::size_t position(const Item& index, std::size_t size) {
  const std::int64_t asked = known_int(index);
  const std::int64_t at = asked < 0 ? asked + static_cast<std::int64_t>(size) : asked;
  if (at < 0 || at >= static_cast<std::int64_t>(size))
    throw Error(ErrorCode::data, "position " + std::to_string(asked) + " of a list of " + std::to_string(size));
  return static_cast<std::size_t>(at);
}

Item number(std::size_t n) { return KnownItem{static_cast<std::int64_t>(n)}; }
Item list_like(const Item& model, Items items) { return ListItem{std::make_shared<Items>(std::move(items)), model.as<ListItem>()->element_type}; }

// Python's slice.indices().
Items slice(const Item& list, const Items& a) {
  const auto size = static_cast<std::int64_t>(elements(list).size());
  const std::int64_t step = a.size() > 3 ? known_int(a[3], 1) : 1;
  if (step == 0) throw Error(ErrorCode::data, "a list slice with step 0");
  const std::int64_t lowest = step > 0 ? 0 : -1, highest = step > 0 ? size : size - 1;
  const auto bound = [&](const Item& item, std::int64_t otherwise) {
    if (find_known(item) && find_known(item)->isNone()) return otherwise;
    const std::int64_t at = known_int(item);
    return std::clamp<std::int64_t>(at < 0 ? at + size : at, lowest, highest);
  };
  const std::int64_t end = bound(a[2], step > 0 ? highest : lowest);
  Items out;
  for (std::int64_t i = bound(a[1], step > 0 ? lowest : highest); step > 0 ? i < end : i > end; i += step) {
    out.push_back(elements(list)[static_cast<std::size_t>(i)]);
  }
  return {list_like(list, std::move(out))};
}

Items repeat(const Item& list, const Item& times) {
  Items out;
  for (std::int64_t i = 0; i < known_int(times); ++i) out.insert(out.end(), elements(list).begin(), elements(list).end());
  return {list_like(list, std::move(out))};
}

Items append(const Item& list, const Item& element) {
  elements(list).push_back(element);
  return {list};
}
Items extend(const Item& list, const Item& other) {
  const Items more = elements(other);
  elements(list).insert(elements(list).end(), more.begin(), more.end());
  return {};
}
Items insert(const Item& list, const Item& at, const Item& element) {
  const auto size = static_cast<std::int64_t>(elements(list).size());
  const std::int64_t asked = known_int(at);
  elements(list).insert(elements(list).begin() + std::clamp<std::int64_t>(asked < 0 ? asked + size : asked, 0, size), element);
  return {};
}
Items pop(const Item& list, const Item& at) {
  const std::size_t i = position(at, elements(list).size());
  Item taken = elements(list)[i];
  elements(list).erase(elements(list).begin() + static_cast<std::ptrdiff_t>(i));
  return {taken};
}
Items concatenate(const Item& a, const Item& b) {
  Items out = elements(a);
  out.insert(out.end(), elements(b).begin(), elements(b).end());
  return {list_like(a, std::move(out))};
}

std::optional<Items> run_on_list(const std::string& name, const Items& a) {
  const Item& list = a[0];
  if (name == "aten::len") return Items{number(elements(list).size())};
  if (name == "aten::__getitem__") return Items{elements(list)[position(a[1], elements(list).size())]};
  if (name == "aten::_set_item") {
    elements(list)[position(a[1], elements(list).size())] = a[2];
    return Items{list};
  }
  if (name == "aten::append") return append(list, a[1]);
  if (name == "aten::slice") return slice(list, a);
  if (name == "aten::mul") return repeat(list, a[1]);
  if (name == "aten::insert") return insert(list, a[1], a[2]);
  if (name == "aten::pop") return pop(list, a.size() > 1 ? a[1] : Item(KnownItem{std::int64_t{-1}}));
  if (name == "aten::copy" || name == "aten::list") return Items{list_like(list, elements(list))};
  if (name == "aten::reverse") {
    std::reverse(elements(list).begin(), elements(list).end());
    return Items{};
  }
  if (name == "aten::clear") {
    elements(list).clear();
    return Items{};
  }
  const bool two = a.size() > 1 && a[1].as<ListItem>();
  if (two && name == "aten::add") return concatenate(list, a[1]);
  if (two && name == "aten::add_") {
    extend(list, a[1]);
    return Items{list};
  }
  if (two && name == "aten::extend") return extend(list, a[1]);
  return std::nullopt;
}

using Entries = std::vector<std::pair<Item, Item>>;

Entries::iterator find_entry(Entries& entries, const Item& key) {
  const auto* wanted = find_known(key);
  if (!wanted) throw Error(ErrorCode::unsupported, "a dictionary's key depends on the inputs");
  return std::find_if(entries.begin(), entries.end(), [&](const auto& entry) {
    const auto* known = find_known(entry.first);
    return known && known->tagKind() == wanted->tagKind() && *known == *wanted;
  });
}

Items columns(const Entries& entries, const std::string& name) {
  Items out;
  for (const auto& [key, value] : entries) {
    if (name == "aten::items") out.push_back(TupleItem{{key, value}});
    else out.push_back(name == "aten::keys" ? key : value);
  }
  return {ListItem{std::make_shared<Items>(std::move(out)), nullptr}};
}

std::optional<Items> run_on_dictionary(const std::string& name, const Items& a) {
  Entries& entries = *a[0].as<DictItem>()->entries;
  if (name == "aten::len") return Items{number(entries.size())};
  if (name == "aten::keys" || name == "aten::values" || name == "aten::items") return columns(entries, name);
  if (a.size() < 2) return std::nullopt;
  const auto found = find_entry(entries, a[1]);
  if (name == "aten::__contains__") return Items{KnownItem{found != entries.end()}};
  if (name == "aten::get") return Items{found != entries.end() ? found->second : a.size() > 2 ? a[2] : Item(KnownItem{})};
  if (name == "aten::__getitem__") {
    if (found == entries.end()) throw Error(ErrorCode::data, "a dictionary has no such key");
    return Items{found->second};
  }
  if (name == "aten::_set_item") {
    if (found != entries.end()) found->second = a[2];
    else entries.emplace_back(a[1], a[2]);
    return Items{};
  }
  return std::nullopt;
}

}  // namespace

Item new_dictionary(const Items& arguments) {
  auto entries = std::make_shared<Entries>();
  if (arguments.empty()) return DictItem{std::move(entries)};
  if (const auto* other = arguments[0].as<DictItem>()) {
    *entries = *other->entries;
    return DictItem{std::move(entries)};
  }
  const auto* pairs = arguments[0].as<ListItem>();
  if (!pairs) throw Error(ErrorCode::unsupported, "a dictionary made of something else than pairs");
  for (const Item& pair : *pairs->elements) {
    const auto* tuple = pair.as<TupleItem>();
    if (!tuple || tuple->elements.size() != 2) throw Error(ErrorCode::unsupported, "a dictionary made of something else than pairs");
    const auto found = find_entry(*entries, tuple->elements[0]);
    if (found != entries->end()) found->second = tuple->elements[1];
    else entries->emplace_back(tuple->elements[0], tuple->elements[1]);
  }
  return DictItem{std::move(entries)};
}

std::optional<Items> run_on_containers(const std::string& name, const Items& arguments) {
  if (arguments.empty()) return std::nullopt;
  if (arguments[0].as<ListItem>()) return run_on_list(name, arguments);
  if (arguments[0].as<DictItem>()) return run_on_dictionary(name, arguments);
  const auto* tuple = arguments[0].as<TupleItem>();
  if (tuple && name == "aten::__getitem__") return Items{tuple->elements[position(arguments[1], tuple->elements.size())]};
  if (tuple && name == "aten::len") return Items{number(tuple->elements.size())};
  return std::nullopt;
}

}  // namespace dsc::torchscript
