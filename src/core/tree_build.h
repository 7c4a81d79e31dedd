// Builds a Tree from the events of a YAML or JSON reader, and keeps the rules that both share: no duplicate keys, limits
// on depth and size.
#pragma once

#include <optional>

#include "core/tree.h"

namespace dsc {

struct TextMark {
  int line = 0, column = 0;  // counted from 1
};

class TreeBuilder {
 public:
  // merge_keys: `<<: {a: 1}` adds a mapping's entries, as in YAML 1.1.
  TreeBuilder(std::shared_ptr<const TreeSource> source, bool merge_keys, std::vector<Problem>& problems)
      : source_(std::move(source)), problems_(problems), merge_keys_(merge_keys) {}

  void open(Tree::Kind kind, TextMark mark);
  void key(std::string key, TextMark mark);  // the next value's key, in a map
  // Adds a value; returns it for whoever wants a copy (valid until the next call).
  const Tree& scalar(std::string text, bool quoted, TextMark mark);
  const Tree& add(Tree tree);
  const Tree& close();

  bool in_map() const { return !open_.empty() && open_.back().tree.kind == Tree::Kind::map; }
  bool expects_key() const { return in_map() && !open_.back().has_key; }
  TextMark key_mark() const { return open_.back().key_mark; }
  Tree take_root();  // errors: recipe, when there is none

  // errors: recipe, always.
  [[noreturn]] void fail(std::string message, TextMark mark, std::string hint) const;

 private:
  struct Open {
    Tree tree;
    bool has_key = false;
    std::string key;
    TextMark key_mark;
  };
  void resolve_merge(Tree& map) const;

  std::shared_ptr<const TreeSource> source_;
  std::vector<Problem>& problems_;
  bool merge_keys_;
  std::vector<Open> open_;
  std::optional<Tree> root_;
  Tree duplicate_;
  std::size_t nodes_ = 0;
};

// The text without byte order mark and with plain line ends. errors: recipe, for text that is not UTF-8.
std::string prepare_text(std::string_view text, const TreeSource& source);

}  // namespace dsc
