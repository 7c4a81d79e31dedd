// Values set from the command line: `--set passes.0.prune.steps=3`.
#include <algorithm>
#include <charconv>

#include "core/compose.h"
#include "core/names.h"

namespace dsc {
namespace {

// "a.b.0", with quotes around keys that contain points ("a.\"b.c\".0"), or a JSON Pointer ("/a/b.c/0").
std::vector<std::string> split_path(const std::string& path) {
  const bool pointer = path.starts_with('/');
  std::vector<std::string> parts(1);
  bool quoted = false;
  for (auto i = static_cast<std::size_t>(pointer); i < path.size(); ++i) {
    const char c = path[i];
    if (pointer && c == '~' && i + 1 < path.size())
      parts.back() += path[++i] == '1' ? '/' : '~';
    else if (!pointer && c == '"')
      quoted = !quoted;
    else if (!quoted && c == (pointer ? '/' : '.'))
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

class OverrideSetter {
 public:
  OverrideSetter(const Override& override, std::vector<Problem>& problems) : override_(override), problems_(problems) {
    source_ = std::make_shared<const TreeSource>(TreeSource{override.origin + " " + override.path + "=" + override.value, ""});
  }

  void apply(Tree& root) {
    auto given = value();
    auto* at = &root;
    const auto parts = split_path(override_.path);
    for (const auto& part : parts) at = step(*at, part);
    const auto pointer = at->pointer;
    *at = std::move(given);
    set_pointers(*at, pointer);
  }

 private:
  [[noreturn]] void fail(std::string message, std::string hint) const {
    throw Error(ErrorCode::recipe, std::move(message), {.file = source_->name}, std::move(hint));
  }

  Tree* step(Tree& at, const std::string& part) {
    if (part.empty()) fail("the path `" + override_.path + "` has an empty part", "write path=value, e.g. passes.0.prune.steps=3");
    if (at.kind == Tree::Kind::list) return &at.items[index_in(at, part)];
    if (at.kind == Tree::Kind::scalar) make_map(at, part);
    if (auto* found = at.find(part)) return found;
    if (at.pointer == "/vars") fail("unknown variable `" + part + "`", suggest(part, keys_of(at)));
    auto made = map_tree();
    made.source = source_;
    made.pointer = child_pointer(at.pointer, part);
    return &at.add(part, std::move(made));
  }

  std::size_t index_in(const Tree& list, const std::string& part) const {
    std::size_t index = 0;
    const auto read = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool number = read.ec == std::errc{} && read.ptr == part.data() + part.size();
    const auto label = label_of(list.pointer);
    if (!number) fail(label + " is a list; expected an index, found `" + part + "`", "count from 0, e.g. " + list.pointer.substr(1) + ".0");
    if (index >= list.items.size()) {
      const auto size = list.items.size();
      fail(label + " has no index " + part, size == 0   ? "it is empty; set the whole list"
                                            : size == 1 ? "it has one element, index 0"
                                                        : "count from 0 to " + std::to_string(size - 1));
    }
    return index;
  }

  // `fuse` becomes `fuse: {}` when something is set below it; nothing becomes a mapping.
  void make_map(Tree& scalar, const std::string& part) const {
    const auto name = scalar.text;
    const bool nothing = is_null(scalar);
    if (!nothing && name != part) {
      fail(label_of(scalar.pointer) + " is " + describe_found(scalar) + ", there is no `" + part + "` in it", "");
    }
    scalar.kind = Tree::Kind::map;
    scalar.quoted = false;
    scalar.text.clear();
    if (nothing) return;
    auto options = map_tree();
    options.source = scalar.source;
    options.line = scalar.line;
    options.column = scalar.column;
    options.pointer = child_pointer(scalar.pointer, name);
    scalar.add(name, std::move(options));
  }

  static std::vector<std::string> keys_of(const Tree& map) {
    std::vector<std::string> keys;
    for (const auto& entry : map.entries) keys.push_back(entry.key);
    return keys;
  }

  Tree value() {
    auto tree = override_.value.empty() ? plain_tree("") : read_value();
    mark_as_given(tree);
    return tree;
  }

  Tree read_value() const {
    try {
      return read_yaml(override_.value, source_, problems_);
    } catch (const Error& error) {  // line and column within one option say nothing
      fail(error.problems().front().message, error.problems().front().hint);
    }
  }

  void mark_as_given(Tree& tree) {
    tree.source = source_;
    tree.line = tree.column = 0;
    tree.any_type = true;
    for (auto& item : tree.items) mark_as_given(item);
    for (auto& entry : tree.entries) {
      entry.line = entry.column = 0;
      mark_as_given(entry.value);
    }
  }

  const Override& override_;
  std::vector<Problem>& problems_;
  std::shared_ptr<const TreeSource> source_;
};

}  // namespace

Override parse_override(std::string_view text, std::string origin) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    throw Error(ErrorCode::usage, origin + ": expected path=value, found `" + std::string(text) + "`", {},
                "e.g. " + origin + " passes.0.prune.steps=3");
  }
  return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)), std::move(origin)};
}

void apply_override(Tree& root, const Override& override, std::vector<Problem>& problems) { OverrideSetter(override, problems).apply(root); }

}  // namespace dsc
