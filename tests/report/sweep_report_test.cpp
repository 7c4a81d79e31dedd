#include "report/sweep_report.h"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "core/random.h"

namespace dsc {
namespace {

SweepTrial trial(std::int64_t number, std::vector<std::string> values, double top1, double size) {
  return {.number = number, .status = "complete", .values = std::move(values), .figures = {{"top1", top1}, {"size", size}}, .seconds = 1, .folder = "trials/" + std::to_string(number)};
}

SweepReport small() {
  SweepReport report{.name = "s", .recipe = "r.yaml", .method = "grid", .parameters = {"vars.bits", "vars.cut"}, .objectives = {{"size", false}, {"top1", true}}};
  report.trials = {trial(1, {"2", "0.3"}, 0.80, 100), trial(2, {"4", "0.3"}, 0.90, 200), trial(3, {"8", "0.3"}, 0.89, 400),
                   trial(4, {"2", "0.6"}, 0.70, 50),  trial(5, {"4", "0.6"}, 0.80, 100), trial(6, {"8", "0.6"}, 0.95, 900)};
  return report;
}

std::vector<std::int64_t> front_numbers(const SweepReport& report) {
  std::vector<std::int64_t> numbers;
  for (const auto i : pareto_front(report)) numbers.push_back(report.trials[i].number);
  return numbers;
}

TEST(ParetoFront, HoldsWhatNothingBeats) {
  auto report = small();
  EXPECT_EQ(front_numbers(report), (std::vector<std::int64_t>{1, 2, 4, 5, 6})) << "equal ones both stay; 400 bytes for less than 90 % are beaten";
  report.trials[1].violations = {"top1 fell by 3 points, 2 allowed"};
  EXPECT_EQ(front_numbers(report), (std::vector<std::int64_t>{1, 3, 4, 5, 6})) << "one that meets no constraint beats nothing";
  report.trials[5].status = "failed";
  EXPECT_EQ(front_numbers(report), (std::vector<std::int64_t>{1, 3, 4, 5}));
}

TEST(ParetoFront, IsThatOfEveryPairCompared) {
  SweepReport report{.objectives = {{"a", true}, {"b", false}, {"c", true}}};
  Random random(1);
  for (std::int64_t i = 0; i < 300; ++i) {
    report.trials.push_back({.number = i, .status = "complete",
                             .figures = {{"a", static_cast<double>(random.below(12))}, {"b", static_cast<double>(random.below(12))}, {"c", static_cast<double>(random.below(12))}}});
  }
  std::vector<std::int64_t> expected;
  for (const auto& one : report.trials) {
    bool beaten = false;
    for (const auto& other : report.trials) {
      const double a = other.figures.at("a") - one.figures.at("a"), b = one.figures.at("b") - other.figures.at("b"), c = other.figures.at("c") - one.figures.at("c");
      beaten = beaten || (a >= 0 && b >= 0 && c >= 0 && a + b + c > 0);
    }
    if (!beaten) expected.push_back(one.number);
  }
  EXPECT_EQ(front_numbers(report), expected);
}

TEST(ParameterImportance, IsTheMainEffectsShareOfTheVariance) {
  SweepReport report{.parameters = {"a", "b", "c"}, .objectives = {{"top1", true}}};
  for (const double a : {0, 1}) {
    for (const double b : {0, 1, 2}) {
      for (const double c : {0, 1}) {
        report.trials.push_back({.number = 1, .status = "complete", .values = {std::to_string(a), std::to_string(b), std::to_string(c)}, .figures = {{"top1", 3 * a + b}}});
      }
    }
  }
  const double of_a = 9 * 0.25, of_b = 2.0 / 3;  // variances of 3a and b, which add up
  const auto shares = parameter_importance(report, "top1");
  ASSERT_EQ(shares.size(), 3U);
  EXPECT_NEAR(shares[0], of_a / (of_a + of_b), 1e-12);
  EXPECT_NEAR(shares[1], of_b / (of_a + of_b), 1e-12);
  EXPECT_NEAR(shares[2], 0, 1e-12);
  for (auto& one : report.trials) one.figures["top1"] = 1;
  EXPECT_TRUE(parameter_importance(report, "top1").empty()) << "nothing varies";
}

TEST(ParameterImportance, OfManyNumbersGoesByGroups) {
  SweepReport report{.parameters = {"x", "noise"}, .objectives = {{"top1", true}}};
  Random random(2);
  for (int i = 0; i < 400; ++i) {
    const double x = random.uniform();
    report.trials.push_back({.number = i, .status = "complete", .values = {std::to_string(x), std::to_string(random.uniform())}, .figures = {{"top1", x}}});
  }
  const auto shares = parameter_importance(report, "top1");
  EXPECT_GT(shares[0], 0.95);
  EXPECT_LT(shares[1], 0.1);
}

TEST(SweepFiles, SayWhatWasFound) {
  auto report = small();
  report.trials[2].status = "failed";
  report.trials[2].reason = "the step \"x\", of all, failed\n  hint: none";
  report.trials[0].values[0] = "<2>";
  EXPECT_EQ(sweep_front_csv(report).substr(0, 75), "trial,vars.bits,vars.cut,size,top1,folder\n1,<2>,0.3,100,0.8,trials/1\n2,4,0.");
  EXPECT_NE(sweep_csv(report).find("\"the step \"\"x\"\", of all, failed\n"), std::string::npos);
  EXPECT_EQ(sweep_summary(report), "5 of 6 trials complete, 1 failed, 5 on the front");
  const auto html = sweep_html(report);
  EXPECT_NE(html.find("<title>trial 6\nvars.bits = 8\nvars.cut = 0.6\nsize: 900 B\ntop1: 95.00 %</title>"), std::string::npos);
  EXPECT_NE(html.find("&lt;2&gt;"), std::string::npos);
  EXPECT_EQ(html.find("<2>"), std::string::npos);
  EXPECT_EQ(html.find("http"), std::string::npos) << "it opens offline";
  const auto json = nlohmann::json::parse(sweep_json(report));
  EXPECT_EQ(json.at("front"), (std::vector<int>{1, 2, 4, 5, 6}));
  EXPECT_EQ(json.at("trials")[2].at("status"), "failed");
}

// An axis for each parameter and objective, lowest value at the bottom (y 206), highest at the top (y 24).
TEST(SweepFiles, ParallelCoordinatesJoinTheValuesOfATrial) {
  SweepReport report{.name = "s", .parameters = {"cut", "how"}, .objectives = {{"size", false}}};
  const auto trial = [](int number, const char* cut, const char* how, double size) {
    return SweepTrial{.number = number, .status = "complete", .values = {cut, how}, .figures = {{"size", size}}};
  };
  report.trials = {trial(1, "0.2", "b", 100), trial(2, "0.6", "a", 300), trial(3, "0.4", "", 200)};
  const auto html = sweep_html(report);
  EXPECT_NE(html.find("<path d=\"M12.0 206.0L184.0 24.0L356.0 206.0\"><title>trial 1"), std::string::npos);
  EXPECT_NE(html.find("<path d=\"M12.0 24.0L184.0 206.0L356.0 24.0\"><title>trial 2"), std::string::npos);
  EXPECT_NE(html.find("<path d=\"M12.0 115.0M356.0 115.0\"><title>trial 3"), std::string::npos) << "a trial without a value has a gap";
}

// The lines that Optuna 5's JournalStorage replays; tests/sweep/sampler_test.cpp has Optuna read such a file.
TEST(SweepFiles, JournalIsOneThatOptunaReplays) {
  SweepReport report{.name = "s", .started_at = "2026-11-29T23:59:58Z", .parameters = {"how"}, .objectives = {{"size", false}, {"top1", true}}};
  report.trials = {{.number = 1, .status = "complete", .values = {"b"}, .figures = {{"size", 5}, {"top1", 0.5}}, .violations = {"too large"}, .seconds = 2.5, .folder = "trials/0001"},
                   {.number = 2, .status = "failed", .reason = "it broke", .values = {"a"}, .folder = "trials/0002"},
                   {.number = 3, .status = "waiting", .values = {"a"}, .folder = "trials/0003"}};
  std::vector<nlohmann::json> lines;
  std::istringstream text(sweep_journal(report));
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(lines.size(), 2U + 5U + 5U + 4U);
  EXPECT_EQ(lines[0].at("directions"), (std::vector<int>{1, 2}));
  EXPECT_EQ(lines[3].at("param_value_internal"), 1) << "b is the second of a, b";
  EXPECT_EQ(nlohmann::json::parse(lines[3].at("distribution").get<std::string>()).at("attributes").at("choices"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(lines[5].at("system_attr").at("constraints"), std::vector<double>{1});
  EXPECT_EQ(lines[6], nlohmann::json::parse(R"({"op_code": 6, "trial_id": 0, "state": 1, "values": [5.0, 0.5], "datetime_complete": "2026-11-30T00:00:00.500000+00:00", "worker_id": "dscompress"})"));
  EXPECT_EQ(lines[10].at("user_attr").at("reason"), "it broke");
  EXPECT_EQ(lines[11].at("state"), 3);
  EXPECT_EQ(lines[15].at("state"), 4);
}

TEST(SweepFiles, OfTenThousandTrialsStaySmall) {
  SweepReport report{.name = "large", .parameters = {"a", "b", "c"}, .objectives = {{"macs", false}, {"size", false}, {"top1", true}}};
  Random random(3);
  for (int i = 0; i < 10000; ++i) {
    report.trials.push_back({.number = i, .status = "complete", .values = {std::to_string(random.uniform()), std::to_string(random.uniform()), "4"},
                             .figures = {{"macs", 1e6 * random.uniform()}, {"size", 1e6 * random.uniform()}, {"top1", random.uniform()}}});
  }
  EXPECT_LT(sweep_html(report).size(), 5'000'000U);
}

}  // namespace
}  // namespace dsc
