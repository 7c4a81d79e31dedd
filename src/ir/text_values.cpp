#include "ir/text_values.h"

#include <limits>

#include "core/names.h"
#include "ir/text_words.h"

namespace dsc::text {
namespace {

template <class T>
std::vector<T> elements_as(const std::vector<Element>& elements) {
  std::vector<T> out;
  for (const Element& element : elements) out.push_back(std::get<T>(element));
  return out;
}

// The list that unmarked elements make: of integers with one, else by the first element.
ListKind kind_of(const std::vector<Element>& elements) {
  if (elements.empty()) return ListKind::none;
  for (const Element& element : elements) {
    if (std::holds_alternative<std::int64_t>(element)) return ListKind::ints;
  }
  const Element& first = elements.front();
  if (std::holds_alternative<double>(first)) return ListKind::floats;
  if (std::holds_alternative<bool>(first)) return ListKind::bools;
  if (std::holds_alternative<std::string>(first)) return ListKind::strings;
  const auto* value = std::get_if<Value*>(&first);
  return value && !(*value)->is_tensor() ? ListKind::ints : ListKind::tensors;
}

bool fits(ListKind kind, const Element& element) {
  switch (kind) {
    case ListKind::tensors: return std::holds_alternative<Value*>(element) || std::holds_alternative<NoneArgument>(element);
    case ListKind::ints: return std::holds_alternative<std::int64_t>(element) || std::holds_alternative<Value*>(element);
    case ListKind::floats: return std::holds_alternative<double>(element);
    case ListKind::bools: return std::holds_alternative<bool>(element);
    case ListKind::strings: return std::holds_alternative<std::string>(element);
    case ListKind::none: break;
  }
  return false;
}

Argument make_list(ListKind kind, const std::vector<Element>& elements) {
  switch (kind) {
    case ListKind::floats: return elements_as<double>(elements);
    case ListKind::bools: return elements_as<bool>(elements);
    case ListKind::strings: return elements_as<std::string>(elements);
    case ListKind::ints: {
      IntList list;
      for (const Element& element : elements) {
        const auto* number = std::get_if<std::int64_t>(&element);
        list.push_back(number ? IntOrValue(*number) : IntOrValue(std::get<Value*>(element)));
      }
      return list;
    }
    default: break;
  }
  ValueList list;
  for (const Element& element : elements) {
    const auto* value = std::get_if<Value*>(&element);
    list.push_back(value ? *value : nullptr);
  }
  return list;
}

Argument to_argument(Element element) {
  return std::visit([](auto value) { return Argument(std::move(value)); }, std::move(element));
}

Argument constant_of(std::string_view word) {
  if (word == "inf") return std::numeric_limits<double>::infinity();
  if (word == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (word == "None") return NoneArgument{};
  return word == "true";
}

}  // namespace

std::vector<std::string> ValueParser::value_names() const {
  std::vector<std::string> names;
  const auto add = [&](const Value* value) { if (value) names.push_back(value->name()); };
  for (const GraphInput& input : graph_.inputs()) add(input.value);
  for (const Node* node : graph_.nodes()) {
    for (const Value* value : node->outputs()) add(value);
  }
  return names;
}

Dim ValueParser::parse_dim() {
  const char next = cursor_.peek();
  if ((next >= '0' && next <= '9') || next == '-') return {.size = cursor_.integer("a dimension")};
  Dim dim{.size = -1, .expression = cursor_.expression()};
  if (dim.expression.empty()) cursor_.fail_expected("an expression that is not empty");
  if (cursor_.skip("{")) {
    dim.size = cursor_.integer("the dimension's value in the example");
    cursor_.expect("}");
  }
  return dim;
}

std::vector<Dim> ValueParser::parse_dims() {
  std::vector<Dim> dims;
  cursor_.expect("[");
  while (!cursor_.skip("]")) {
    if (!dims.empty()) cursor_.expect(",");
    dims.push_back(parse_dim());
  }
  return dims;
}

Device ValueParser::parse_device() {
  Device device{.type = cursor_.word_or_string("a device such as cuda:0")};
  if (cursor_.skip(":")) device.index = cursor_.integer("the device's number");
  return device;
}

Type ValueParser::parse_type() {
  cursor_.peek();
  const std::size_t begin = cursor_.position();
  const std::string_view word = cursor_.word("a type such as f32[2, 3] or sym_int");
  if (const ScalarKind* kind = find_word(kSymbols, word)) {
    SymbolType symbol{.kind = *kind};
    if (*kind == ScalarKind::sym_int) {
      symbol.expression = parse_dim();
      return symbol;
    }
    symbol.expression.expression = cursor_.string("an expression in quotes");
    if (cursor_.skip("{")) {
      symbol.hint = cursor_.real("the value in the example");
      cursor_.expect("}");
    }
    return symbol;
  }
  const auto dtype = find_scalar_type(word);
  if (!dtype) {
    cursor_.fail(begin, "`" + std::string(word) + "` is no type",
                 suggest(word, {"f32", "f16", "bf16", "f64", "i64", "i32", "i16", "i8", "u8", "bool", "sym_int"}));
  }
  TensorType type{.dtype = *dtype, .sizes = parse_dims()};
  if (cursor_.skip_word("strides")) type.strides = parse_dims();
  if (cursor_.skip_word("device")) type.device = parse_device();
  type.requires_grad = cursor_.skip_word("grad");
  return type;
}

Value* ValueParser::parse_value() {
  cursor_.peek();
  const std::size_t begin = cursor_.position();
  cursor_.expect("%");
  const std::string name = cursor_.word_or_string("a value's name");
  if (Value* value = graph_.find_value(name)) return value;
  const auto nearest = nearest_names(name, value_names());
  cursor_.fail(begin, "%" + name + " is not defined above",
               nearest.empty() ? "a value is defined before it is used" : "did you mean %" + nearest.front() + "?");
}

Element ValueParser::parse_element() {
  const char next = cursor_.peek();
  if (next == '%') return parse_value();
  if (next == '"') return cursor_.string("a text");
  if (cursor_.skip_word("None")) return NoneArgument{};
  if (cursor_.skip_word("true")) return true;
  if (cursor_.skip_word("false")) return false;
  const auto number = cursor_.number("a value such as %x, 1, 1.5, true, \"text\", None or [1, 2]");
  return std::visit([](auto value) { return Element(value); }, number);
}

Argument ValueParser::parse_list(ListKind kind) {
  const std::size_t begin = cursor_.position();
  cursor_.expect("[");
  std::vector<Element> elements;
  while (!cursor_.skip("]")) {
    if (!elements.empty()) cursor_.expect(",");
    elements.push_back(parse_element());
  }
  if (kind == ListKind::none) kind = kind_of(elements);
  if (kind == ListKind::none) {
    cursor_.fail(begin, "an empty list does not tell its kind", "write ints[], floats[], bools[], strings[] or tensors[]");
  }
  for (const Element& element : elements) {
    if (!fits(kind, element)) cursor_.fail(begin, "the list holds values of several kinds", "expected one kind");
  }
  return make_list(kind, elements);
}

Argument ValueParser::parse_argument() {
  const char next = cursor_.peek();
  if (next == '[') return parse_list(ListKind::none);
  if (!is_word_start(next)) return to_argument(parse_element());
  for (std::string_view word : {"None", "true", "false", "inf", "nan"}) {
    if (cursor_.next_is_word(word)) return to_argument(parse_element());
  }
  const std::size_t begin = cursor_.position();
  return parse_worded(cursor_.word("a value"), begin);
}

// What starts with a word: a typed list, an enumerator, a device or a complex number.
Argument ValueParser::parse_worded(std::string_view word, std::size_t begin) {
  if (word == "tensors") return parse_list(ListKind::tensors);
  if (word == "ints") return parse_list(ListKind::ints);
  if (word == "floats") return parse_list(ListKind::floats);
  if (word == "bools") return parse_list(ListKind::bools);
  if (word == "strings") return parse_list(ListKind::strings);
  if (const auto type = find_scalar_type(word)) return *type;
  if (const MemoryFormat* format = find_word(kFormats, word)) return *format;
  if (const Layout* layout = find_word(kLayouts, word)) return *layout;
  if (word == "device") {
    cursor_.expect("(");
    Device device = parse_device();
    cursor_.expect(")");
    return device;
  }
  if (word == "complex") {
    cursor_.expect("(");
    const double real = cursor_.real("the real part");
    cursor_.expect(",");
    const double imaginary = cursor_.real("the imaginary part");
    cursor_.expect(")");
    return Complex{real, imaginary};
  }
  cursor_.fail(begin, "`" + std::string(word) + "` is no value",
               "expected %x, a number, true, \"text\", None, a list, a scalar type or a memory format");
}

// `name=value`, `name:=value`, `value` or `:=value`.
NamedArgument ValueParser::parse_named_argument() {
  NamedArgument argument;
  const char next = cursor_.peek();
  const std::size_t begin = cursor_.position();
  if (cursor_.skip(":=")) {
    argument.is_keyword = true;
    argument.value = parse_argument();
  } else if (next == '"' || is_word_start(next)) {
    std::string name = cursor_.word_or_string("an argument");
    argument.is_keyword = cursor_.skip(":=");
    if (argument.is_keyword || cursor_.skip("=")) {
      argument.name = std::move(name);
      argument.value = parse_argument();
    } else if (next == '"') {
      argument.value = std::move(name);
    } else if (name == "inf" || name == "nan" || name == "None" || name == "true" || name == "false") {
      argument.value = constant_of(name);
    } else {
      argument.value = parse_worded(name, begin);
    }
  } else {
    argument.value = parse_argument();
  }
  return argument;
}

}  // namespace dsc::text
