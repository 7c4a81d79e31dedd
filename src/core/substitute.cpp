// ${name}, ${env:NAME:-default} and ${arithmetic} in the values of a tree.
#include <algorithm>
#include <cstdlib>
#include <map>

#include "core/compose.h"
#include "core/expression.h"
#include "core/names.h"

namespace dsc {
namespace {

constexpr std::size_t kLongestText = 1 << 16;

// The position of the } that closes the ${ whose content starts at `begin`; npos: none.
std::size_t find_close(std::string_view text, std::size_t begin) {
  int depth = 1;
  for (auto i = begin; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return i;
  }
  return std::string_view::npos;
}

std::string trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(' ') - begin + 1));
}

// A value cannot be made because of a problem that is in the list already.
struct AlreadyReported {};

class Substitution {
 public:
  Substitution(const Tree& vars, std::vector<std::string>& used, std::vector<Problem>& problems) : vars_(vars), used_(used), problems_(problems) {}

  void walk(Tree& tree) {
    if (++nodes_ > kMaxTreeNodes) throw Error(ErrorCode::recipe, "the variables make too many values", tree.place());
    for (auto& item : tree.items) walk(item);
    for (auto& entry : tree.entries) walk(entry.value);
    if (tree.kind != Tree::Kind::scalar || tree.text.find("${") == std::string::npos) return;
    try {
      replace(tree);
    } catch (Error& error) {  // collected with the others
      error.add_place(tree.place());
      if (nodes_ > kMaxTreeNodes) throw;  // the same would follow for every further value
      problems_.insert(problems_.end(), error.problems().begin(), error.problems().end());
      tree.kind = Tree::Kind::broken;
    } catch (const AlreadyReported&) {
      tree.kind = Tree::Kind::broken;
    }
  }

 private:
  [[noreturn]] static void fail(std::string message, std::string hint = {}) {
    throw Error(ErrorCode::recipe, std::move(message), {}, std::move(hint));
  }

  void replace(Tree& tree) {
    const auto text = tree.text;
    const bool whole = text.starts_with("${") && find_close(text, 2) == text.size() - 1;
    if (!whole) {
      tree.text = expand_text(text);
      tree.quoted = true;
    } else {
      auto value = value_of(text.substr(2, text.size() - 3));
      if (value.kind == Tree::Kind::broken) {
        tree.kind = Tree::Kind::broken;
        return;
      }
      value.source = tree.source;  // a path starts at the file that uses it
      value.line = tree.line;
      value.column = tree.column;
      value.pointer = tree.pointer;
      tree = std::move(value);
      set_pointers(tree, tree.pointer);
    }
    tree.written = text;
  }

  // Text with substitutions inside.
  std::string expand_text(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
      if (text.substr(i).starts_with("$${")) {
        out += "${";
        i += 3;
      } else if (text.substr(i).starts_with("${")) {
        const auto close = find_close(text, i + 2);
        if (close == std::string_view::npos) fail("`${` without `}` in \"" + std::string(text) + "\"", "write $${ for a plain ${");
        out += text_of(std::string(text.substr(i + 2, close - i - 2)));
        i = close + 1;
      } else {
        out += text[i++];
      }
      if (out.size() > kLongestText) fail("the substituted text is longer than 64 kB");
    }
    return out;
  }

  std::string text_of(const std::string& content) {
    const auto value = value_of(content);
    if (value.kind == Tree::Kind::broken) throw AlreadyReported{};
    if (value.kind != Tree::Kind::scalar) {
      fail("`${" + content + "}` is " + describe_found(value) + " and cannot be part of a text", "use it as the whole value");
    }
    return is_null(value) ? "" : value.text;
  }

  Tree value_of(const std::string& content) {
    const auto text = trimmed(content);
    if (text.starts_with("env:")) return environment(text.substr(4));
    if (is_variable_name(text)) return variable(text);
    if (text.empty()) fail("`${}` names nothing", "write ${name}");
    return number_tree(evaluate_expression(text, [&](const std::string& name) { return number_of(name); }));
  }

  Tree environment(const std::string& text) {
    const auto mark = text.find(":-");
    const auto name = text.substr(0, mark);
    const bool valid = is_variable_name(name) && name.find('.') == std::string::npos;
    if (!valid) fail("`" + name + "` cannot be the name of an environment variable", "write ${env:NAME} or ${env:NAME:-default}");
    const char* found = std::getenv(name.c_str());
    const bool use_default = mark != std::string::npos && (!found || !*found);
    if (!found && !use_default) {
      fail("the environment variable " + name + " is not set", "export " + name + "=..., or give a default: ${env:" + name + ":-default}");
    }
    auto value = plain_tree(use_default ? expand_text(text.substr(mark + 2)) : found);
    value.quoted = value.text.empty();  // set to nothing is an empty text
    value.any_type = true;
    return value;
  }

  double number_of(const std::string& name) {
    const auto value = variable(name);
    if (value.kind == Tree::Kind::broken) throw AlreadyReported{};
    const auto look = value.kind == Tree::Kind::scalar ? look_of(value) : ScalarLook::text;
    if (look != ScalarLook::integer && look != ScalarLook::number) {
      fail("`" + name + "` is " + describe_found(value) + ", and arithmetic needs a number");
    }
    return std::strtod(value.text.c_str(), nullptr);
  }

  // A variable's value with its own substitutions made. "a.b" is key b of variable a.
  Tree variable(const std::string& name) {
    const auto first = name.substr(0, name.find('.'));
    const auto& root = resolved(first);
    const Tree* value = &root;
    for (auto rest = name.substr(first.size()); !rest.empty() && value->kind != Tree::Kind::broken;) {
      rest.erase(0, 1);
      const auto key = rest.substr(0, rest.find('.'));
      rest.erase(0, key.size());
      std::vector<std::string> keys;
      for (const auto& entry : value->entries) keys.push_back(entry.key);
      value = value->find(key);
      if (!value) fail("the variable `" + name + "` has no key `" + key + "`", suggest(key, keys));
    }
    nodes_ += count_nodes(*value);
    if (nodes_ > kMaxTreeNodes) fail("the variables make too many values");
    return *value;
  }

  const Tree& resolved(const std::string& name) {
    const auto known = values_.find(name);
    if (known != values_.end()) return known->second;
    const auto* value = vars_.find(name);
    if (!value) {
      std::vector<std::string> names;
      for (const auto& entry : vars_.entries) names.push_back(entry.key);
      const auto declare = "declare it: vars: {" + name + ": ...}; or write ${env:" + name + "}";
      fail("unknown variable `" + name + "`", names.empty() ? declare : suggest(name, names));
    }
    if (std::find(active_.begin(), active_.end(), name) != active_.end()) {
      std::string chain;
      for (const auto& active : active_) chain += active + " -> ";
      fail("the variables refer to each other in a circle: " + chain + name);
    }
    used_.push_back(name);
    active_.push_back(name);
    auto copy = *value;
    walk(copy);
    active_.pop_back();
    return values_.emplace(name, std::move(copy)).first->second;
  }

  const Tree& vars_;
  std::vector<std::string>& used_;
  std::vector<Problem>& problems_;
  std::map<std::string, Tree> values_;
  std::vector<std::string> active_;
  std::size_t nodes_ = 0;
};

}  // namespace

void substitute(Tree& tree, const Tree& vars, std::vector<std::string>& used, std::vector<Problem>& problems) {
  Substitution(vars, used, problems).walk(tree);
}

}  // namespace dsc
