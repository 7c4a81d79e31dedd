#include "core/compose.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "core/file.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

class Compose : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("dsc_compose_" + std::to_string(::getpid()));
    fs::create_directories(folder_ / "sub");
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    const auto path = (folder_ / name).string();
    write_file_atomically(path, text);
    return path;
  }
  Composition compose_text(const std::string& text, std::vector<Override> overrides = {}) {
    return compose({.path = write("r.yaml", text), .overrides = std::move(overrides)}, problems_);
  }
  std::string json(const std::string& text, std::vector<Override> overrides = {}) {
    return to_json(compose_text(text, std::move(overrides)).tree, -1);
  }
  std::string problems() const {
    std::string text;
    for (const auto& problem : problems_) text += problem.message + " | " + problem.hint + "\n";
    return text;
  }

  fs::path folder_;
  std::vector<Problem> problems_;
};

TEST_F(Compose, WholeSubstitutionsKeepTheirType) {
  EXPECT_EQ(json("vars: {n: 5, f: 0.5, b: true, t: hello, l: [1, 2], m: {k: v}, q: '7', z: null}\n"
                 "n: ${n}\nf: \"${f}\"\nb: ${b}\nt: ${t}\nl: ${l}\nm: ${m}\nk: ${m.k}\nq: ${q}\nz: ${ z }\n"),
            R"({"n": 5, "f": 0.5, "b": true, "t": "hello", "l": [1, 2], "m": {"k": "v"}, "k": "v", "q": "7", "z": null})");
  EXPECT_EQ(problems(), "");
}

TEST_F(Compose, TextWithSubstitutionsIsText) {
  EXPECT_EQ(json("vars: {a: 1, b: x}\nt: \"${a}${b}-$${a} $a {c}\"\nn: \"${a}2\"\n"), R"({"t": "1x-${a} $a {c}", "n": "12"})");
}

TEST_F(Compose, Arithmetic) {
  EXPECT_EQ(json("vars: {cut: 0.5, n: 3}\na: ${cut * 2 + 1}\nb: ${n - 1}\nc: ${(n + 1) / 8}\nd: \"e${n*2}\"\n"),
            R"({"a": 2, "b": 2, "c": 0.5, "d": "e6"})");
}

TEST_F(Compose, VariablesMayUseOthersInAnyOrder) { EXPECT_EQ(json("vars: {a: \"${b}/x\", b: \"${c}\", c: root}\nv: ${a}\n"), R"({"v": "root/x"})"); }

TEST_F(Compose, EnvironmentWithDefaults) {
  ::setenv("DSC_TEST_SET", "12", 1);
  ::setenv("DSC_TEST_EMPTY", "", 1);
  ::unsetenv("DSC_TEST_UNSET");
  EXPECT_EQ(json("vars: {r: /root}\na: ${env:DSC_TEST_SET}\nb: \"${env:DSC_TEST_SET}/x\"\nc: ${env:DSC_TEST_UNSET:-7}\n"
                 "d: ${env:DSC_TEST_EMPTY:-x}\ne: ${env:DSC_TEST_EMPTY}\nf: \"${env:DSC_TEST_UNSET:-${r}/data}\"\ng: ${env:DSC_TEST_UNSET:-}\n"),
            R"({"a": 12, "b": "12/x", "c": 7, "d": "x", "e": "", "f": "/root/data", "g": ""})");
  EXPECT_EQ(problems(), "");
}

TEST_F(Compose, ReportsEveryBadSubstitution) {
  ::unsetenv("DSC_TEST_UNSET");
  compose_text(
      "vars: {cut: 0.5, list: [1], x: \"${y}\", y: \"${x}\", t: abc}\n"
      "a: ${cutt}\nb: ${env:DSC_TEST_UNSET}\nc: ${cut\nd: \"x${list}\"\ne: ${1/0}\nf: ${x}\ng: ${t * 2}\nh: ${}\ni: ${env:a-b}\nj: ${list.a}\n");
  EXPECT_EQ(problems(),
            "unknown variable `cutt` | did you mean `cut`?\n"
            "the environment variable DSC_TEST_UNSET is not set | export DSC_TEST_UNSET=..., or give a default: ${env:DSC_TEST_UNSET:-default}\n"
            "`${` without `}` in \"${cut\" | write $${ for a plain ${\n"
            "`${list}` is a list and cannot be part of a text | use it as the whole value\n"
            "in `1/0`: division by zero | \n"
            "the variables refer to each other in a circle: x -> y -> x | \n"
            "`t` is the text \"abc\", and arithmetic needs a number | \n"
            "`${}` names nothing | write ${name}\n"
            "`a-b` cannot be the name of an environment variable | write ${env:NAME} or ${env:NAME:-default}\n"
            "the variable `list.a` has no key `a` | \n");
}

TEST_F(Compose, NotesUnusedVariables) {
  const auto result = compose_text("vars: {used: 1, spare: \"${used}\"}\na: ${used}\n");
  ASSERT_EQ(result.notes.size(), 1u);
  EXPECT_NE(result.notes[0].find("the variable `spare`"), std::string::npos);
}

TEST_F(Compose, SurvivesVariablesMadeToExhaustMemory) {
  std::string vars = "vars:\n  a0: [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const auto before = "\"${a" + std::to_string(i - 1) + "}\"";
    vars += "  a" + std::to_string(i) + ": [" + before;
    for (int k = 0; k < 9; ++k) vars += ", " + before;
    vars += "]\n";
  }
  try {
    compose_text(vars + "v: ${a8}\n");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.to_text().find("the variables make too many values"), std::string::npos);
  }
  std::string texts = "vars:\n  a0: xxxxxxxxxx\n";
  for (int i = 1; i < 30; ++i) texts += "  a" + std::to_string(i) + ": \"${a" + std::to_string(i - 1) + "}${a" + std::to_string(i - 1) + "}\"\n";
  compose_text(texts + "v: ${a29}\n");
  EXPECT_NE(problems().find("longer than 64 kB"), std::string::npos);
}

TEST_F(Compose, IncludedFilesLieBelow) {
  write("base.yaml", "model: {path: base.pt2, weights: w}\nlist: [1, 2]\nvars: {a: 1, b: 2}\n");
  write("sub/more.yaml", "include: ../base.yaml\nmodel: {weights: more}\n");
  const auto result = compose_text("include: [sub/more.yaml]\nlist: [3]\nvars: {a: 10}\nmodel: {extra: \"${a + b}\"}\n");
  EXPECT_EQ(to_json(result.tree, -1), R"({"model": {"path": "base.pt2", "weights": "more", "extra": 12}, "list": [3]})");
  EXPECT_EQ(result.files.size(), 3u);
  const auto* model = result.tree.find("model");
  EXPECT_EQ(fs::path(model->find("weights")->source->folder).filename(), "sub");
  EXPECT_EQ(fs::path(model->find("path")->place().file).filename(), "base.yaml");
}

TEST_F(Compose, IncludesAreChecked) {
  write("a.yaml", "include: b.yaml\n");
  write("b.yaml", "include: a.yaml\n");
  const auto failure = [&](const std::string& text) {
    try {
      compose_text(text);
    } catch (const Error& error) {
      return error.to_text();
    }
    return std::string("no error");
  };
  EXPECT_NE(failure("include: a.yaml\n").find("the file includes itself"), std::string::npos);
  EXPECT_NE(failure("include: r.yaml\n").find("the file includes itself"), std::string::npos);
  const auto missing = failure("x: 1\ninclude: [nope.yaml]\n");
  EXPECT_NE(missing.find("no such file"), std::string::npos);
  EXPECT_NE(missing.find("r.yaml:2:11"), std::string::npos) << missing;
  EXPECT_NE(failure("include: {a: b}\n").find("expected a file or a list of files"), std::string::npos);
  EXPECT_NE(failure("just text\n").find("a recipe must be a mapping"), std::string::npos);
  EXPECT_NE(failure("[1, 2]\n").find("a recipe must be a mapping"), std::string::npos);
}

TEST_F(Compose, OverridesSetAnyPathAndAreRecorded) {
  const auto text = "vars: {cut: 0.5}\npasses:\n  - prune: {reduce: {macs: \"${cut}\"}}\n  - fuse\n  - tidy:\nseed: 1\n";
  const auto result = compose_text(text, {{"passes.0.prune.reduce.macs", "0.7"},
                                          {"passes.1.fuse.all", "true"},
                                          {"/passes/2/tidy", "{x: [1, a]}"},
                                          {"vars.cut", "0.9"},
                                          {"gates.\"a.b\".min", "${cut}"},
                                          {"seed", "", "--seed"}});
  EXPECT_EQ(problems(), "");
  EXPECT_EQ(
      to_json(result.tree, -1),
      R"({"passes": [{"prune": {"reduce": {"macs": 0.7}}}, {"fuse": {"all": true}}, {"tidy": {"x": [1, "a"]}}], "seed": null, "gates": {"a.b": {"min": 0.9}}})");
  EXPECT_EQ(result.overrides.size(), 6u);
  EXPECT_EQ(result.overrides[5].origin, "--seed");
  EXPECT_EQ(result.tree.find("passes")->items[0].find("prune")->find("reduce")->find("macs")->place().to_string(),
            "--set passes.0.prune.reduce.macs=0.7 (/passes/0/prune/reduce/macs)");
}

TEST_F(Compose, OverridesThatFitNowhereAreReportedTogether) {
  compose_text("vars: {cut: 0.5}\npasses: [fuse, {prune: {}}]\nname: y\n", {{"passes.2.fuse.x", "1"},
                                                                            {"passes.prune.x", "1"},
                                                                            {"vars.cutt", "1"},
                                                                            {"name.x", "1"},
                                                                            {"a..b", "1"},
                                                                            {"passes.0.prune.x", "1"},
                                                                            {"seed", "[1"}});
  EXPECT_EQ(problems(),
            "`passes` has no index 2 | count from 0 to 1\n"
            "`passes` is a list; expected an index, found `prune` | count from 0, e.g. passes.0\n"
            "unknown variable `cutt` | did you mean `cut`?\n"
            "`name` is the text \"y\", there is no `x` in it | \n"
            "the path `a..b` has an empty part | write path=value, e.g. passes.0.prune.steps=3\n"
            "`passes[0]` is the text \"fuse\", there is no `prune` in it | \n"
            "a list or mapping as a key; keys are plain names | is a closing bracket missing?\n");
}

TEST_F(Compose, VariablesFilesWinOverTheRecipeAndAreRecorded) {
  const auto file = write("vars.json", R"({"cut": 0.9, "extra": [1]})");
  const auto result = compose({.path = write("r.yaml", "vars: {cut: 0.5}\na: ${cut}\nb: ${extra}\n"), .vars_files = {file}}, problems_);
  EXPECT_EQ(to_json(result.tree, -1), R"({"a": 0.9, "b": [1]})");
  ASSERT_EQ(result.overrides.size(), 2u);
  EXPECT_EQ(result.overrides[0].path, "vars.cut");
  EXPECT_EQ(result.overrides[0].value, "0.9");
  EXPECT_EQ(result.overrides[0].origin, "--vars-file " + file);
}

TEST(ParseOverride, SplitsAtTheFirstEqualsSign) {
  const auto parsed = parse_override("a.b=c=d");
  EXPECT_EQ(parsed.path, "a.b");
  EXPECT_EQ(parsed.value, "c=d");
  EXPECT_THROW(parse_override("a.b"), Error);
  EXPECT_THROW(parse_override("=b"), Error);
}

}  // namespace
}  // namespace dsc
