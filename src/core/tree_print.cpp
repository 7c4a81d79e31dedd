// Trees as YAML and JSON text: quoted where a reader would take a word for something else.
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "core/tree.h"

namespace dsc {
namespace {

std::string quote(std::string_view text) {
  constexpr std::array<char, 17> kHex = {"0123456789abcdef"};
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      quoted += {'\\', c};
    else if (c == '\n')
      quoted += "\\n";
    else if (c == '\t')
      quoted += "\\t";
    else if (c == '\r')
      quoted += "\\r";
    else if (byte < 0x20 || byte == 0x7F)
      quoted += {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
    else
      quoted += c;
  }
  return quoted + "\"";
}

// Whether a text can stand without quotes and is text to every YAML reader, 1.1 included.
bool is_safe_plain(std::string_view text) {
  constexpr std::array<std::string_view, 14> kWords = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "inf", "nan", "~", ""};
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (std::find(kWords.begin(), kWords.end(), lower) != kWords.end()) return false;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/'; };
  const auto is_plain = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+'; };
  return is_letter(text.front()) && std::all_of(text.begin(), text.end(), is_plain);
}

// A plain scalar in the spelling that YAML and JSON share: `+.5` -> 0.5, `True` -> true, `~` -> null.
std::string shared_spelling(const Tree& tree, ScalarLook look) {
  if (look == ScalarLook::null) return "null";
  if (look == ScalarLook::boolean) return tree.text.front() == 't' || tree.text.front() == 'T' ? "true" : "false";
  const std::string_view digits = std::string_view(tree.text).substr(tree.text.front() == '+' ? 1 : 0);
  double value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool exact = look == ScalarLook::integer || read.ec != std::errc{};
  return exact ? std::string(digits) : number_text(value);
}

std::string scalar_text(const Tree& tree, bool yaml) {
  const auto look = look_of(tree);
  if (look != ScalarLook::text && look != ScalarLook::odd) return shared_spelling(tree, look);
  return yaml && is_safe_plain(tree.text) ? tree.text : quote(tree.text);
}

std::string key_text(const std::string& key) { return is_safe_plain(key) ? key : quote(key); }

bool is_flat(const Tree& tree) {
  return tree.kind == Tree::Kind::list &&
         std::all_of(tree.items.begin(), tree.items.end(), [](const Tree& item) { return item.kind == Tree::Kind::scalar; });
}

bool is_empty(const Tree& tree) { return tree.kind != Tree::Kind::scalar && tree.items.empty() && tree.entries.empty(); }

void write_block(const Tree& tree, int indent, std::string& out);

// The value after "key:" or "-".
void write_value(const Tree& tree, int indent, std::string& out) {
  if (tree.kind == Tree::Kind::scalar) {
    out += " " + scalar_text(tree, true) + "\n";
  } else if (is_empty(tree)) {
    out += tree.kind == Tree::Kind::list ? " []\n" : " {}\n";
  } else if (is_flat(tree)) {
    out += " [";
    for (std::size_t i = 0; i < tree.items.size(); ++i) out += (i ? ", " : "") + scalar_text(tree.items[i], true);
    out += "]\n";
  } else {
    out += "\n";
    write_block(tree, indent + 2, out);
  }
}

void write_block(const Tree& tree, int indent, std::string& out) {
  const std::string margin(static_cast<std::size_t>(indent), ' ');
  for (const auto& entry : tree.entries) {
    out += margin + key_text(entry.key) + ":";
    write_value(entry.value, indent, out);
  }
  for (const auto& item : tree.items) {
    if (item.kind == Tree::Kind::map && !item.entries.empty()) {  // "- key: value" on one line
      std::string block;
      write_block(item, indent + 2, block);
      block[static_cast<std::size_t>(indent)] = '-';
      out += block;
    } else {
      out += margin + "-";
      write_value(item, indent, out);
    }
  }
}

void write_json(const Tree& tree, int indent, int depth, std::string& out) {
  if (tree.kind == Tree::Kind::scalar) {
    out += scalar_text(tree, false);
    return;
  }
  const bool list = tree.kind == Tree::Kind::list;
  const bool one_line = is_empty(tree) || is_flat(tree) || indent < 0;
  const auto break_line = [&](int level) {
    if (!one_line) out += "\n" + std::string(static_cast<std::size_t>(level * indent), ' ');
  };
  out += list ? "[" : "{";
  for (std::size_t i = 0; i < tree.items.size(); ++i) {
    out += i == 0 ? "" : one_line ? ", " : ",";
    break_line(depth + 1);
    write_json(tree.items[i], indent, depth + 1, out);
  }
  for (std::size_t i = 0; i < tree.entries.size(); ++i) {
    out += i == 0 ? "" : one_line ? ", " : ",";
    break_line(depth + 1);
    out += quote(tree.entries[i].key) + ": ";
    write_json(tree.entries[i].value, indent, depth + 1, out);
  }
  break_line(depth);
  out += list ? "]" : "}";
}

}  // namespace

std::string to_yaml(const Tree& tree) {
  std::string out;
  if (tree.kind == Tree::Kind::scalar || is_empty(tree) || is_flat(tree)) {
    write_value(tree, 0, out);
    return out.substr(1);
  }
  write_block(tree, 0, out);
  return out;
}

std::string to_json(const Tree& tree, int indent) {
  std::string out;
  write_json(tree, indent, 0, out);
  return out + (indent < 0 ? "" : "\n");
}

}  // namespace dsc
