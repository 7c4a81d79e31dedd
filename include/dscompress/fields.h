// Field lists: one table per options struct, from which parser, defaults, JSON Schema, documentation and the resolved
// recipe are all made.
//
//   struct Options {
//     double share = 0.5;
//     std::vector<std::string> skip;
//     void fields(FieldVisitor& visit) {
//       visit("share", share, {.text = "Share of channels cut in each group.", .minimum = 0, .maximum = 0.95});
//       visit("skip", skip, {.text = "Module globs to leave alone."});
//     }
//   };
//
// Types understood: bool, std::int64_t, double, std::string, FilePath, Quantity, enums with an `enum_names` overload,
// structs with `fields`, std::optional, std::vector and std::map<std::string, T> of these, and std::variant of structs
// that name themselves with `static constexpr const char* kName` (written `name` or `{name: {options}}`).
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace dsc {

// What a field means; ranges apply to the number, or to each number of a list.
struct Doc {
  std::string text;                      // one sentence
  std::string unit = {};                 // "fraction", "epochs", "ms"; empty: none
  std::optional<double> minimum = {};    // inclusive
  std::optional<double> maximum = {};    // inclusive
  bool required = false;                 // absent is an error
  bool only_if_given = false;            // resolved recipes leave it out while it is empty
  std::vector<std::string> units = {};   // units that a Quantity accepts, the first is the default
};

// A file or folder. In a recipe file a relative path starts at that file's folder, on the command line at the current
// folder; once parsed it is absolute.
struct FilePath {
  std::string path;
  bool empty() const { return path.empty(); }
};

// A number with a unit: "0.5pp", "8MB", "30s".
struct Quantity {
  double value = 0;
  std::string unit;
};

class ValueVisitor;
class FieldVisitor;

// Access to containers without their C++ type. `element(i)` and `value(name)` visit one element, creating it if needed.
struct ListAccess {
  std::size_t size;
  std::function<void(std::size_t)> resize;
  std::function<void(std::size_t, ValueVisitor&)> element;
  std::function<void(ValueVisitor&)> prototype;  // visits a default-made element: for schemas
};
struct MapAccess {
  std::vector<std::string> keys;
  std::function<void()> clear;
  std::function<void(const std::string&, ValueVisitor&)> value;
  std::function<void(ValueVisitor&)> prototype;
};
struct OptionalAccess {
  bool has_value;
  std::function<void()> reset;
  std::function<void(ValueVisitor&)> value;  // creates the value if absent
  std::function<void(ValueVisitor&)> prototype;
};
// One of several named alternatives, each with fields.
struct VariantAccess {
  struct Alternative {
    std::string name;
    std::string text;                                  // one line, may be empty
    std::function<void(FieldVisitor&)> prototype;      // visits a default-made alternative
  };
  std::vector<Alternative> alternatives;
  std::optional<std::size_t> current;                  // none: nothing chosen yet
  std::function<void(std::size_t)> choose;             // makes the alternative with its defaults
  std::function<void(FieldVisitor&)> fields;           // visits the chosen one
};

// Sees one value. Implementations: the parser, the writer of resolved recipes, the schema and documentation makers.
class ValueVisitor {
 public:
  virtual ~ValueVisitor() = default;
  virtual void boolean(bool& value) = 0;
  virtual void integer(std::int64_t& value) = 0;
  virtual void number(double& value) = 0;
  virtual void text(std::string& value) = 0;
  virtual void path(FilePath& value) = 0;
  virtual void quantity(Quantity& value) = 0;
  virtual void choice(std::span<const std::string_view> names, std::size_t& index) = 0;
  virtual void object(const std::function<void(FieldVisitor&)>& fields) = 0;
  virtual void list(ListAccess access) = 0;
  virtual void map(MapAccess access) = 0;
  virtual void optional(OptionalAccess access) = 0;
  virtual void variant(VariantAccess access) = 0;
};

template <class T>
concept HasFields = requires(T& value, FieldVisitor& visit) { value.fields(visit); };
// enum_names(E) returns the recipe spelling of each enumerator in order, found by argument-dependent lookup.
template <class T>
concept NamedEnum = std::is_enum_v<T> && requires(T value) {
  { enum_names(value) } -> std::convertible_to<std::span<const std::string_view>>;
};
// A type with its own way to be seen, such as the open set of passes.
template <class T>
concept SelfDescribing = requires(T& value, ValueVisitor& visit) { value.describe(visit); };

// The recipe's spelling of an enumerator.
template <NamedEnum E>
std::string to_text(E value) {
  return std::string(enum_names(value)[static_cast<std::size_t>(value)]);
}

inline void describe(ValueVisitor& visit, bool& value) { visit.boolean(value); }
inline void describe(ValueVisitor& visit, std::int64_t& value) { visit.integer(value); }
inline void describe(ValueVisitor& visit, double& value) { visit.number(value); }
inline void describe(ValueVisitor& visit, std::string& value) { visit.text(value); }
inline void describe(ValueVisitor& visit, FilePath& value) { visit.path(value); }
inline void describe(ValueVisitor& visit, Quantity& value) { visit.quantity(value); }
template <SelfDescribing T>
void describe(ValueVisitor& visit, T& value) {
  value.describe(visit);
}
template <NamedEnum E>
void describe(ValueVisitor& visit, E& value) {
  auto index = static_cast<std::size_t>(value);
  visit.choice(enum_names(value), index);
  value = static_cast<E>(index);
}
template <HasFields T>
void describe(ValueVisitor& visit, T& value) {
  visit.object([&](FieldVisitor& inner) { value.fields(inner); });
}
template <class T>
void describe(ValueVisitor& visit, std::vector<T>& list);
template <class T>
void describe(ValueVisitor& visit, std::map<std::string, T>& map);
template <class T>
void describe(ValueVisitor& visit, std::optional<T>& value);
template <HasFields... T>
void describe(ValueVisitor& visit, std::variant<T...>& value);

// Sees the fields of one struct, in order.
class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  template <class T>
  void operator()(std::string_view name, T& value, const Doc& doc) {
    field(name, doc, [&](ValueVisitor& visit) { describe(visit, value); });
  }
  virtual void field(std::string_view name, const Doc& doc, const std::function<void(ValueVisitor&)>& value) = 0;
  // Called by `fields` after its fields to state a rule between them; `problem` is empty when the rule holds.
  virtual void check(std::string problem) = 0;
  // The rule that exactly one of these fields is given. owner: what messages call the struct.
  void one_of(std::string_view owner, std::initializer_list<std::pair<std::string_view, bool>> fields) {
    std::string names;
    int given = 0;
    for (const auto& [name, is_given] : fields) {
      names += (names.empty() ? "" : ", ") + std::string(name);
      given += is_given ? 1 : 0;
    }
    check(given == 1 ? "" : std::string(owner) + " needs exactly one of " + names + "; found " + std::to_string(given));
  }
};

template <class T>
void describe(ValueVisitor& visit, std::vector<T>& list) {
  visit.list({.size = list.size(),
              .resize = [&](std::size_t size) { list.resize(size); },
              .element = [&](std::size_t i, ValueVisitor& inner) { describe(inner, list[i]); },
              .prototype = [](ValueVisitor& inner) { T element{}; describe(inner, element); }});
}
template <class T>
void describe(ValueVisitor& visit, std::map<std::string, T>& map) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : map) keys.push_back(key);
  visit.map({.keys = std::move(keys),
             .clear = [&] { map.clear(); },
             .value = [&](const std::string& key, ValueVisitor& inner) { describe(inner, map[key]); },
             .prototype = [](ValueVisitor& inner) { T value{}; describe(inner, value); }});
}
template <class T>
void describe(ValueVisitor& visit, std::optional<T>& value) {
  visit.optional({.has_value = value.has_value(),
                  .reset = [&] { value.reset(); },
                  .value = [&](ValueVisitor& inner) { if (!value) value.emplace(); describe(inner, *value); },
                  .prototype = [](ValueVisitor& inner) { T made{}; describe(inner, made); }});
}
template <HasFields... T>
void describe(ValueVisitor& visit, std::variant<T...>& value) {
  static const std::vector<std::variant<T...>> made{std::variant<T...>(T{})...};
  VariantAccess access;
  (access.alternatives.push_back({T::kName, "", [](FieldVisitor& inner) { T t{}; t.fields(inner); }}), ...);
  access.current = value.index();
  access.choose = [&](std::size_t i) { value = made[i]; };
  access.fields = [&](FieldVisitor& inner) { std::visit([&](auto& t) { t.fields(inner); }, value); };
  visit.variant(std::move(access));
}

}  // namespace dsc
