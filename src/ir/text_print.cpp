// Prints a graph; ir/text.h describes the form.
#include <charconv>
#include <cmath>
#include <unordered_map>

#include "ir/text.h"
#include "ir/text_words.h"

namespace dsc {
namespace {

std::string quote(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string word_or_quote(std::string_view text) {
  return text::is_plain_word(text) ? std::string(text) : quote(text);
}

// The shortest text that reads back as the same bits; always told from an integer.
std::string number(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[32];
  std::string text(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string value_name(const Value* value) {
  if (!value) return "None";
  return "%" + word_or_quote(value->name());
}

std::string device_text(const Device& device) {
  std::string text = word_or_quote(device.type);
  if (device.index) text += ":" + std::to_string(*device.index);
  return text;
}

std::string dim_text(const Dim& dim) {
  if (dim.is_fixed()) return std::to_string(dim.size);
  if (dim.size == -1) return quote(dim.expression);
  const std::string text = text::is_plain_expression(dim.expression) ? dim.expression : quote(dim.expression);
  return text + "{" + std::to_string(dim.size) + "}";
}

template <class List, class Each>
std::string list_text(const List& list, std::string_view prefix, Each each) {
  std::string text(prefix);
  text += "[";
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (i > 0) text += ", ";
    text += each(list[i]);
  }
  return text + "]";
}

// Whether a list that starts with this value reads as a list of integers; other lists of values are of tensors.
bool reads_as_integer(const Value* value) { return value && !value->is_tensor(); }

struct ArgumentText {
  std::string operator()(NoneArgument) const { return "None"; }
  std::string operator()(const Value* value) const { return value_name(value); }
  std::string operator()(const ValueList& list) const {
    const bool clear = !list.empty() && !reads_as_integer(list.front());
    return list_text(list, clear ? "" : "tensors", value_name);
  }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(const IntList& list) const {
    bool clear = false;
    for (const IntOrValue& item : list) clear = clear || std::holds_alternative<std::int64_t>(item);
    if (!list.empty() && !clear) clear = reads_as_integer(std::get<Value*>(list.front()));
    return list_text(list, clear ? "" : "ints", [](const IntOrValue& item) {
      const auto* number = std::get_if<std::int64_t>(&item);
      return number ? std::to_string(*number) : value_name(std::get<Value*>(item));
    });
  }
  std::string operator()(double value) const { return number(value); }
  std::string operator()(const std::vector<double>& list) const { return list_text(list, list.empty() ? "floats" : "", number); }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(const std::vector<bool>& list) const {
    return list_text(list, list.empty() ? "bools" : "", [](bool value) { return value ? "true" : "false"; });
  }
  std::string operator()(const std::string& text) const { return quote(text); }
  std::string operator()(const std::vector<std::string>& list) const { return list_text(list, list.empty() ? "strings" : "", quote); }
  std::string operator()(ScalarType type) const { return std::string(to_string(type)); }
  std::string operator()(MemoryFormat format) const { return std::string(text::word_of(text::kFormats, format)); }
  std::string operator()(Layout layout) const { return std::string(text::word_of(text::kLayouts, layout)); }
  std::string operator()(const Device& device) const { return "device(" + device_text(device) + ")"; }
  std::string operator()(const Complex& value) const {
    return "complex(" + number(value.real) + ", " + number(value.imaginary) + ")";
  }
};

std::string argument_text(const Argument& argument) { return std::visit(ArgumentText{}, argument); }

std::string arguments_text(const std::vector<Argument>& arguments) {
  std::string text = "(";
  for (std::size_t i = 0; i < arguments.size(); ++i) text += (i > 0 ? ", " : "") + argument_text(arguments[i]);
  return text + ")";
}

class Printer {
 public:
  Printer(const Graph& graph, PrintOptions options) : graph_(graph), options_(options) {}

  std::string print() {
    text_ = "graph {\n";
    for (std::size_t i = 0; i < graph_.regions().size(); ++i) {
      const Region& region = *graph_.regions()[i];
      regions_[&region] = "r" + std::to_string(i);
      text_ += "  region ";
      text_ += text::word_of(text::kRegions, region.kind);
      text_ += arguments_text(region.arguments) + " " + quote(region.name) + inside(region.parent) + "\n";
    }
    for (const GraphInput& input : graph_.inputs()) print_input(input);
    for (const Node* node : graph_.nodes()) print_node(*node);
    for (const GraphOutput& output : graph_.outputs()) {
      text_ += "  ";
      text_ += text::word_of(text::kOutputs, output.kind);
      if (!output.target.empty()) text_ += " " + quote(output.target) + " =";
      text_ += " " + argument_text(output.value) + "\n";
    }
    text_ += "}\n";
    return std::move(text_);
  }

 private:
  std::string inside(const Region* region) const {
    if (!region) return "";
    const auto found = regions_.find(region);
    return " in " + (found == regions_.end() ? std::string("r?") : found->second);
  }

  std::string type_text(const Type& type) const {
    if (const auto* symbol = std::get_if<SymbolType>(&type)) {
      std::string text(text::word_of(text::kSymbols, symbol->kind));
      if (symbol->kind == ScalarKind::sym_int) return text + " " + dim_text(symbol->expression);
      text += " " + quote(symbol->expression.expression);
      return symbol->hint ? text + "{" + number(*symbol->hint) + "}" : text;
    }
    const auto& tensor = std::get<TensorType>(type);
    std::string text = list_text(tensor.sizes, to_string(tensor.dtype), dim_text);
    if (!options_.metadata) return text;
    if (!tensor.strides.empty()) text += list_text(tensor.strides, " strides ", dim_text);
    if (tensor.device != Device{}) text += " device " + device_text(tensor.device);
    if (tensor.requires_grad) text += " grad";
    return text;
  }

  std::string definition(const Value* value) const { return value_name(value) + ": " + type_text(value->type()); }

  void print_input(const GraphInput& input) {
    text_ += "  ";
    text_ += text::word_of(text::kInputs, input.kind);
    if (input.kind == InputKind::literal || !input.value) {
      text_ += " " + quote(input.target) + " = " + argument_text(input.literal);
    } else {
      text_ += " " + value_name(input.value);
      if (input.target != input.value->name()) text_ += " " + quote(input.target);
      text_ += ": " + type_text(input.value->type());
    }
    if (!input.persistent) text_ += " non_persistent";
    text_ += "\n";
  }

  std::string outputs_text(const Node& node) const {
    if (node.output_structure().empty()) return "_";
    std::string text;
    std::size_t next = 0;
    for (int size : node.output_structure()) {
      if (!text.empty()) text += ", ";
      if (size < 0) {
        if (next < node.outputs().size()) text += definition(node.outputs()[next++]);
        continue;
      }
      text += "[";
      for (int i = 0; i < size && next < node.outputs().size(); ++i) {
        text += (i > 0 ? ", " : "") + definition(node.outputs()[next++]);
      }
      text += "]";
    }
    return text;
  }

  void print_node(const Node& node) {
    text_ += "  " + outputs_text(node) + " = " + word_or_quote(node.target()) + "(";
    bool first = true;
    for (const NamedArgument& argument : node.arguments()) {
      if (!first) text_ += ", ";
      first = false;
      if (!argument.name.empty()) text_ += word_or_quote(argument.name);
      if (argument.is_keyword) text_ += ":=";
      if (!argument.is_keyword && !argument.name.empty()) text_ += "=";
      text_ += argument_text(argument.value);
    }
    text_ += ")";
    if (!node.module_path().empty()) text_ += " @" + word_or_quote(node.module_path());
    text_ += inside(node.region());
    if (node.outputs().empty() || node.name() != node.output()->name()) text_ += " name " + quote(node.name());
    if (options_.metadata && !node.metadata().empty()) {
      std::string separator = " {";
      for (const auto& [key, value] : node.metadata()) {
        text_ += separator + quote(key) + ": " + quote(value);
        separator = ", ";
      }
      text_ += "}";
    }
    text_ += "\n";
  }

  const Graph& graph_;
  PrintOptions options_;
  std::unordered_map<const Region*, std::string> regions_;
  std::string text_;
};

}  // namespace

std::string print_graph(const Graph& graph, PrintOptions options) { return Printer(graph, options).print(); }

}  // namespace dsc
