#include "sweep/space.h"

#include <gtest/gtest.h>

#include <set>

#include "core/fields_parse.h"

namespace dsc::sweep {
namespace {

// The section as it would be in a recipe.
SweepConfig config_of(const std::string& yaml) {
  std::vector<Problem> problems;
  auto recipe = map_tree();
  recipe.add("sweep", read_yaml(yaml, std::make_shared<TreeSource>(TreeSource{.name = "sweep.yaml", .folder = {}}), problems));
  set_pointers(recipe);
  auto config = take_sweep(recipe, problems);
  throw_problems(std::move(problems));
  return *config;
}

std::vector<std::string> texts_of(const std::string& yaml, std::uint64_t seed = 0) {
  std::vector<std::string> texts;
  for (const auto& assignment : make_trials(config_of(yaml), seed).assignments) {
    std::string text;
    for (const auto& [path, value] : assignment) text += (text.empty() ? "" : " ") + path + "=" + value;
    texts.push_back(text);
  }
  return texts;
}

using Texts = std::vector<std::string>;

std::string error_of(const std::string& yaml) {
  try {
    texts_of(yaml);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(SweepSpace, GridIsEveryCombination) {
  EXPECT_EQ(texts_of("parameters: {vars.cut: {values: [0.3, 0.5]}, vars.bits: {values: [4, 8]}}"),
            (Texts{"vars.bits=4 vars.cut=0.3", "vars.bits=4 vars.cut=0.5", "vars.bits=8 vars.cut=0.3", "vars.bits=8 vars.cut=0.5"}));
}

TEST(SweepSpace, RangesHaveCountOrStep) {
  EXPECT_EQ(texts_of("parameters: {a: {range: [0.1, 0.4], step: 0.1}}"), (Texts{"a=0.1", "a=0.2", "a=0.3", "a=0.4"}));
  EXPECT_EQ(texts_of("parameters: {a: {range: [0, 1], count: 5}}"), (Texts{"a=0", "a=0.25", "a=0.5", "a=0.75", "a=1"}));
  EXPECT_EQ(texts_of("parameters: {a: {log: [1.0e-4, 0.1], count: 4}}"), (Texts{"a=1e-04", "a=0.001", "a=0.01", "a=0.1"}));
  EXPECT_EQ(texts_of("parameters: {a: {int: [2, 8], step: 3}}"), (Texts{"a=2", "a=5", "a=8"}));
  EXPECT_EQ(texts_of("parameters: {a: {int: [1, 3]}}"), (Texts{"a=1", "a=2", "a=3"}));
}

TEST(SweepSpace, ValuesAreOfAnyType) {
  EXPECT_EQ(texts_of("parameters: {a: {values: [l1, \"4\", true, {sgd: {lr: 0.1}}, [1, x]]}}"),
            (Texts{"a=l1", "a=\"4\"", "a=true", "a={\"sgd\": {\"lr\": 0.1}}", "a=[1, \"x\"]"}));
}

TEST(SweepSpace, ZippedParametersAdvanceTogether) {
  EXPECT_EQ(texts_of("parameters: {a: {values: [1, 2]}, b: {values: [x, y]}, c: {values: [0, 1]}}\nzip: [[a, b]]"),
            (Texts{"a=1 b=x c=0", "a=1 b=x c=1", "a=2 b=y c=0", "a=2 b=y c=1"}));
}

TEST(SweepSpace, ConditionsLeaveTrialsOut) {
  EXPECT_EQ(texts_of("parameters: {vars.cut: {values: [0.3, 0.6]}, vars.bits: {values: [2, 8]}}\nwhere: ['vars.bits >= 4 || vars.cut < 0.5']"),
            (Texts{"vars.bits=2 vars.cut=0.3", "vars.bits=8 vars.cut=0.3", "vars.bits=8 vars.cut=0.6"}));
  EXPECT_EQ(texts_of("parameters: {a: {values: [l1, l2]}}\nwhere: [\"a != 'l1'\"]"), (Texts{"a=l2"}));
}

TEST(SweepSpace, ListIsTakenAsItIs) {
  EXPECT_EQ(texts_of("method: list\nlist: [{a: 1, b: x}, {a: 2}]"), (Texts{"a=1 b=x", "a=2"}));
}

TEST(SweepSpace, DrawsRepeatWithTheSeedAndStayInside) {
  const std::string yaml = "method: random\nparameters: {a: {range: [0.2, 0.8]}, b: {log: [1.0e-4, 0.1]}, c: {int: [1, 9]}}\nlimits: {trials: 200}\nwhere: ['c > 2']";
  const auto drawn = texts_of(yaml, 1);
  ASSERT_EQ(drawn.size(), 200U);
  EXPECT_EQ(drawn, texts_of(yaml, 1));
  EXPECT_NE(drawn, texts_of(yaml, 2));
  const auto fewer = make_trials(config_of("method: random\nparameters: {a: {range: [0.2, 0.8]}, b: {log: [1.0e-4, 0.1]}, c: {int: [1, 9]}}\nlimits: {trials: 50}\nwhere: ['c > 2']"), 1).assignments;
  const auto all = make_trials(config_of(yaml), 1).assignments;
  EXPECT_TRUE(std::equal(fewer.begin(), fewer.end(), all.begin())) << "a shorter sweep is the beginning of a longer one";
  int below = 0;
  for (const auto& trial : all) {
    const double a = std::stod(trial.at("a")), b = std::stod(trial.at("b"));
    EXPECT_TRUE(a >= 0.2 && a <= 0.8 && b >= 1e-4 && b <= 0.1) << a << " " << b;
    EXPECT_GT(std::stoi(trial.at("c")), 2);
    below += b < std::sqrt(1e-4 * 0.1);
  }
  EXPECT_NEAR(below, 100, 30) << "half of the draws lie below the geometric mean";
}

TEST(SweepSpace, DrawsOfFewCombinationsDoNotRepeat) {
  const auto trials = make_trials(config_of("method: random\nparameters: {a: {values: [1, 2, 3]}, b: {values: [x, y]}}\nlimits: {trials: 20}"), 0);
  EXPECT_EQ(trials.assignments.size(), 6U);
  EXPECT_EQ(std::set<Assignment>(trials.assignments.begin(), trials.assignments.end()).size(), 6U);
  ASSERT_EQ(trials.notes.size(), 1U);
}

struct Mistake {
  const char* yaml;
  const char* message;
};

TEST(SweepSpace, MistakesAreNamed) {
  for (const auto& mistake : {Mistake{"parameters: {a: {range: [0, 1]}}", "`a` is a range, and a grid needs points"},
                              Mistake{"parameters: {a: {values: []}}", "no values; give values, range, int or log"},
                              Mistake{"parameters: {a: {values: [1], range: [0, 1]}}", "give one of values, range, int and log"},
                              Mistake{"parameters: {}", "nothing changes from trial to trial"},
                              Mistake{"parameters: {a: {range: [1, 0], count: 2}}", "the first end must be below the second"},
                              Mistake{"parameters: {a: {log: [0, 1], count: 2}}", "the lowest must be above 0"},
                              Mistake{"parameters: {a: {values: [1, 2]}}\nwhere: ['a > 2']", "`where` excludes all 2 trials"},
                              Mistake{"parameters: {aa: {values: [1, 2]}}\nwhere: ['ab > 2']", "`where` names no parameter: `ab`"},
                              Mistake{"parameters: {a: {values: [1]}}\nwhere: ['a >']", "/sweep/where/0"},
                              Mistake{"parameters: {a: {values: [1, 2]}, b: {values: [1]}}\nzip: [[a, b]]", "advance together and have 2 and 1 values"},
                              Mistake{"parameters: {a: {values: [1, 2]}}\nzip: [[a, c]]", "`zip` names no parameter: `c`"},
                              Mistake{"method: random\nparameters: {a: {values: [1, 2]}}", "give limits.trials"},
                              Mistake{"method: random\nparameters: {a: {values: [1, 2]}}\nlimits: {trials: 2}\nwhere: ['a > 2']", "excludes all of 1000 draws"},
                              Mistake{"method: list", "needs trials in `list`"},
                              Mistake{"parameters: {a: {int: [1, 2000000]}, b: {int: [1, 2000000]}}", "a million"},
                              Mistake{"parameters: {a: {values: [1]}}\nmethod: grdi", "did you mean `grid`?"}}) {
    EXPECT_NE(error_of(mistake.yaml).find(mistake.message), std::string::npos) << mistake.yaml << "\n" << error_of(mistake.yaml);
  }
}

}  // namespace
}  // namespace dsc::sweep
