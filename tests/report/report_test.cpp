#include "report/report.h"

#include <gtest/gtest.h>

#include "dscompress/error.h"
#include "report/charts.h"

namespace dsc {
namespace {

Report sample() {
  Report report;
  report.name = "sample <&> \"quoted\"";
  report.status = "passed";
  report.baseline = 1;
  StepRecord base{.index = 0, .name = "base", .metrics = {{"top1", 0.1}}, .parameters = 1000, .macs = 5000, .size_bytes = 4000};
  StepRecord train{.index = 1,
                   .name = "train",
                   .pass = "finetune",
                   .seconds = 12.5,
                   .changed = true,
                   .metrics = {{"top1", 0.9}},
                   .parameters = 1000,
                   .macs = 5000,
                   .size_bytes = 4000};
  train.curves = {{"train_loss", {1, 2, 3}, {0.9, 0.5, 0.25}}};
  StepRecord prune{.index = 2, .name = "prune", .pass = "prune", .seconds = 3, .changed = true, .metrics = {{"top1", 0.88}}, .parameters = 400, .macs = 2000, .size_bytes = 500};
  prune.tables = {{"groups", {"group", "channels"}, {{"conv|1", "16"}, {"<b>", "8"}}}};
  prune.notes = {"one group is pinned"};
  prune.statistics = {{"cut", 0.6, "fraction"}};
  report.steps = {base, train, prune};
  report.latency = {{"base", "libtorch f32", 1, 50, 10, 11, 12, 9, 0.1, 100},
                    {"compressed", "libtorch f32", 1, 50, 8, 9, 10, 7, 0.1, 125},
                    {"compressed", "openvino CPU f32", 1, 50, 2, 3, 4, 1.5, 0.1, 500}};
  report.generation = {{"base", "openvino CPU f32", 32, 64, 3, 100, 20, 0.1}, {"compressed", "openvino CPU i4+f32", 32, 64, 3, 50, 45.5, 0.1}};
  report.gates = {{"top1", "max_drop 1pp", 2.0, 1.0, false, "top1 fell by 2 points, 1 allowed"}, {"agreement", "min 0.9", {}, 0.9, false, "agreement was not measured"}};
  report.files = {{"model.pt2", "pt2", 500, 4000, "read back"}};
  report.overrides = {{"seed", "3", "--seed"}};
  return report;
}

TEST(Report, JsonReadsBackToTheSameJson) {
  const auto text = report_json(sample());
  EXPECT_EQ(report_json(parse_report(text, "report.json")), text);
}

TEST(Report, DamagedJsonIsAnErrorWithItsFile) {
  for (const auto* text : {"", "{", "[]", "{\"version\": 1, \"nonsense\": 2}", "{\"version\": \"one\"}"}) {
    try {
      parse_report(text, "report.json");
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::data) << text;
      EXPECT_EQ(error.problems().front().place.file, "report.json") << text;
    }
  }
}

TEST(Report, NewerVersionIsRefused) {
  EXPECT_THROW(parse_report("{\"version\": 99}", "report.json"), Error);
}

TEST(Report, ComparesTheBaselineWithTheDeployedEnd) {
  auto report = sample();
  auto ends = compare_ends(report);
  EXPECT_DOUBLE_EQ(ends.base.at("top1"), 0.9);
  EXPECT_DOUBLE_EQ(ends.compressed.at("top1"), 0.88);
  EXPECT_DOUBLE_EQ(*ends.size_ratio, 8);
  EXPECT_DOUBLE_EQ(*ends.macs_ratio, 2.5);
  EXPECT_DOUBLE_EQ(*ends.latency_speedup, 5) << "LibTorch's base against OpenVINO's compressed";
  report.deployed = {{"openvino CPU", {{"top1", 0.87}}, 3, 3, {}}};
  EXPECT_DOUBLE_EQ(compare_ends(report).compressed.at("top1"), 0.87) << "what is deployed counts";
}

TEST(Report, MarkdownHoldsStepsGatesAndEscapesCells) {
  const auto text = report_markdown(sample());
  for (const auto* part : {"## Steps", "| 2 prune |", "90.00 %", "8.00x", "**failed**", "conv\\|1", "one group is pinned", "`seed` = `3`"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
}

TEST(Report, ShowsHowFastTextIsGenerated) {
  const auto text = report_markdown(sample());
  EXPECT_NE(text.find("| compressed | openvino CPU i4+f32 | 32 | 64 | 50.0 | 45.5 |"), std::string::npos) << text;
  EXPECT_NE(report_html(sample()).find("45.5 tokens/s"), std::string::npos);
}

TEST(Report, HtmlEscapesTextAndNeedsNoNetwork) {
  const auto text = report_html(sample());
  EXPECT_NE(text.find("sample &lt;&amp;&gt; &quot;quoted&quot;"), std::string::npos);
  EXPECT_NE(text.find("&lt;b&gt;"), std::string::npos);
  EXPECT_EQ(text.find("<td><b>"), std::string::npos);
  for (const auto* outside : {"http://", "https://", "<script", "@import", "url("}) EXPECT_EQ(text.find(outside), std::string::npos) << outside;
}

TEST(Report, HtmlShowsWhatIsLeftOfEachGroup) {
  auto report = sample();
  report.steps.back().tables = {{"groups", {"group", "channels", "channels after"}, {{"conv1", "8", "6"}, {"conv2", "16", "4"}}}};
  const auto text = report_html(report);
  EXPECT_NE(text.find("channels left"), std::string::npos);
  EXPECT_NE(text.find("4 of 16"), std::string::npos);
}

TEST(Report, HtmlShowsAccuracyOverMeanCost) {
  auto report = sample();
  report.steps.back().tables = {
      {"thresholds", {"threshold", "top1", "mean MACs", "mean ms"}, {{"0.8", "90.00 %", "50.00 %", "2.5"}, {"0.9", "91.00 %", "70.00 %", "3.5"}}}};
  const auto text = report_html(report);
  EXPECT_NE(text.find("top1 over mean ms"), std::string::npos);
  EXPECT_NE(text.find("threshold 0.9"), std::string::npos);
  report.steps.back().tables.front().columns.back() = "other";
  EXPECT_NE(report_html(report).find("top1 over mean MACs"), std::string::npos);
  report.steps.back().tables = {{"resolutions as deployed", {"resolution", "MACs", "top1", "p50 ms of 8"}, {{"32 x 32", "2e6", "90.00 %", "0.5"}}}};
  EXPECT_NE(report_html(report).find("top1 over p50 ms of 8"), std::string::npos);
}

TEST(Report, JunitCountsFailedGates) {
  const auto text = report_junit(sample());
  EXPECT_NE(text.find("tests=\"3\" failures=\"2\" errors=\"0\""), std::string::npos) << text;
}

TEST(Report, ReportOfAFailedRunNeedsNoSteps) {
  Report report;
  report.status = "error";
  report.error = "line one\nline two";
  EXPECT_NE(report_markdown(report).find("line two"), std::string::npos);
  EXPECT_NE(report_html(report).find("line two"), std::string::npos);
  EXPECT_NE(report_junit(report).find("<error"), std::string::npos);
}

TEST(Charts, SurviveEmptyConstantAndNonFiniteData) {
  EXPECT_EQ(line_chart("t", "x", {}), "");
  EXPECT_EQ(bar_chart("t", {}), "");
  EXPECT_EQ(scatter_chart("t", "x", "y", {}), "");
  EXPECT_EQ(waterfall_chart("t", {{"base", 1, "1"}}, true, false), "");
  EXPECT_EQ(span_chart("t", {}), "");
  EXPECT_EQ(histogram_chart({.title = "t"}), "");
  EXPECT_EQ(roofline_chart("t", {"f32"}, {{1, 1, "", 0}}), "");
  EXPECT_NE(line_chart("t", "x", {{"flat", {0, 1}, {2, 2}}}), "");
  const auto chart = line_chart("t", "x", {{"gap", {0, 1, 2}, {1, std::numeric_limits<double>::quiet_NaN(), 3}}});
  EXPECT_EQ(chart.find("nan"), std::string::npos);
}

TEST(Charts, APointWithoutNeighboursIsADot) {
  const double gap = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NE(line_chart("t", "x", {{"one", {1}, {0.5}}}).find("<circle"), std::string::npos);
  EXPECT_NE(line_chart("t", "x", {{"alone", {1, 2, 3, 4}, {0.5, gap, 0.6, 0.7}}}).find("<circle"), std::string::npos);
  EXPECT_EQ(line_chart("t", "x", {{"line", {1, 2}, {0.5, 0.6}}}).find("<circle"), std::string::npos);
}

TEST(Charts, MarksAreJoinedOnlyWhereTheyAreALine) {
  const auto dots = line_chart("t", "x", {{.name = "candidates", .x = {1, 5}, .y = {0.5, 0.6}, .mark = Mark::dots, .hover = {"kept: <worse>", ""}}});
  EXPECT_EQ(dots.find("<polyline"), std::string::npos);
  EXPECT_NE(dots.find("<title>kept: &lt;worse&gt;</title></circle>"), std::string::npos);
  const auto limit = line_chart("t", "x", {{.name = "at most", .x = {1, 5}, .y = {2, 2}, .mark = Mark::dashes}});
  EXPECT_NE(limit.find("class=\"s0 dashes\""), std::string::npos);
  EXPECT_EQ(limit.find("<circle"), std::string::npos);
}

TEST(Charts, FiguresAreDrawnInTheUnitTheirSizeAsksFor) {
  EXPECT_EQ(scale_of("top1", 0.9).label, "top1, %");
  EXPECT_EQ(scale_of("top1", 0.9).factor, 100);
  EXPECT_EQ(scale_of("size", 24000).label, "size, kB");
  EXPECT_EQ(scale_of("size", 2.4e6).factor, 1e-6);
  EXPECT_EQ(scale_of("latency_p99", 3).label, "latency p99, ms");
  EXPECT_EQ(scale_of("perplexity", 12).label, "perplexity");
}

TEST(Report, AxesOfAccuraciesEndAtOne) {
  auto report = sample();
  report.steps[1].curves = {{"valid_top1", {1, 2}, {1, 1}}, {"step1/valid_top1", {1}, {0.97}}};
  report.steps[1].metrics = {{"top1", 1.0}};
  report.steps[2].metrics = {{"top1", 1.0}};
  const auto text = report_html(report);
  EXPECT_NE(text.find(">100</text>"), std::string::npos);
  for (const auto* beyond : {">105</text>", ">110</text>", ">102</text>", ">101</text>"}) EXPECT_EQ(text.find(beyond), std::string::npos) << beyond;
}

// Each bar begins where the one before ended; green where the figure became better.
TEST(Charts, AWaterfallGoesFromStepToStep) {
  const auto chart = waterfall_chart("size", {{"base", 100, "100 B"}, {"prune", 50, "50 B"}, {"repair", 50, "50 B"}, {"widen", 75, "75 B"}}, false, true);
  const auto bar = [&](const std::string& classes) {
    const auto at = chart.find("<rect class=\"" + classes + "\" x=\"");
    const auto number = [&](const std::string& name) { return std::stod(chart.substr(chart.find(name + "=\"", at) + name.size() + 2)); };
    return std::pair{number(" x"), number(" x") + number("width")};
  };
  const auto base = bar("f7"), better = bar("good"), worse = bar("bad");
  const double half = (base.first + base.second) / 2, three_quarters = (half + base.second) / 2;
  EXPECT_NEAR(better.first, half, 0.2);
  EXPECT_NEAR(better.second, base.second, 0.2);
  EXPECT_NEAR(worse.first, half, 0.2);
  EXPECT_NEAR(worse.second, three_quarters, 0.2);
  EXPECT_NE(chart.find("aria-label=\"size: base 100 B; prune 50 B; repair 50 B; widen 75 B\""), std::string::npos) << "what is drawn is also said";
}

TEST(Charts, TheFrontHoldsWhatNoOtherPointBeats) {
  std::vector<Point> points{{.x = 1, .y = 0.5}, {.x = 2, .y = 0.4}, {.x = 2, .y = 0.9}, {.x = 3, .y = 0.9}, {.x = 1, .y = 0.5}};
  const auto front = [&] {
    std::vector<bool> on;
    for (const auto& point : points) on.push_back(point.on_front);
    return on;
  };
  mark_front(points, true);
  EXPECT_EQ(front(), (std::vector<bool>{true, false, true, false, true})) << "equal points do not beat each other";
  mark_front(points, false);
  EXPECT_EQ(front(), (std::vector<bool>{true, true, false, false, true}));
}

TEST(Report, HtmlShowsWhatEachStepChangedSinceTheBaseline) {
  auto report = sample();
  report.steps[1].latency = {"openvino CPU f32", 1, 2.0, 2.0};
  report.steps[2].latency = {"openvino CPU f32", 1, 0.5, 2.0};
  const auto text = report_html(report);
  for (const auto* part : {"88.00 % (-2.00)", "500 B (-88 %)", "2.00 k (-60 %)", "0.500 ms (-75 %)", "top1 against size", "top1 against latency"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(text.find("0 base 10.00 %"), std::string::npos) << "what was before the baseline is not compared";
}

TEST(Report, HtmlSaysWhichClassesAndExamplesWentWrong) {
  auto report = sample();
  report.classes = ClassesRecord{.names = {"cat", "dog"}, .base = {{5, 1}, {0, 6}}, .compressed = {{4, 2}, {0, 6}}, .confused = {{0, 1, 1, 2}}};
  report.examples = {{.of = "turned wrong", .index = 7, .label = "cat", .base = "cat", .compressed = "dog", .base_loss = 0.5, .compressed_loss = 3, .text = "<a cat>", .picture = ""}};
  const auto text = report_html(report);
  for (const auto* part : {"<td class=\"miss\" style=\"--v:1.00\">2</td>", "<td class=\"hit\" style=\"--v:0.83\">5</td>", "Turned wrong by compression", "&lt;a cat&gt;", "dog (loss 3.00)"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(text.find("Worst of the base"), std::string::npos) << "there are none";
}

TEST(Report, HtmlShowsLayersBeforeAndAfter) {
  auto report = sample();
  report.layers = {{.name = "conv1", .type = "conv2d", .channels_before = 16, .channels = 12, .macs_before = 1000, .macs = 750, .parameters_before = 144, .parameters = 108, .weight_bits = 8, .low = -1, .high = 2, .histogram = {1, 5, 2}},
                   {.name = "conv2", .type = "conv2d", .channels_before = 8, .channels = 0, .macs_before = 500, .parameters_before = 72}};
  report.deployed = {{.engine = "openvino CPU int8+f32", .timed_batch = 4, .layers = {{"conv1", "Convolution", "u8", "brgconv", 0.5, 4e6, 2e5}, {"fc", "FullyConnected", "f32", "gemm", 0.25, 1e6, 1e5}}}};
  const auto text = report_html(report);
  for (const auto* part : {"16 → 12", "gone", "values of quantised weights (1 layers)", "What takes the time", "0.500 ms, 67 %", "Roofline", "8 GMAC/s", "0.4 GB/s"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
}

// A screen reader says which row and column a figure is of, and what a drawing shows.
TEST(Report, HtmlNamesItsTablesAndDrawings) {
  const auto text = report_html(sample());
  EXPECT_NE(text.find("<th scope=\"row\">2 prune</th>"), std::string::npos);
  EXPECT_NE(text.find("<html lang=\"en\">"), std::string::npos);
  for (std::size_t at = text.find("<svg viewBox"); at != std::string::npos; at = text.find("<svg viewBox", at + 1)) {
    EXPECT_NE(text.substr(at, text.find('>', at) - at).find("aria-label=\""), std::string::npos) << text.substr(at, 80);
  }
}

TEST(Charts, LabelsOfDotsThatLieTogetherDoNotCoverEachOther) {
  const auto chart = scatter_chart("t", "x", "y", {{.x = 1, .y = 1, .label = "first"}, {.x = 1, .y = 1, .label = "second"}, {.x = 1.01, .y = 1, .label = "third"}, {.x = 9, .y = 2, .label = "far"}});
  const auto height_of = [&](const std::string& label) {
    const auto end = chart.find(">" + label + "<"), begin = chart.rfind(" y=\"", end);
    return std::stod(chart.substr(begin + 4));
  };
  EXPECT_GE(std::abs(height_of("first") - height_of("second")), 12);
  EXPECT_GE(std::abs(height_of("first") - height_of("third")), 12);
  EXPECT_GE(std::abs(height_of("second") - height_of("third")), 12);
}

}  // namespace
}  // namespace dsc
