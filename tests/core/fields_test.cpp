#include "dscompress/fields.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "core/fields_parse.h"
#include "core/fields_schema.h"
#include "core/fields_write.h"
#include "core/random.h"

namespace dsc {
namespace {

enum class Color : std::uint8_t { red, green, blue };
std::span<const std::string_view> enum_names(Color) {
  static constexpr std::array<std::string_view, 3> kNames{"red", "green", "blue"};
  return kNames;
}

struct Square {
  static constexpr const char* kName = "square";
  double side = 1;
  void fields(FieldVisitor& visit) { visit("side", side, {.text = "Side length.", .unit = "m", .minimum = 0, .maximum = 10}); }
};
struct Named {
  static constexpr const char* kName = "named";
  std::string name;
  void fields(FieldVisitor& visit) { visit("name", name, {.text = "Its name.", .required = true}); }
};
struct Plain {
  static constexpr const char* kName = "plain";
  void fields(FieldVisitor&) {}
};

struct Inner {
  std::int64_t low = 0, high = 10;
  void fields(FieldVisitor& visit) {
    visit("low", low, {.text = "Lower bound."});
    visit("high", high, {.text = "Upper bound."});
    visit.check(low > high ? "low is larger than high" : "");
  }
};

struct Outer {
  bool flag = false;
  std::int64_t count = 3;
  double share = 0.5;
  std::string text = "none";
  FilePath file;
  Quantity drop{1, "pp"};
  Color color = Color::red;
  Inner inner;
  std::vector<double> numbers = {1, 2};
  std::map<std::string, std::int64_t> named;
  std::optional<double> maybe;
  std::variant<Square, Named, Plain> shape = Square{.side = 2};
  std::vector<std::variant<Square, Named, Plain>> shapes;
  std::optional<Inner> maybe_inner;

  void fields(FieldVisitor& visit) {
    visit("flag", flag, {.text = "A switch."});
    visit("count", count, {.text = "How many | or so.", .minimum = 0, .maximum = 100});
    visit("share", share, {.text = "A part.", .unit = "fraction", .minimum = 0, .maximum = 0.95});
    visit("text", text, {.text = "Some text."});
    visit("file", file, {.text = "A file."});
    visit("drop", drop, {.text = "Allowed drop.", .minimum = 0, .units = {"pp", "%"}});
    visit("color", color, {.text = "A colour."});
    visit("inner", inner, {.text = "Nested."});
    visit("numbers", numbers, {.text = "Several.", .minimum = 0});
    visit("named", named, {.text = "By name."});
    visit("maybe", maybe, {.text = "Perhaps."});
    visit("shape", shape, {.text = "One of."});
    visit("shapes", shapes, {.text = "Many of."});
    visit("maybe_inner", maybe_inner, {.text = "Perhaps nested."});
  }
};

Tree tree_of(const std::string& yaml) {
  std::vector<Problem> problems;
  const auto source = std::make_shared<const TreeSource>(TreeSource{"r.yaml", "/recipes"});
  auto tree = read_yaml(yaml, source, problems);
  EXPECT_TRUE(problems.empty());
  return tree;
}

// Each problem as "line:column pointer message | hint".
std::string problems_of(const std::string& yaml) {
  std::vector<Problem> problems;
  Outer outer;
  parse_fields(tree_of(yaml), outer, problems);
  std::string text;
  for (const auto& p : problems) {
    text += std::to_string(p.place.line) + ":" + std::to_string(p.place.column) + " " + p.place.pointer + " " + p.message + " | " + p.hint + "\n";
  }
  return text;
}

Outer parsed(const std::string& yaml) {
  std::vector<Problem> problems;
  Outer outer;
  parse_fields(tree_of(yaml), outer, problems);
  EXPECT_TRUE(problems.empty()) << problems.front().message;
  return outer;
}

TEST(ParseFields, ReadsEveryType) {
  const auto o = parsed(
      "flag: true\ncount: 1e1\nshare: .25\ntext: no\nfile: sub/x.bin\ndrop: 2 %\ncolor: blue\ninner: {low: -5}\nnumbers: [3]\n"
      "named: {a: 1, 2: 2}\nmaybe: 1\nshape: {named: {name: n}}\nshapes: [plain, square, {square: {side: 3}}, {plain: }]\nmaybe_inner: {high: 4}\n");
  EXPECT_TRUE(o.flag);
  EXPECT_EQ(o.count, 10);
  EXPECT_EQ(o.share, 0.25);
  EXPECT_EQ(o.text, "no");
  EXPECT_EQ(o.file.path, "/recipes/sub/x.bin");
  EXPECT_EQ(quantity_text(o.drop), "2%");
  EXPECT_EQ(o.color, Color::blue);
  EXPECT_EQ(o.inner.low, -5);
  EXPECT_EQ(o.inner.high, 10);
  EXPECT_EQ(o.numbers, std::vector<double>{3});
  EXPECT_EQ(o.named, (std::map<std::string, std::int64_t>{{"a", 1}, {"2", 2}}));
  EXPECT_EQ(o.maybe, 1);
  EXPECT_EQ(std::get<Named>(o.shape).name, "n");
  EXPECT_EQ(o.shapes.size(), 4u);
  EXPECT_EQ(std::get<Square>(o.shapes[1]).side, 1);
  EXPECT_EQ(std::get<Square>(o.shapes[2]).side, 3);
  EXPECT_EQ(o.maybe_inner->high, 4);
}

enum class Switch : std::uint8_t { automatic, on, off };
std::span<const std::string_view> enum_names(Switch) {
  static constexpr std::array<std::string_view, 3> kNames{"auto", "true", "false"};
  return kNames;
}
struct Switched {
  Switch value = Switch::automatic;
  void fields(FieldVisitor& visit) { visit("value", value, {.text = "On, off, or as it is best."}); }
};

TEST(ParseFields, AChoiceMayHaveTrueAndFalseAmongItsNames) {
  const auto read = [](const std::string& yaml, std::vector<Problem>& problems) {
    Switched made;
    parse_fields(tree_of(yaml), made, problems);
    return made;
  };
  for (const auto& [text, value] : std::map<std::string, Switch>{{"true", Switch::on}, {"True", Switch::on}, {"false", Switch::off}, {"auto", Switch::automatic}, {"\"auto\"", Switch::automatic}}) {
    std::vector<Problem> problems;
    const auto made = read("value: " + text, problems);
    EXPECT_TRUE(problems.empty()) << text;
    EXPECT_EQ(made.value, value) << text;
    const auto again = read(dump_yaml(made), problems);
    EXPECT_TRUE(problems.empty() && again.value == value) << dump_yaml(made);
  }
  for (const char* text : {"\"true\"", "yes", "1", ""}) {
    std::vector<Problem> problems;
    read(std::string("value: ") + text, problems);
    ASSERT_EQ(problems.size(), 1U) << text;
    EXPECT_NE(problems[0].message.find("one of auto, true, false"), std::string::npos) << problems[0].message;
  }
  const auto schema = to_json(schema_of([](FieldVisitor& visit) { Switched().fields(visit); }, {.expressions = false}));
  EXPECT_NE(schema.find("true"), std::string::npos);
  EXPECT_EQ(schema.find("\"true\""), std::string::npos) << schema;
}

TEST(ParseFields, KeepsDefaultsOfWhatIsAbsent) {
  const auto o = parsed("{}");
  EXPECT_EQ(o.numbers.size(), 2u);
  EXPECT_EQ(std::get<Square>(o.shape).side, 2);
  EXPECT_EQ(std::get<Square>(parsed("shape: square").shape).side, 2);  // the surrounding struct's default
  EXPECT_FALSE(parsed("maybe: null").maybe);
  EXPECT_FALSE(parsed("maybe_inner:").maybe_inner);
  EXPECT_TRUE(parsed("numbers: []").numbers.empty());
  EXPECT_EQ(parsed("drop: 3").drop.unit, "pp");
}

TEST(ParseFields, AbsolutePathsStayAndEmptyOnesMeanNone) {
  EXPECT_EQ(parsed("file: /a/b").file.path, "/a/b");
  EXPECT_EQ(parsed("file: ../b").file.path, "/b");
  EXPECT_TRUE(parsed("file: ''").file.empty());
  EXPECT_NE(problems_of("file: ~/x").find("write ${env:HOME}/x"), std::string::npos);
}

TEST(ParseFields, ReportsAllIndependentProblemsWithPlaces) {
  EXPECT_EQ(problems_of("flag: maybe\ncount: 101\ncolour: red\ninner:\n  low: x\n  hihg: 3\nnumbers: [1, -1]\n"),
            "1:7 /flag `flag`: expected true or false, found the text \"maybe\" | \n"
            "2:8 /count `count`: the number 101 is out of range | allowed: 0 to 100\n"
            "5:8 /inner/low `low`: expected a whole number, found the text \"x\" | \n"
            "6:3 /inner/hihg unknown key `hihg` in `inner` | did you mean `high`?\n"
            "7:14 /numbers/1 `numbers[1]`: the number -1 is out of range | allowed: at least 0\n"
            "3:1 /colour unknown key `colour` | did you mean `color`?\n");
}

TEST(ParseFields, HintsAtTheTrapsOfYaml) {
  const auto hint = [](const std::string& yaml) {
    const auto text = problems_of(yaml);
    const auto bar = text.find(" | ");
    return bar == std::string::npos ? "no problem" : text.substr(bar + 3, text.find('\n') - bar - 3);
  };
  EXPECT_EQ(hint("flag: no"), "write false");
  EXPECT_EQ(hint("flag: On"), "write true");
  EXPECT_EQ(hint("flag: 'true'"), "write true without quotes");
  EXPECT_EQ(hint("flag: 0"), "write false");
  EXPECT_EQ(hint("text: true"), "put it in quotes to make it text: \"true\"");
  EXPECT_EQ(hint("text: 1.10"), "put it in quotes to make it text: \"1.10\"");
  EXPECT_EQ(hint("text: 0x10"), "put it in quotes to make it text: \"0x10\"");
  EXPECT_EQ(hint("text:"), "write a value, or remove the line to get the default");
  EXPECT_EQ(hint("count: '5'"), "remove the quotes");
  EXPECT_EQ(hint("count: 0x10"), "write it in decimal digits, without prefix, leading zeros or underscores");
  EXPECT_EQ(hint("count: 010"), "write it in decimal digits, without prefix, leading zeros or underscores");
  EXPECT_EQ(hint("count: 1_0"), "write it in decimal digits, without prefix, leading zeros or underscores");
  EXPECT_EQ(hint("share: .inf"), "write a finite number");
  EXPECT_EQ(hint("share: .nan"), "write a finite number");
  EXPECT_EQ(hint("share: 50%"), "write it as a fraction, 50% is 0.5");
  EXPECT_EQ(hint("share: 0,5"), "the decimal sign is a point, and there is no thousands separator");
  EXPECT_EQ(hint("share:"), "write a value, or remove the line to get the default");
  EXPECT_EQ(hint("count: 99999999999999999999"), "at most 9223372036854775807");
  EXPECT_EQ(hint("share: 1e999"), "the number is too large or too small");
  EXPECT_EQ(hint("numbers: 5"), "write [5]");
  EXPECT_EQ(hint("numbers:"), "write [] for an empty list");
  EXPECT_EQ(hint("inner:"), "write its keys below it, indented, or remove the line");
  EXPECT_EQ(hint("inner: low:3"), "a space is missing after the colon");
  EXPECT_EQ(hint("inner: {low:3}"), "a space is missing after the colon");
  EXPECT_EQ(hint("drop: 3px"), "units: pp, %");
  EXPECT_EQ(hint("color: rde"), "did you mean `red`?");
  EXPECT_EQ(hint("count: 2.5"), "");
  EXPECT_EQ(hint("named: 5"), "");
}

TEST(ParseFields, VariantsTakeOneNameWithItsOptions) {
  EXPECT_EQ(problems_of("shape: squar"), "1:8 /shape `shape`: unknown name `squar` | did you mean `square`?\n");
  EXPECT_EQ(problems_of("shape: {squar: {side: 99, x: 1}}"), "1:9 /shape/squar `shape`: unknown name `squar` | did you mean `square`?\n");
  EXPECT_EQ(problems_of("shape: {square: {}, plain: {}}"),
            "1:8 /shape `shape`: expected one name, found 2: `square`, `plain` | keep one; in a list each element starts with `- `\n");
  EXPECT_EQ(problems_of("shapes:\n  - square:\n    side: 3\n"),
            "2:5 /shapes/0 `shapes[0]`: expected one name, found 2: `square`, `side` | indent the options of `square` below it\n");
  EXPECT_EQ(problems_of("shape: {square: 3}"), "1:17 /shape/square `square`: expected a mapping (`key: value`), found the number 3 | \n");
  EXPECT_EQ(problems_of("shape: named"), "1:8 /shape `name` is missing in `shape` | name: Its name.\n");
  EXPECT_EQ(problems_of("shape: {}"),
            "1:8 /shape `shape`: expected one of square, named, plain, found an empty mapping | write `name`, or `name: {options}`\n");
  EXPECT_EQ(problems_of("shape: {plain: {x: 1}}"), "1:17 /shape/plain/x unknown key `x` in `plain` | nothing can be set here\n");
  EXPECT_EQ(problems_of("shape: {named: {name: ''}}"), "1:23 /shape/named/name `name` is empty | Its name.\n");
}

TEST(ParseFields, OneCauseGivesOneProblem) {
  // A misspelt required key is not missing as well; rules between fields wait until the fields are right.
  EXPECT_EQ(problems_of("shape: {named: {nmae: x}}"), "1:17 /shape/named/nmae unknown key `nmae` in `named` | did you mean `name`?\n");
  EXPECT_EQ(problems_of("inner: {low: 20, high: x}"), "1:24 /inner/high `high`: expected a whole number, found the text \"x\" | \n");
  EXPECT_EQ(problems_of("inner: {low: 20}"), "1:8 /inner `inner`: low is larger than high | \n");
}

TEST(ParseFields, BrokenValuesStaySilent) {
  auto tree = tree_of(
      "flag: x\ncount: x\nshare: x\ntext: [x]\nfile: [x]\ndrop: x\ncolor: x\ninner: x\nnumbers: x\nnamed: x\nmaybe: x\nshape: x\nshapes: "
      "x\nmaybe_inner: x\n");
  for (auto& entry : tree.entries) entry.value.kind = Tree::Kind::broken;
  std::vector<Problem> problems;
  Outer outer;
  parse_fields(tree, outer, problems);
  EXPECT_TRUE(problems.empty()) << problems.front().message;
}

TEST(ParseFields, ValuesFromOutsideMayServeAsText) {
  auto tree = tree_of("text: 12");
  tree.entries[0].value.any_type = true;
  std::vector<Problem> problems;
  Outer outer;
  parse_fields(tree, outer, problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(outer.text, "12");
}

TEST(ThrowProblems, SortsByPlace) {
  std::vector<Problem> problems = {
      {"c", {.file = "b", .line = 1}, ""}, {"b", {.file = "a", .line = 2, .column = 5}, ""}, {"a", {.file = "a", .line = 2, .column = 1}, ""}};
  try {
    throw_problems(problems);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.problems()[0].message + error.problems()[1].message + error.problems()[2].message, "abc");
  }
  EXPECT_NO_THROW(throw_problems({}));
}

// Any Outer; texts from characters that are awkward in YAML.
Outer random_outer(Random& random) {
  const auto number = [&] { return std::ldexp(random.uniform() - 0.5, static_cast<int>(random.below(60)) - 30); };
  const auto text = [&] {
    static const std::string kCharacters = "ab01.-_:#'\"\\{}[]&*!|>%@`, \n\t~";
    std::string made;
    for (auto n = random.below(6); n > 0; --n)
      made += kCharacters[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(kCharacters.size())))];
    return made;
  };
  const auto shape = [&]() -> std::variant<Square, Named, Plain> {
    const auto which = random.below(3);
    if (which == 0) return Square{.side = random.uniform() * 10};
    if (which == 1) return Named{.name = "x" + text()};
    return Plain{};
  };
  Outer o;
  o.flag = random.below(2) == 1;
  o.count = random.below(101);
  o.share = random.uniform() * 0.95;
  o.text = text();
  o.file.path = random.below(2) ? "/x" + text() + "y" : "";
  if (o.file.path.find("..") != std::string::npos || o.file.path.find("./") != std::string::npos) o.file.path.clear();  // normalised on reading
  o.drop = {random.uniform(), random.below(2) ? "pp" : "%"};
  o.color = static_cast<Color>(random.below(3));
  o.inner = {.low = random.below(5), .high = 5 + random.below(5)};
  o.numbers.assign(static_cast<std::size_t>(random.below(4)), std::abs(number()));
  for (auto n = random.below(4); n > 0; --n) o.named[text() + std::to_string(n)] = random.below(1000) - 500;
  if (random.below(2)) o.maybe = number();
  o.shape = shape();
  for (auto n = random.below(4); n > 0; --n) o.shapes.push_back(shape());
  if (random.below(2)) o.maybe_inner = Inner{.low = 1, .high = 2};
  return o;
}

TEST(WriteFields, RandomOptionsReadBackTheSame) {
  Random random(7);
  for (int i = 0; i < 500; ++i) {
    const auto first = dump_yaml(random_outer(random));
    ASSERT_EQ(dump_yaml(parsed(first)), first);
    std::vector<Problem> problems;
    Outer from_json;
    parse_fields(read_json(to_json(tree_of(first)), std::make_shared<const TreeSource>(), problems), from_json, problems);
    ASSERT_TRUE(problems.empty()) << first;
    ASSERT_EQ(dump_yaml(from_json), first);
  }
}

TEST(WriteFields, WritesEveryDefault) {
  EXPECT_EQ(
      dump_yaml(Outer{}),
      "flag: false\ncount: 3\nshare: 0.5\ntext: \"none\"\nfile: \"\"\ndrop: \"1pp\"\ncolor: red\ninner:\n  low: 0\n  high: 10\nnumbers: [1, 2]\n"
      "named: {}\nmaybe: null\nshape:\n  square:\n    side: 2\nshapes: []\nmaybe_inner: null\n");
}

TEST(SchemaOf, DescribesTypesRangesAndAlternatives) {
  Outer outer;
  const auto schema = schema_of([&](FieldVisitor& visit) { outer.fields(visit); }, {.expressions = false});
  const auto property = [&](const std::string& name) { return to_json(*schema.find("properties")->find(name), -1); };
  EXPECT_EQ(property("share"), R"({"description": "A part. [fraction]", "type": "number", "minimum": 0, "maximum": 0.95, "default": 0.5})");
  EXPECT_EQ(property("color"), R"({"description": "A colour.", "enum": ["red", "green", "blue"], "default": "red"})");
  EXPECT_EQ(property("numbers"), R"({"description": "Several.", "type": "array", "items": {"type": "number", "minimum": 0}, "default": [1, 2]})");
  EXPECT_EQ(property("maybe"), R"({"description": "Perhaps.", "anyOf": [{"type": "number"}, {"type": "null"}], "default": null})");
  EXPECT_EQ(to_json(*schema.find("additionalProperties"), -1), "false");
  const auto shape = property("shape");
  EXPECT_NE(shape.find(R"("oneOf": [{"const": "square"}, {"type": "object", "properties": {"square": )"), std::string::npos);
  EXPECT_EQ(shape.find(R"({"const": "named"})"), std::string::npos);  // it has a required option
  EXPECT_NE(shape.find(R"("required": ["name"])"), std::string::npos);
}

TEST(SchemaOf, AllowsSubstitutionsWhereAskedTo) {
  Outer outer;
  const auto schema = schema_of([&](FieldVisitor& visit) { outer.fields(visit); });
  EXPECT_EQ(
      to_json(*schema.find("properties")->find("count"), -1),
      R"({"description": "How many | or so.", "anyOf": [{"type": "integer", "minimum": 0, "maximum": 100}, {"$ref": "#/$defs/expression"}], "default": 3})");
}

TEST(DescribeFields, ListsOptionsWithWhatIsInside) {
  const auto rows = describe_fields(Outer{});
  std::string names;
  for (const auto& row : rows) names += row.name + " ";
  EXPECT_EQ(names,
            "flag count share text file drop color inner inner.low inner.high numbers named maybe shape shape.square.side shape.named.name "
            "shapes shapes[].square.side shapes[].named.name maybe_inner maybe_inner.low maybe_inner.high ");
  const auto markdown = to_markdown(rows);
  EXPECT_NE(markdown.find("| `count` | whole number | `3` | 0 to 100 | How many \\| or so. |\n"), std::string::npos);
  EXPECT_NE(markdown.find("| `shape` | one of square, named, plain | `square` |  | One of. |\n"), std::string::npos);
  EXPECT_NE(markdown.find("| `shape.square.side` | number | `2` | 0 to 10 m | Side length. |\n"), std::string::npos);
  EXPECT_NE(markdown.find("| `shape.named.name` | text | required |  | Its name. |\n"), std::string::npos);
  EXPECT_NE(markdown.find("| `drop` | number with unit (pp, %) | `1pp` | at least 0 | Allowed drop. |\n"), std::string::npos);
  EXPECT_NE(to_plain(rows, 40).find("share  (number, 0 to 0.95 fraction, default 0.5)\n    A part.\n"), std::string::npos);
}

}  // namespace
}  // namespace dsc
