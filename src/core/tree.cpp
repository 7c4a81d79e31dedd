#include "core/tree.h"

#include <array>
#include <charconv>
#include <cmath>
#include <regex>

namespace dsc {
namespace {

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  for (const auto word : words) {
    if (text == word) return true;
  }
  return false;
}

// Numbers to YAML 1.1 or 1.2, but not to both or not to JSON.
bool is_odd_number(const std::string& text) {
  static const std::regex odd(R"([-+]?0[xX][0-9a-fA-F_]+|[-+]?0[oO][0-7_]+|[-+]?0[bB][01_]+|[-+]?0[0-9_]+(\.[0-9]*)?([eE][-+]?[0-9]+)?|)"
                              R"([-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))");
  return std::regex_match(text, odd);
}

std::string shorten(const std::string& text) {
  constexpr std::size_t kShown = 60;
  const auto line = text.substr(0, text.find('\n'));
  if (line.size() <= kShown) return line.size() < text.size() ? line + "..." : line;
  std::size_t end = kShown;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;  // never inside a character
  return line.substr(0, end) + "...";
}

}  // namespace

Place Tree::place() const { return {source ? source->name : "", line, column, pointer}; }

const Tree* Tree::find(std::string_view key) const {
  for (const auto& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

Tree* Tree::find(std::string_view key) { return const_cast<Tree*>(std::as_const(*this).find(key)); }

Tree& Tree::add(std::string key, Tree value) {
  entries.push_back({.key = std::move(key), .line = value.line, .column = value.column, .value = std::move(value)});
  return entries.back().value;
}

Place TreeEntry::key_place() const { return {value.source ? value.source->name : "", line, column, value.pointer}; }

ScalarLook look_of(const Tree& scalar) {
  static const std::regex integer(R"([-+]?(0|[1-9][0-9]*))");
  static const std::regex number(R"([-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?)");
  constexpr std::size_t kLongestNumber = 400;
  const auto& text = scalar.text;
  if (scalar.quoted || text.size() > kLongestNumber) return ScalarLook::text;
  if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return ScalarLook::null;
  if (is_one_of(text, {"true", "True", "TRUE", "false", "False", "FALSE"})) return ScalarLook::boolean;
  if (std::regex_match(text, integer)) return ScalarLook::integer;
  if (std::regex_match(text, number)) return ScalarLook::number;
  return is_odd_number(text) ? ScalarLook::odd : ScalarLook::text;
}

bool is_null(const Tree& tree) { return tree.kind == Tree::Kind::scalar && look_of(tree) == ScalarLook::null; }

std::string describe_found(const Tree& tree) {
  const auto origin = tree.written.empty() ? "" : " (from `" + shorten(tree.written) + "`)";
  if (tree.kind == Tree::Kind::list) return (tree.items.empty() ? "an empty list" : "a list") + origin;
  if (tree.kind == Tree::Kind::map) {
    if (tree.entries.empty()) return "an empty mapping" + origin;
    return "a mapping with `" + shorten(tree.entries.front().key) + "`" + (tree.entries.size() > 1 ? ", ..." : "") + origin;
  }
  switch (look_of(tree)) {
    case ScalarLook::null:
      return "nothing" + origin;
    case ScalarLook::integer:
    case ScalarLook::number:
      return "the number " + shorten(tree.text) + origin;
    case ScalarLook::boolean:
      return "`" + tree.text + "`" + origin;
    default:
      return "the text \"" + shorten(tree.text) + "\"" + origin;
  }
}

std::string label_of(const std::string& pointer) {
  if (pointer.empty()) return "the file";
  std::string indices, name;
  auto rest = pointer;
  while (!rest.empty()) {
    const auto slash = rest.rfind('/');
    const auto part = rest.substr(slash + 1);
    rest.resize(slash);
    if (part.empty() || part.find_first_not_of("0123456789") != std::string::npos || rest.empty()) {
      name = part;
      break;
    }
    indices = "[" + part + "]" + indices;
  }
  std::string plain;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool escape = name[i] == '~' && i + 1 < name.size();
    plain += escape ? (name[++i] == '1' ? '/' : '~') : name[i];
  }
  return "`" + shorten(plain) + indices + "`";
}

std::string child_pointer(const std::string& pointer, std::string_view part) {
  auto child = pointer + "/";
  for (const char c : part) {
    if (c == '~')
      child += "~0";
    else if (c == '/')
      child += "~1";
    else
      child += c;
  }
  return child;
}

void set_pointers(Tree& tree, const std::string& pointer) {
  tree.pointer = pointer;
  for (std::size_t i = 0; i < tree.items.size(); ++i) set_pointers(tree.items[i], child_pointer(pointer, std::to_string(i)));
  for (auto& entry : tree.entries) set_pointers(entry.value, child_pointer(pointer, entry.key));
}

std::size_t count_nodes(const Tree& tree) {
  std::size_t count = 1;
  for (const auto& item : tree.items) count += count_nodes(item);
  for (const auto& entry : tree.entries) count += count_nodes(entry.value);
  return count;
}

Tree text_tree(std::string text) {
  Tree tree;
  tree.text = std::move(text);
  tree.quoted = true;
  return tree;
}

Tree plain_tree(std::string text) {
  Tree tree;
  tree.text = std::move(text);
  return tree;
}

Tree number_tree(double value) { return plain_tree(number_text(value)); }

Tree list_tree(std::vector<Tree> items) {
  Tree tree;
  tree.kind = Tree::Kind::list;
  tree.items = std::move(items);
  return tree;
}

Tree map_tree(std::vector<std::pair<std::string, Tree>> entries) {
  Tree tree;
  tree.kind = Tree::Kind::map;
  for (auto& [key, value] : entries) tree.add(std::move(key), std::move(value));
  return tree;
}

std::string number_text(double value) {
  if (!std::isfinite(value)) throw Error(ErrorCode::internal, "a number that is not finite cannot be written");
  std::array<char, 64> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  return {buffer.data(), end};
}

}  // namespace dsc
