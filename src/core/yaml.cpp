// YAML into a Tree, through yaml-cpp's events. What YAML readers disagree about is refused or kept as text:
// tags, several documents, tabs in the indentation, keys that are not text.
#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <regex>
#include <sstream>

#include "core/tree.h"
#include "core/tree_build.h"

namespace dsc {
namespace {

using Lines = std::vector<std::string_view>;

Lines split_lines(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

// yaml-cpp counts bytes from 0; editors count characters from 1.
TextMark mark_in(const Lines& lines, const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  const auto last = static_cast<int>(lines.size());
  if (mark.line >= last) return {std::max(last, 1), 1};  // behind the end
  int column = 1;
  if (mark.line >= 0 && static_cast<std::size_t>(mark.line) < lines.size()) {
    for (const char c : lines[static_cast<std::size_t>(mark.line)].substr(0, static_cast<std::size_t>(mark.column))) {
      column += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    }
  }
  return {mark.line + 1, column};
}

std::string_view line_at(const Lines& lines, int line) {
  return line >= 1 && static_cast<std::size_t>(line) <= lines.size() ? lines[static_cast<std::size_t>(line) - 1] : std::string_view();
}

constexpr const char* kQuoteHint = "inside { } or [ ] write \"${name}\" in quotes";

// yaml-cpp takes the end of the text for a closing quote. This comment, put at the end, shows up in such a scalar.
constexpr const char* kEndOfText = "\n#(end of text)\n";

// What usually stands behind a syntax error, from the line it was found in.
std::string hint_for(const Lines& lines, int line, std::string_view message = {}) {
  static const std::regex no_space(R"(\s*(- +)*[A-Za-z_][A-Za-z0-9_.]*:[^\s/:].*)");
  constexpr std::size_t kLooked = 200;  // what stands behind does not matter, and std::regex recurses over each character
  const auto text = line_at(lines, line).substr(0, kLooked);
  const auto says = [&](std::string_view part) { return message.find(part) != std::string_view::npos; };
  if (text.find("${") != std::string_view::npos) return kQuoteHint;
  if (std::regex_match(text.begin(), text.end(), no_space)) return "a space is missing after the colon";
  if (says("escape")) return "between double quotes a backslash is doubled; between single quotes it is not";
  if (says("EOF in scalar")) return "a closing quote is missing";
  if (says("flow")) return "a comma or a closing bracket is missing";
  if (says("anchor") || says("alias")) return "`*name` repeats what `&name` marked before it; a text that starts with `*` or `&` needs quotes";
  if (says("unknown token")) return "a text that starts with @ ` or % needs quotes";
  if (says("directive")) return "a text that starts with % needs quotes";
  if (says("map value")) return "a text with `: ` needs quotes; the keys of one mapping start in the same column";
  return "the keys of one mapping, and the dashes of one list, start in the same column";
}

class YamlEvents final : public YAML::EventHandler {
 public:
  YamlEvents(TreeBuilder& builder, const Lines& lines) : builder_(builder), lines_(lines) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) builder_.fail("a second document (`---`)", at(mark), "a recipe is one document; give each its own file");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { scalar("", false, at(mark), anchor); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    check_tag(tag, mark);
    if (value.find("#(end of text)") != std::string::npos) builder_.fail("a text without its closing quote", at(mark), "a closing quote is missing");
    scalar(value, tag == "!", at(mark), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) builder_.fail("an alias inside of what it stands for", at(mark), "write the value out");
    const auto& tree = found->second;
    if (tree.kind == Tree::Kind::scalar) {
      scalar(tree.text, tree.quoted, at(mark), 0);
    } else {
      check_no_key(mark);
      builder_.add(tree);
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(Tree::Kind::list, tag, mark, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(Tree::Kind::map, tag, mark, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  TextMark at(const YAML::Mark& mark) const { return mark_in(lines_, mark); }

  void check_tag(const std::string& tag, const YAML::Mark& mark) const {
    constexpr std::string_view kStandard = "tag:yaml.org,2002:";  // written !!
    if (tag.empty() || tag == "?" || tag == "!") return;
    const auto shown = tag.starts_with(kStandard) ? "!!" + tag.substr(kStandard.size()) : tag;
    builder_.fail("the tag `" + shown + "`", at(mark), "remove it: types follow from the key");
  }

  void scalar(const std::string& text, bool quoted, TextMark mark, YAML::anchor_t anchor) {
    const bool nothing = text.empty() && !quoted;
    if (builder_.expects_key()) {
      if (nothing) builder_.fail("a value without a key", mark, "write `key: value`");
      builder_.key(text, mark);
      return;
    }
    // The place of nothing is that of its key.
    remember(anchor, builder_.scalar(text, quoted, nothing && builder_.in_map() ? builder_.key_mark() : mark));
  }

  void open(Tree::Kind kind, const std::string& tag, const YAML::Mark& mark, YAML::anchor_t anchor) {
    check_tag(tag, mark);
    check_no_key(mark);
    open_anchors_.push_back(anchor);
    builder_.open(kind, at(mark));
  }

  void close() {
    const auto anchor = open_anchors_.back();
    open_anchors_.pop_back();
    remember(anchor, builder_.close());
  }

  void check_no_key(const YAML::Mark& mark) const {
    if (!builder_.expects_key()) return;
    const bool substitution = line_at(lines_, at(mark).line).find("${") != std::string_view::npos;
    builder_.fail("a list or mapping as a key; keys are plain names", at(mark), substitution ? kQuoteHint : "is a closing bracket missing?");
  }

  void remember(YAML::anchor_t anchor, const Tree& tree) {
    if (anchor) anchors_[anchor] = tree;
  }

  TreeBuilder& builder_;
  const Lines& lines_;
  std::map<YAML::anchor_t, Tree> anchors_;
  std::vector<YAML::anchor_t> open_anchors_;
  int documents_ = 0;
};

// YAML forbids tabs there; readers differ in what they make of them.
void check_tabs(const Lines& lines, const TreeBuilder& builder) {
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto start = lines[i].find_first_not_of(" \t");
    const auto tab = lines[i].find('\t');
    if (start == std::string_view::npos || lines[i][start] == '#' || tab > start) continue;
    builder.fail("a tab in the indentation", {static_cast<int>(i) + 1, static_cast<int>(tab) + 1}, "indent with spaces");
  }
}

}  // namespace

Tree read_yaml(std::string_view text, std::shared_ptr<const TreeSource> source, std::vector<Problem>& problems) {
  const auto plain = prepare_text(text, *source);
  const auto lines = split_lines(plain);
  TreeBuilder builder(source, true, problems);
  check_tabs(lines, builder);
  YamlEvents events(builder, lines);
  std::istringstream stream(plain + kEndOfText);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(events)) {
    }
  } catch (const YAML::Exception& error) {
    const auto mark = mark_in(lines, error.mark);
    builder.fail("not valid YAML: " + error.msg, mark, hint_for(lines, mark.line, error.msg));
  }
  return builder.take_root();
}

}  // namespace dsc
