#include "core/tree_build.h"

#include "core/file.h"

#include <algorithm>
#include <filesystem>

namespace dsc {
namespace {

constexpr std::size_t kLargestText = 4 << 20;

// Length of the UTF-8 character that starts at `i`; 0: not UTF-8 (overlong forms and surrogates included).
std::size_t utf8_length(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(i + k < text.size() ? text[i + k] : 0); };
  const auto follows = [&](std::size_t k) { return (byte(k) & 0xC0) == 0x80; };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first < 0xF0) {
    const bool overlong = first == 0xE0 && byte(1) < 0xA0, surrogate = first == 0xED && byte(1) >= 0xA0;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  const bool in_range = first >= 0xF0 && first < 0xF5 && !(first == 0xF0 && byte(1) < 0x90) && !(first == 0xF4 && byte(1) >= 0x90);
  return in_range && follows(1) && follows(2) && follows(3) ? 4 : 0;
}

void check_utf8(std::string_view text, const TreeSource& source) {
  int line = 1, column = 1;
  for (std::size_t i = 0; i < text.size();) {
    const auto length = utf8_length(text, i);
    if (length == 0 || text[i] == '\0') {
      throw Error(ErrorCode::recipe, length ? "a zero byte; expected text" : "a byte that is not UTF-8 text",
                  {.file = source.name, .line = line, .column = column}, "save the file as UTF-8");
    }
    line += text[i] == '\n';
    column = text[i] == '\n' ? 1 : column + 1;
    i += length;
  }
}

}  // namespace

void TreeBuilder::open(Tree::Kind kind, TextMark mark) {
  if (open_.size() >= kMaxTreeDepth) {
    fail("nested more than " + std::to_string(kMaxTreeDepth) + " levels deep", mark, "a recipe needs fewer than ten levels");
  }
  Open level;
  level.tree.kind = kind;
  level.tree.source = source_;
  level.tree.line = mark.line;
  level.tree.column = mark.column;
  open_.push_back(std::move(level));
}

void TreeBuilder::key(std::string key, TextMark mark) {
  auto& map = open_.back();
  map.key = std::move(key);
  map.key_mark = mark;
  map.has_key = true;
}

const Tree& TreeBuilder::scalar(std::string text, bool quoted, TextMark mark) {
  Tree tree;
  tree.text = std::move(text);
  tree.quoted = quoted;
  tree.source = source_;
  tree.line = mark.line;
  tree.column = mark.column;
  return add(std::move(tree));
}

const Tree& TreeBuilder::add(Tree tree) {
  nodes_ += tree.kind == Tree::Kind::scalar ? 1 : count_nodes(tree);
  if (nodes_ > kMaxTreeNodes * 2) {  // a container counts again in each of its parents
    fail("more than " + std::to_string(kMaxTreeNodes) + " values", {tree.line, tree.column}, "use fewer aliases, or a smaller file");
  }
  if (open_.empty()) return root_.emplace(std::move(tree));
  auto& parent = open_.back();
  if (parent.tree.kind == Tree::Kind::list) return parent.tree.items.emplace_back(std::move(tree));
  parent.has_key = false;
  const auto same = std::find_if(parent.tree.entries.begin(), parent.tree.entries.end(), [&](const auto& e) { return e.key == parent.key; });
  if (same != parent.tree.entries.end()) {
    problems_.push_back({"the key `" + parent.key + "` is given twice, first in line " + std::to_string(same->line),
                         {.file = source_->name, .line = parent.key_mark.line, .column = parent.key_mark.column},
                         "keep one of them"});
    return duplicate_ = std::move(tree);
  }
  parent.tree.entries.push_back({parent.key, parent.key_mark.line, parent.key_mark.column, std::move(tree)});
  return parent.tree.entries.back().value;
}

void TreeBuilder::resolve_merge(Tree& map) const {
  const auto merge = std::find_if(map.entries.begin(), map.entries.end(), [](const auto& entry) { return entry.key == "<<"; });
  if (merge == map.entries.end()) return;
  const auto entry = std::move(*merge);
  map.entries.erase(merge);
  const bool list = entry.value.kind == Tree::Kind::list;
  const auto sources = list ? entry.value.items : std::vector<Tree>{entry.value};
  for (const auto& from : sources) {
    if (from.kind != Tree::Kind::map) {
      fail("`<<` needs a mapping to merge", {entry.line, entry.column}, "write `<<: *name`, with `&name` at a mapping");
    }
    for (const auto& merged : from.entries) {
      if (!map.find(merged.key)) map.entries.push_back(merged);
    }
  }
}

const Tree& TreeBuilder::close() {
  auto level = std::move(open_.back());
  open_.pop_back();
  if (merge_keys_ && level.tree.kind == Tree::Kind::map) resolve_merge(level.tree);
  return add(std::move(level.tree));
}

Tree TreeBuilder::take_root() {
  if (!root_) throw Error(ErrorCode::recipe, "there is nothing in it", {.file = source_->name}, "`dscompress init` writes a first recipe");
  set_pointers(*root_);
  return std::move(*root_);
}

void TreeBuilder::fail(std::string message, TextMark mark, std::string hint) const {
  throw Error(ErrorCode::recipe, std::move(message), {.file = source_->name, .line = mark.line, .column = mark.column}, std::move(hint));
}

std::string prepare_text(std::string_view text, const TreeSource& source) {
  if (text.size() > kLargestText) {
    throw Error(ErrorCode::recipe, "larger than 4 MB; a recipe is a small text file", {.file = source.name}, "is this the right file?");
  }
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
    throw Error(ErrorCode::recipe, "UTF-16 text; expected UTF-8", {.file = source.name}, "save the file as UTF-8");
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  check_utf8(text, source);
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    plain += text[i] == '\r' ? '\n' : text[i];
  }
  return plain;
}

Tree read_tree_file(const std::string& path, std::vector<Problem>& problems) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) throw Error(ErrorCode::recipe, "no such file", {.file = path}, "check the name and the folder");
  const auto folder = fs::path(absolute_path(path)).parent_path().string();
  const auto source = std::make_shared<const TreeSource>(TreeSource{path, folder});
  const auto text = read_file(path);
  return path.ends_with(".json") ? read_json(text, source, problems) : read_yaml(text, source, problems);
}

}  // namespace dsc
