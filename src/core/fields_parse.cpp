#include "core/fields_parse.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "core/fields_write.h"
#include "core/file.h"
#include "core/names.h"

namespace dsc {
namespace {

using Strings = std::vector<std::string>;

std::string join(const Strings& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::optional<double> read_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = read.ec == std::errc{} && read.ptr == text.data() + text.size() && std::isfinite(value);
  return whole ? std::optional(value) : std::nullopt;
}

std::string range_text(const Doc& doc) {
  if (doc.minimum && doc.maximum) return number_text(*doc.minimum) + " to " + number_text(*doc.maximum);
  return doc.minimum ? "at least " + number_text(*doc.minimum) : "at most " + number_text(*doc.maximum);
}

class ValueParser final : public ValueVisitor {
 public:
  ValueParser(const Tree& tree, const Doc& doc, std::vector<Problem>& problems) : tree_(tree), doc_(doc), problems_(problems) {}

  void boolean(bool& value) override;
  void integer(std::int64_t& value) override;
  void number(double& value) override;
  void text(std::string& value) override;
  void path(FilePath& value) override;
  void quantity(Quantity& value) override;
  void choice(std::span<const std::string_view> names, std::size_t& index) override;
  void object(const std::function<void(FieldVisitor&)>& fields) override;
  void list(ListAccess access) override;
  void map(MapAccess access) override;
  void optional(OptionalAccess access) override;
  void variant(VariantAccess access) override;

 private:
  bool is_scalar() const { return tree_.kind == Tree::Kind::scalar; }
  void problem(std::string message, std::string hint = {}) const { problems_.push_back({std::move(message), tree_.place(), std::move(hint)}); }
  // "`steps`: expected an integer, found ..."
  void expected(const std::string& what, std::string hint = {}) const {
    problem(label_of(tree_.pointer) + ": expected " + what + ", found " + describe_found(tree_), std::move(hint));
  }
  std::string hint_for_number() const;
  bool in_range(double value) const;
  std::optional<double> plain_number(const std::string& what) const;
  bool read_text(std::string& value, const std::string& what) const;
  void variant_map(const VariantAccess& access, const Strings& names);
  void choose(const VariantAccess& access, const Strings& names, const TreeEntry& entry);

  const Tree& tree_;
  const Doc& doc_;
  std::vector<Problem>& problems_;
};

class ObjectParser final : public FieldVisitor {
 public:
  ObjectParser(const Tree& tree, std::vector<Problem>& problems) : tree_(tree), problems_(problems), before_(problems.size()) {}

  void field(std::string_view name, const Doc& doc, const std::function<void(ValueVisitor&)>& value) override {
    if (std::find(names_.begin(), names_.end(), name) != names_.end()) {
      throw Error(ErrorCode::internal, "the field `" + std::string(name) + "` is declared twice", tree_.place());
    }
    names_.emplace_back(name);
    if (const auto* found = tree_.find(name)) {
      ValueParser parser(*found, doc, problems_);
      value(parser);
    } else if (doc.required) {
      missing_.push_back({names_.back(), doc.text});
    }
  }
  void check(std::string problem) override {
    if (!problem.empty()) rules_.push_back(std::move(problem));
  }
  void finish();

 private:
  struct Missing {
    std::string name, text;
  };
  void report_unknown(const TreeEntry& entry);

  const Tree& tree_;
  std::vector<Problem>& problems_;
  std::size_t before_;
  Strings names_, rules_;
  std::vector<Missing> missing_;
};

void ObjectParser::report_unknown(const TreeEntry& entry) {
  const auto colon = entry.key.find(':');
  const bool no_space = colon != std::string::npos && std::count(names_.begin(), names_.end(), entry.key.substr(0, colon)) > 0;
  auto hint = no_space ? "a space is missing after the colon" : suggest(entry.key, names_);
  if (names_.empty()) hint = "nothing can be set here";
  const auto where = tree_.pointer.empty() ? "" : " in " + label_of(tree_.pointer);
  problems_.push_back({"unknown key `" + entry.key + "`" + where, entry.key_place(), std::move(hint)});
  // A missing key that was only misspelt is the same mistake.
  const auto nearest = no_space ? Strings{entry.key.substr(0, colon)} : nearest_names(entry.key, names_);
  if (!nearest.empty()) std::erase_if(missing_, [&](const Missing& m) { return m.name == nearest.front(); });
}

void ObjectParser::finish() {
  for (const auto& entry : tree_.entries) {
    if (std::find(names_.begin(), names_.end(), entry.key) == names_.end()) report_unknown(entry);
  }
  for (const auto& [name, text] : missing_) {
    const auto where = tree_.pointer.empty() ? "" : " in " + label_of(tree_.pointer);
    problems_.push_back({"`" + name + "` is missing" + where, tree_.place(), text.empty() ? "" : name + ": " + text});
  }
  if (problems_.size() > before_) return;  // rules between fields only mean something when the fields are right
  for (const auto& rule : rules_) {
    const auto where = tree_.pointer.empty() ? "" : label_of(tree_.pointer) + ": ";
    problems_.push_back({where + rule, tree_.place(), ""});
  }
}

void parse_object(const Tree& tree, const std::function<void(FieldVisitor&)>& fields, std::vector<Problem>& problems) {
  ObjectParser parser(tree, problems);
  fields(parser);
  parser.finish();
}

void ValueParser::boolean(bool& value) {
  if (tree_.kind == Tree::Kind::broken) return;
  if (is_scalar() && look_of(tree_) == ScalarLook::boolean) {
    value = tree_.text.front() == 't' || tree_.text.front() == 'T';
    return;
  }
  std::string lower = tree_.text;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const bool yes = lower == "yes" || lower == "on" || lower == "y" || lower == "true" || lower == "1";
  const bool no = lower == "no" || lower == "off" || lower == "n" || lower == "false" || lower == "0";
  const std::string quotes = tree_.quoted ? " without quotes" : "";
  expected("true or false", is_scalar() && yes ? "write true" + quotes : is_scalar() && no ? "write false" + quotes : "");
}

std::string ValueParser::hint_for_number() const {
  if (!is_scalar()) return {};
  if (tree_.quoted && read_number(tree_.text)) return "remove the quotes";
  const auto& text = tree_.text;
  const auto look = look_of(tree_);
  if (look == ScalarLook::odd) {
    const bool infinite = text.find_first_of("iInN") != std::string::npos && text.find('x') == std::string::npos;
    return infinite ? "write a finite number" : "write it in decimal digits, without prefix, leading zeros or underscores";
  }
  if (look == ScalarLook::null) return "write a value, or remove the line to get the default";
  if (text.size() > 1 && text.back() == '%' && read_number(text.substr(0, text.size() - 1))) return "write it as a fraction, 50% is 0.5";
  if (text.find(',') != std::string::npos) return "the decimal sign is a point, and there is no thousands separator";
  return {};
}

bool ValueParser::in_range(double value) const {
  const bool inside = (!doc_.minimum || value >= *doc_.minimum) && (!doc_.maximum || value <= *doc_.maximum);
  if (inside) return true;
  const auto unit = doc_.unit.empty() ? "" : " (" + doc_.unit + ")";
  problem(label_of(tree_.pointer) + ": " + describe_found(tree_) + " is out of range", "allowed: " + range_text(doc_) + unit);
  return false;
}

std::optional<double> ValueParser::plain_number(const std::string& what) const {
  if (tree_.kind == Tree::Kind::broken) return {};
  const auto look = is_scalar() ? look_of(tree_) : ScalarLook::text;
  if (look != ScalarLook::integer && look != ScalarLook::number) {
    expected(what, hint_for_number());
    return {};
  }
  const auto value = read_number(tree_.text);
  if (!value) expected(what, "the number is too large or too small");
  return value;
}

void ValueParser::integer(std::int64_t& value) {
  const auto found = plain_number("a whole number");
  if (!found) return;
  constexpr double kLargest = 9007199254740992.0;  // above, not every integer is a double
  std::int64_t exact = 0;
  const std::string_view digits = std::string_view(tree_.text).substr(tree_.text.starts_with('+') ? 1 : 0);
  if (look_of(tree_) == ScalarLook::integer) {
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), exact);
    if (read.ec != std::errc{}) return expected("a whole number", "at most 9223372036854775807");
  } else if (*found != std::floor(*found) || std::abs(*found) > kLargest) {
    return expected("a whole number");
  } else {
    exact = static_cast<std::int64_t>(*found);  // 1e3, 10.0
  }
  if (in_range(static_cast<double>(exact))) value = exact;
}

void ValueParser::number(double& value) {
  const auto found = plain_number("a number");
  if (found && in_range(*found)) value = *found;
}

bool ValueParser::read_text(std::string& value, const std::string& what) const {
  if (tree_.kind == Tree::Kind::broken) return false;
  const auto look = is_scalar() ? look_of(tree_) : ScalarLook::null;
  const bool fits = is_scalar() && (look == ScalarLook::text || (tree_.any_type && look != ScalarLook::null));
  if (!fits) {
    const auto empty = "write a value, or remove the line to get the default";
    expected(what, !is_scalar() ? "" : look == ScalarLook::null ? empty : "put it in quotes to make it text: \"" + tree_.text + "\"");
    return false;
  }
  if (doc_.required && tree_.text.empty()) {
    problem(label_of(tree_.pointer) + " is empty", doc_.text);
    return false;
  }
  value = tree_.text;
  return true;
}

void ValueParser::text(std::string& value) { read_text(value, "a text"); }

void ValueParser::path(FilePath& value) {
  std::string text;
  if (!read_text(text, "a path")) return;
  if (text == "~" || text.starts_with("~/")) {
    problem(label_of(tree_.pointer) + ": `~` is not expanded", "write ${env:HOME}" + text.substr(1));
    return;
  }
  value.path = absolute_path(text, tree_.source ? tree_.source->folder : "");
}

void ValueParser::quantity(Quantity& value) {
  if (tree_.kind == Tree::Kind::broken) return;
  const auto units = join(doc_.units);
  const auto number_end = tree_.text.find_last_of("0123456789.");
  const auto number = is_scalar() ? read_number(tree_.text.substr(0, number_end == std::string::npos ? 0 : number_end + 1)) : std::nullopt;
  if (!number) return expected("a number with a unit (" + units + ")", hint_for_number());
  auto unit = tree_.text.substr(number_end + 1);
  unit.erase(0, unit.find_first_not_of(' '));
  if (unit.empty() && !doc_.units.empty()) unit = doc_.units.front();
  if (!doc_.units.empty() && std::find(doc_.units.begin(), doc_.units.end(), unit) == doc_.units.end()) {
    problem(label_of(tree_.pointer) + ": unknown unit `" + unit + "` in " + describe_found(tree_), "units: " + units);
  } else if (in_range(*number)) {
    value = {*number, unit};
  }
}

void ValueParser::choice(std::span<const std::string_view> names, std::size_t& index) {
  if (tree_.kind == Tree::Kind::broken) return;
  const Strings known(names.begin(), names.end());
  const auto look = is_scalar() ? look_of(tree_) : ScalarLook::null;
  // A choice may have `true` and `false` among its names, which are values then: "true" in quotes is another word.
  std::string text = tree_.text;
  if (look == ScalarLook::boolean) std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto found = look != ScalarLook::null ? std::find(names.begin(), names.end(), text) : names.end();
  const bool is_quoted_boolean = found != names.end() && look != ScalarLook::boolean && look_of(choice_tree(*found)) == ScalarLook::boolean;
  if (found != names.end() && !is_quoted_boolean) {
    index = static_cast<std::size_t>(found - names.begin());
  } else {
    const std::string nearest = is_scalar() && !nearest_names(text, known).empty() ? suggest(text, known) : "";
    expected("one of " + join(known), is_quoted_boolean ? "write " + text + " without quotes" : nearest);
  }
}

void ValueParser::object(const std::function<void(FieldVisitor&)>& fields) {
  if (tree_.kind == Tree::Kind::broken) return;
  if (tree_.kind == Tree::Kind::map) return parse_object(tree_, fields, problems_);
  const bool no_space = is_scalar() && !tree_.quoted && tree_.text.find(':') != std::string::npos;
  expected("a mapping (`key: value`)", is_null(tree_) ? "write its keys below it, indented, or remove the line"
                                       : no_space     ? "a space is missing after the colon"
                                                      : "");
}

void ValueParser::list(ListAccess access) {
  if (tree_.kind == Tree::Kind::broken) return;
  if (tree_.kind != Tree::Kind::list) {
    const bool single = is_scalar() && !is_null(tree_);
    return expected("a list", single ? "write [" + tree_.text + "]" : is_null(tree_) ? "write [] for an empty list" : "start each element with `- `");
  }
  access.resize(0);  // no element of the default stays
  access.resize(tree_.items.size());
  for (std::size_t i = 0; i < tree_.items.size(); ++i) {
    ValueParser parser(tree_.items[i], doc_, problems_);
    access.element(i, parser);
  }
}

void ValueParser::map(MapAccess access) {
  if (tree_.kind == Tree::Kind::broken) return;
  if (tree_.kind != Tree::Kind::map) return expected("a mapping (`key: value`)", is_null(tree_) ? "write {} for an empty mapping" : "");
  access.clear();
  for (const auto& entry : tree_.entries) {
    ValueParser parser(entry.value, doc_, problems_);
    access.value(entry.key, parser);
  }
}

void ValueParser::optional(OptionalAccess access) {
  if (is_null(tree_))
    access.reset();
  else
    access.value(*this);
}

void ValueParser::variant(VariantAccess access) {
  if (tree_.kind == Tree::Kind::broken) return;
  Strings names;
  for (const auto& alternative : access.alternatives) names.push_back(alternative.name);
  if (tree_.kind == Tree::Kind::map) return variant_map(access, names);
  if (!is_scalar() || is_null(tree_)) {
    return expected("one of " + join(names), "write `name`, or `name: {options}`");
  }
  TreeEntry name_only{.key = tree_.text, .line = tree_.line, .column = tree_.column, .value = tree_};
  name_only.value.kind = Tree::Kind::map;
  choose(access, names, name_only);
}

void ValueParser::variant_map(const VariantAccess& access, const Strings& names) {
  if (tree_.entries.size() == 1) return choose(access, names, tree_.entries.front());
  if (tree_.entries.empty()) return expected("one of " + join(names), "write `name`, or `name: {options}`");
  Strings keys;
  for (const auto& entry : tree_.entries) keys.push_back("`" + entry.key + "`");
  const auto& first = tree_.entries.front();
  const bool not_indented = is_null(first.value) && std::count(names.begin(), names.end(), first.key) > 0;
  problem(label_of(tree_.pointer) + ": expected one name, found " + std::to_string(keys.size()) + ": " + join(keys),
          not_indented ? "indent the options of `" + first.key + "` below it" : "keep one; in a list each element starts with `- `");
}

void ValueParser::choose(const VariantAccess& access, const Strings& names, const TreeEntry& entry) {
  const auto found = std::find(names.begin(), names.end(), entry.key);
  if (found == names.end()) {
    problems_.push_back({label_of(tree_.pointer) + ": unknown name `" + entry.key + "`", entry.key_place(), suggest(entry.key, names)});
    return;
  }
  const auto index = static_cast<std::size_t>(found - names.begin());
  if (access.current != index) access.choose(index);  // else what the surrounding struct set as default stays
  auto options = entry.value;
  if (options.kind == Tree::Kind::broken) return;
  if (is_null(options)) options.kind = Tree::Kind::map;  // `- fuse:` without options
  ValueParser parser(options, doc_, problems_);
  parser.object(access.fields);
}

}  // namespace

void parse_fields(const Tree& tree, const std::function<void(FieldVisitor&)>& fields, std::vector<Problem>& problems) {
  const Doc doc;
  ValueParser parser(tree, doc, problems);
  parser.object(fields);
}

void throw_problems(std::vector<Problem> problems) {
  if (problems.empty()) return;
  std::stable_sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
    return std::tie(a.place.file, a.place.line, a.place.column) < std::tie(b.place.file, b.place.line, b.place.column);
  });
  throw Error(ErrorCode::recipe, std::move(problems));
}

}  // namespace dsc
