#include "core/tree.h"

#include <gtest/gtest.h>

namespace dsc {
namespace {

std::shared_ptr<const TreeSource> source(const std::string& name = "r.yaml") {
  return std::make_shared<const TreeSource>(TreeSource{name, "/folder"});
}

Tree yaml(const std::string& text) {
  std::vector<Problem> problems;
  auto tree = read_yaml(text, source(), problems);
  EXPECT_TRUE(problems.empty()) << problems.front().message;
  return tree;
}
Tree json(const std::string& text) {
  std::vector<Problem> problems;
  auto tree = read_json(text, source("r.json"), problems);
  EXPECT_TRUE(problems.empty()) << problems.front().message;
  return tree;
}

// The message of the error that reading gives, with its place.
template <class Read>
std::string failure(Read read) {
  try {
    read();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::recipe);
    return error.to_text();
  }
  return "no error";
}
std::string yaml_failure(const std::string& text) {
  return failure([&] { yaml(text); });
}
std::string json_failure(const std::string& text) {
  return failure([&] { json(text); });
}

const Tree& at(const Tree& tree, const std::string& key) {
  const auto* found = tree.find(key);
  EXPECT_NE(found, nullptr) << key;
  return *found;
}

TEST(ReadYaml, KeepsOrderTextAndPlaces) {
  const auto tree = yaml("b: 1.10\na:\n  - x\n  - {k: 'v w'}\n");
  ASSERT_EQ(tree.entries.size(), 2u);
  EXPECT_EQ(tree.entries[0].key, "b");
  EXPECT_EQ(at(tree, "b").text, "1.10");
  EXPECT_EQ(at(tree, "b").place().to_string(), "r.yaml:1:4 (/b)");
  EXPECT_EQ(tree.entries[1].key_place().to_string(), "r.yaml:2:1 (/a)");
  const auto& inner = at(at(tree, "a").items[1], "k");
  EXPECT_EQ(inner.text, "v w");
  EXPECT_TRUE(inner.quoted);
  EXPECT_EQ(inner.place().to_string(), "r.yaml:4:9 (/a/1/k)");
}

// Found by scripts/fuzz: the hint's pattern recursed over every character of the line.
TEST(ReadYaml, HasAHintForALineOfAnyLength) {
  const std::string message = yaml_failure(std::string(2'000'000, 'v') + ": a: b");
  EXPECT_NE(message.find("illegal map value"), std::string::npos) << message.substr(0, 200);
  EXPECT_NE(message.find("a text with `: ` needs quotes"), std::string::npos) << message.substr(0, 200);
}

TEST(ReadYaml, CountsColumnsInCharacters) { EXPECT_EQ(at(yaml("{\"é\": 1, b: 2}"), "b").column, 13); }

TEST(ReadYaml, AcceptsByteOrderMarkAndWindowsLineEnds) {
  const auto tree = yaml(
      "\xEF\xBB\xBF"
      "a: x\r\nb:\r\n  - y\r\n");
  EXPECT_EQ(at(tree, "a").text, "x");
  EXPECT_EQ(at(tree, "b").items[0].text, "y");
  EXPECT_EQ(at(tree, "b").items[0].line, 3);
}

TEST(ReadYaml, RepeatsAnchoredValuesAndMergesMappings) {
  const auto tree = yaml("base: &b {lr: 0.1, epochs: 3}\nother: {<<: *b, lr: 0.2}\nsame: *b\nboth: {<<: [{x: 1}, {x: 2, y: 3}]}\n");
  EXPECT_EQ(at(at(tree, "other"), "lr").text, "0.2");
  EXPECT_EQ(at(at(tree, "other"), "epochs").text, "3");
  EXPECT_EQ(at(at(tree, "other"), "epochs").pointer, "/other/epochs");
  EXPECT_EQ(at(tree, "other").find("<<"), nullptr);
  EXPECT_EQ(at(at(tree, "same"), "lr").text, "0.1");
  EXPECT_EQ(at(at(tree, "both"), "x").text, "1");
  EXPECT_EQ(at(at(tree, "both"), "y").text, "3");
}

TEST(ReadYaml, ReportsEveryDuplicateKeyAndKeepsTheFirst) {
  std::vector<Problem> problems;
  const auto tree = read_yaml("a: 1\nb: 2\na: 3\nb: 4\n", source(), problems);
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_EQ(problems[0].message, "the key `a` is given twice, first in line 1");
  EXPECT_EQ(problems[0].place.line, 3);
  EXPECT_EQ(at(tree, "a").text, "1");
}

TEST(ReadYaml, RefusesWhatReadersDisagreeAbout) {
  EXPECT_NE(yaml_failure("a:\n\tb: 1\n").find("a tab in the indentation\n  at r.yaml:2:1"), std::string::npos);
  EXPECT_NE(yaml_failure("a: 1\n---\nb: 2\n").find("a second document"), std::string::npos);
  EXPECT_NE(yaml_failure("a: !!int 3\n").find("the tag"), std::string::npos);
  EXPECT_NE(yaml_failure("? [a, b]\n: 1\n").find("as a key"), std::string::npos);
  EXPECT_NE(yaml_failure("a: &x [*x]\n").find("an alias inside of what it stands for"), std::string::npos);
  EXPECT_NE(yaml_failure("a: {<<: 3}\n").find("`<<` needs a mapping"), std::string::npos);
}

TEST(ReadYaml, SaysThatAFileIsEmpty) {
  for (const auto* text : {"", "\n\n", "# only a comment\n", "\xEF\xBB\xBF"})
    EXPECT_NE(yaml_failure(text).find("there is nothing in it"), std::string::npos) << text;
}

TEST(ReadYaml, FindsQuotesThatAreNotClosed) {
  for (const auto* text : {"a: \"x\nb: 3\n", "a: 'x\nb: 3\n", "a: \"x", "a: \"x\n\n"}) {
    EXPECT_NE(yaml_failure(text).find("a closing quote is missing"), std::string::npos) << text << yaml_failure(text);
  }
  EXPECT_EQ(at(yaml("a: |\n  x\n  y\n"), "a").text, "x\ny\n");
  EXPECT_EQ(at(yaml("a: x\n  y"), "a").text, "x y");
}

TEST(ReadYaml, HintsAtQuotesAroundSubstitutions) {
  const auto text = yaml_failure("a: {b: ${cut}}\n");
  EXPECT_NE(text.find("r.yaml:1:"), std::string::npos);
  EXPECT_NE(text.find("\"${name}\" in quotes"), std::string::npos);
}

TEST(ReadYaml, SurvivesFilesMadeToExhaustMemory) {
  std::string laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
  for (int i = 1; i < 12; ++i) {
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 9; ++k) laughs += (k ? ", *a" : "*a") + std::to_string(i - 1);
    laughs += "]\n";
  }
  EXPECT_NE(yaml_failure(laughs).find("more than 100000 values"), std::string::npos);
  EXPECT_NE(yaml_failure("a: " + std::string(500, '[') + std::string(500, ']')).find("levels deep"), std::string::npos);
  EXPECT_NE(yaml_failure(std::string(100000, '[')).find("closing bracket"), std::string::npos);
  EXPECT_NE(json_failure(std::string(100000, '[')).find("levels deep"), std::string::npos);
  EXPECT_NE(yaml_failure(std::string(5 << 20, 'a')).find("larger than 4 MB"), std::string::npos);
}

TEST(ReadYaml, RefusesBytesThatAreNotUtf8) {
  EXPECT_NE(yaml_failure("a: \xFF\n").find("not UTF-8 text\n  at r.yaml:1:4"), std::string::npos);
  EXPECT_NE(yaml_failure("a: b\nc: \xED\xA0\x80\n").find("r.yaml:2:4"), std::string::npos);
  EXPECT_NE(yaml_failure(std::string("a: b\0", 5)).find("a zero byte"), std::string::npos);
  EXPECT_NE(yaml_failure(std::string("\xFF\xFE"
                                     "a\0",
                                     4))
                .find("UTF-16"),
            std::string::npos);
}

TEST(ReadJson, KeepsPlacesOfKeysAndValues) {
  const auto tree = json("{\n  \"a\": [1, -2.5e3, \"x\\n\\u00e9\", true, null],\n\t\"b\":{\"c\":{}}\n}");
  const auto& list = at(tree, "a");
  EXPECT_EQ(list.place().to_string(), "r.json:2:8 (/a)");
  EXPECT_EQ(list.items[0].place().to_string(), "r.json:2:9 (/a/0)");
  EXPECT_EQ(list.items[1].text, "-2.5e3");
  EXPECT_EQ(list.items[1].column, 12);
  EXPECT_EQ(list.items[2].text, "x\n\xC3\xA9");
  EXPECT_EQ(list.items[3].column, 33);
  EXPECT_TRUE(is_null(list.items[4]));
  EXPECT_EQ(tree.entries[1].key_place().to_string(), "r.json:3:2 (/b)");
  EXPECT_EQ(at(at(tree, "b"), "c").column, 11);
}

TEST(ReadJson, IsStrictAndSaysWhere) {
  EXPECT_NE(json_failure("{\"a\": 1,}").find("not valid JSON"), std::string::npos);
  EXPECT_NE(json_failure("{\n \"a\": nope}").find("r.json:2:"), std::string::npos);
  EXPECT_NE(json_failure("{\"a\": 1} x").find("not valid JSON"), std::string::npos);
  EXPECT_NE(json_failure("{\"a\": 1e999}").find("not valid JSON"), std::string::npos);
  EXPECT_NE(json_failure("").find("there is nothing in it"), std::string::npos);
  std::vector<Problem> problems;
  read_json("{\"a\": 1, \"a\": 2}", source(), problems);
  EXPECT_EQ(problems.size(), 1u);
}

TEST(ReadJson, GivesTheSameTreeAsYaml) {
  const auto tree = yaml("a: [1, 0.5, true, null, 'x: y']\nb: {c: {}, d: []}\n");
  EXPECT_EQ(to_yaml(json(to_json(tree))), to_yaml(tree));
  EXPECT_EQ(to_json(yaml(to_json(tree, -1))), to_json(tree));
}

TEST(ScalarLooks, FollowTheCoreSchemaAndMarkWhatReadersDisagreeAbout) {
  const auto look = [](const std::string& text) { return look_of(plain_tree(text)); };
  for (const auto* text : {"0", "12", "-3", "+4"}) EXPECT_EQ(look(text), ScalarLook::integer) << text;
  for (const auto* text : {"0.5", ".5", "1.", "1e3", "1E-3", "-0.0", "+.5e+2"}) EXPECT_EQ(look(text), ScalarLook::number) << text;
  for (const auto* text : {"0x10", "0o17", "017", "1_000", "0b1", ".inf", "-.Inf", ".nan", "00", "1_0.5"})
    EXPECT_EQ(look(text), ScalarLook::odd) << text;
  for (const auto* text : {"true", "False", "TRUE"}) EXPECT_EQ(look(text), ScalarLook::boolean) << text;
  for (const auto* text : {"", "~", "null", "Null"}) EXPECT_EQ(look(text), ScalarLook::null) << text;
  for (const auto* text :
       {"no", "yes", "on", "OFF", "y", "2026-11-21", "12:30:45", "1e", "e3", "1.2.3", "0.5pp", "nullish", "tRue", "inf", "nan", "-", "."}) {
    EXPECT_EQ(look(text), ScalarLook::text) << text;
  }
  EXPECT_EQ(look_of(text_tree("12")), ScalarLook::text);
}

TEST(PrintTree, QuotesWhateverAnotherReaderMightTakeForSomethingElse) {
  for (const auto* text : {"no",    "yes", "1e3", "012", "~",   "",   "null",     "2026-11-21", "a: b", "a #b",    "x\ny",
                           "\"q\"", "{a}", "*a",  "&a",  "- a", "@a", "12:30:45", "tab\there",  "é",    "\x7F\x01"}) {
    const auto tree = map_tree({{"k", text_tree(text)}, {text, plain_tree("1")}});
    const auto printed = to_yaml(tree);
    const auto read = yaml(printed);
    EXPECT_EQ(at(read, "k").text, text) << printed;
    EXPECT_TRUE(look_of(at(read, "k")) == ScalarLook::text) << printed;
    EXPECT_EQ(read.entries[1].key, text) << printed;
    EXPECT_EQ(at(json(to_json(tree)), "k").text, text);
  }
  EXPECT_EQ(to_yaml(map_tree({{"k", text_tree("layer1.0-conv")}})), "k: layer1.0-conv\n");
}

TEST(PrintTree, LaysListsOfMappingsOut) {
  const auto tree = yaml("passes: [{prune: {skip: [a, b], steps: 5}}, fuse, [[1, 2], [3]], {}, []]\nempty: {}\n");
  const auto printed = to_yaml(tree);
  EXPECT_EQ(printed, "passes:\n  - prune:\n      skip: [a, b]\n      steps: 5\n  - fuse\n  -\n    - [1, 2]\n    - [3]\n  - {}\n  - []\nempty: {}\n");
  EXPECT_EQ(to_yaml(yaml(printed)), printed);
}

TEST(PrintTree, WritesNumbersThatReadBackTheSame) {
  for (const double value : {0.1, 1.0 / 3, 1e-300, 123456789.0, -2.5e17, 0.0, 5e-324}) {
    EXPECT_EQ(std::strtod(number_text(value).c_str(), nullptr), value);
    const auto look = look_of(plain_tree(number_text(value)));
    EXPECT_TRUE(look == ScalarLook::number || look == ScalarLook::integer) << number_text(value);
  }
}

TEST(Pointers, EscapeAndLabel) {
  auto tree = yaml("a/b: {'~': [x]}\n");
  EXPECT_EQ(tree.entries[0].value.entries[0].value.items[0].pointer, "/a~1b/~0/0");
  EXPECT_EQ(label_of("/evaluate/batch/1"), "`batch[1]`");
  EXPECT_EQ(label_of("/a~1b/0/2"), "`a/b[0][2]`");
  EXPECT_EQ(label_of(""), "the file");
}

}  // namespace
}  // namespace dsc
