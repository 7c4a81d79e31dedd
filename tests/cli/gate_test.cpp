// compare and gate, on finished runs of the program.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "io/safetensors.h"
#include "support/tiny_run.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string gated_recipe() {
  return tiny_recipe_head() + R"(evaluate: {metrics: [top1, loss, macro_f1], latency: {engine: libtorch, iterations: 20, min_seconds: 0}}
gates: {baseline: {top1: {max_drop: 1pp}, size: {max_growth: 0%}}}
passes:
  - finetune: {name: train, epochs: 12, batch: 32, optimizer: {sgd: {lr: 0.05}}}
)";
}

// Runs made once for all tests: `good`, the same `again`, and `bad`, which was trained less.
class Gate : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    runs_ = new TinyRun(gated_recipe());
    ASSERT_EQ(runs_->run("good").status, 0);
    ASSERT_EQ(runs_->run("again").status, 0);
    ASSERT_EQ(runs_->run("bad", "--set passes.0.finetune.epochs=1").status, 0);
  }
  static void TearDownTestSuite() {
    delete runs_;
    runs_ = nullptr;
  }
  static std::string file(const std::string& name) { return runs_->file(name); }
  static Json report_of(const std::string& run) { return Json::parse(slurp(file(run) + "/report.json")); }
  static ProgramResult gate(const std::string& run, const std::string& baseline, const std::string& more = {}) {
    return run_program("-q gate " + file(run) + " --baseline " + file(baseline) + " " + more);
  }
  // A copy of a run whose report says something else.
  template <class Change>
  static void forge(const std::string& run, const std::string& name, Change change) {
    fs::copy(file(run), file(name), fs::copy_options::recursive);
    auto report = report_of(run);
    change(report);
    spit(file(name) + "/report.json", report.dump());
  }
  static const TinyRun& runs() { return *runs_; }

 private:
  static inline TinyRun* runs_ = nullptr;
};

Json check_of(const Json& gate, const std::string& metric) {
  for (const auto& check : gate.at("checks")) {
    if (check.at("gate").at("metric") == metric) return check;
  }
  ADD_FAILURE() << "no check of " << metric;
  return {};
}

TEST_F(Gate, PredictionsAgreeWithTheReport) {
  const auto report = report_of("good");
  const auto& kept = report.at("predictions");
  EXPECT_EQ(kept.at("count"), 128);
  for (const auto& [name, tensor] : read_safetensors(file("good/predictions.safetensors")).tensors) {
    const auto top1 = [&](int step) { return report.at("steps")[step].at("metrics").at("top1").get<double>(); };
    if (name == "examples") {
      EXPECT_EQ(tensor.numel(), 128);
    } else if (name == "base/graph/top1") {
      EXPECT_NEAR(tensor.mean().item<double>(), top1(0), 1e-6);
    } else if (name == "compressed/graph/top1") {
      EXPECT_NEAR(tensor.mean().item<double>(), top1(1), 1e-6);
    }
  }
}

TEST_F(Gate, AModelAgainstItselfPasses) {
  const auto result = gate("again", "good", "--json");
  ASSERT_EQ(result.status, 0) << result.out << result.err;
  const auto check = check_of(Json::parse(result.out), "top1");
  EXPECT_EQ(check.at("gate").at("measured"), 0.0);
  EXPECT_EQ(check.at("paired").at("lost"), 0);
  EXPECT_EQ(check.at("paired").at("mcnemar_p"), 1.0);
  EXPECT_EQ(check.at("paired").at("low"), 0.0);
  EXPECT_EQ(check.at("paired").at("high"), 0.0);
  EXPECT_TRUE(contains(slurp(file("again/gate.junit.xml")), "failures=\"0\""));
  EXPECT_TRUE(contains(slurp(file("again/metrics.prom")), "dscompress_baseline_passed{run=\"recipe\",status=\"passed\"} 1\n"));
}

TEST_F(Gate, AWorseModelIsCaught) {
  const auto result = gate("bad", "good", "--json");
  ASSERT_EQ(result.status, 1) << result.out << result.err;
  const auto check = check_of(Json::parse(result.out), "top1");
  const auto& paired = check.at("paired");
  EXPECT_FALSE(check.at("gate").at("passed"));
  // The flips and the drop are two accounts of the same thing.
  EXPECT_NEAR(check.at("gate").at("measured").get<double>(), 100.0 * (paired.at("lost").get<double>() - paired.at("won").get<double>()) / 128, 1e-6);
  EXPECT_EQ(paired.at("turned_wrong").size(), paired.at("lost").get<std::size_t>());
  EXPECT_LT(paired.at("low").get<double>(), paired.at("difference").get<double>());
  EXPECT_LT(paired.at("difference").get<double>(), paired.at("high").get<double>());
  EXPECT_TRUE(contains(slurp(file("bad/gate.junit.xml")), "<failure"));
  EXPECT_TRUE(contains(slurp(file("bad/metrics.prom")), "dscompress_baseline_passed{run=\"recipe\",status=\"failed\"} 0\n"));
}

TEST_F(Gate, RulesOfTheCommandLineReplaceTheRecipes) {
  EXPECT_EQ(gate("bad", "good", "--rule 'top1: {max_drop: 100pp}'").status, 0);
  const auto typo = gate("good", "good", "--rule 'topp1: {max_drop: 1pp}'");
  EXPECT_EQ(typo.status, 2);
  EXPECT_TRUE(contains(typo.err, "top1")) << typo.err;
  EXPECT_EQ(gate("good", "good", "--rule 'top1: {max_growth: 1%}'").status, 2);
  EXPECT_EQ(gate("good", "good", "--rule 'top1: {max_drop: 1}'").status, 2) << "an accuracy's drop needs a unit";
  EXPECT_EQ(gate("good", "good", "--rule 'top1: ['").status, 2);
}

TEST_F(Gate, SetMetricsHaveIntervalsButNoFlips) {
  const auto result = gate("bad", "good", "--json --rule 'macro_f1: {max_drop: 100pp}'");
  const auto paired = check_of(Json::parse(result.out), "macro_f1").at("paired");
  EXPECT_TRUE(paired.at("lost").is_null());
  EXPECT_LT(paired.at("low").get<double>(), paired.at("high").get<double>());
}

TEST_F(Gate, MissingMetricIsAnomalous) {
  const auto result = gate("good", "good", "--rule 'kl: {max_drop: 0.1}'");
  EXPECT_EQ(result.status, 5) << result.out << result.err;
  EXPECT_TRUE(contains(result.out, "kl was not measured")) << result.out;
}

TEST_F(Gate, ImplausibleGainIsAnomalous) {
  forge("good", "too_good", [](Json& report) { report["steps"].back()["metrics"]["top1"] = 0.55; });
  const auto result = gate("good", "too_good");
  EXPECT_EQ(result.status, 5) << result.out << result.err;
  EXPECT_TRUE(contains(result.out, "plausible")) << result.out;
}

TEST_F(Gate, OtherExamplesAreRefused) {
  const TinyRun others(gated_recipe());
  write_split(others.file("eval.safetensors"), synthetic_images(128, 5));
  ASSERT_EQ(others.run("out", "--set passes.0.finetune.epochs=1").status, 0);
  const auto result = run_program("-q gate " + others.file("out") + " --baseline " + file("good"));
  EXPECT_EQ(result.status, 3) << result.out << result.err;
  EXPECT_TRUE(contains(result.err, "different examples")) << result.err;
  forge("good", "silent", [](Json& report) { report["predictions"] = nullptr; });
  EXPECT_EQ(gate("good", "silent").status, 3);
  EXPECT_EQ(gate("good", "silent", "--rule 'top1: {max_drop: 1pp}'").status, 3);
}

TEST_F(Gate, RunThatItsOwnGatesTurnedDownDoesNotPass) {
  forge("good", "turned_down", [](Json& report) { report["status"] = "failed"; });
  EXPECT_EQ(gate("turned_down", "good").status, 1);
  forge("good", "broken", [](Json& report) { report["status"] = "error"; });
  EXPECT_EQ(gate("broken", "good").status, 2);
  EXPECT_EQ(gate("good", "broken").status, 2);
}

TEST_F(Gate, BaselineMayBeALinkAReportOrMissingTheFirstTime) {
  fs::create_symlink("good", file("last-good"));
  EXPECT_EQ(gate("again", "last-good").status, 0);
  fs::create_directory(file("kept"));
  fs::copy_file(file("good/report.json"), file("kept/report.json"));
  const auto report_only = gate("again", "kept/report.json");
  EXPECT_EQ(report_only.status, 0) << report_only.err;
  EXPECT_TRUE(contains(report_only.out, "no interval")) << report_only.out;
  fs::create_symlink("nowhere", file("dangling"));
  for (const auto* missing : {"dangling", "no-such-run"}) {
    const auto result = gate("again", missing);
    EXPECT_EQ(result.status, 2) << missing;
    EXPECT_TRUE(contains(result.err, "--first")) << result.err;
    EXPECT_EQ(gate("again", missing, "--first").status, 0) << missing;
  }
  EXPECT_EQ(gate("bad", "last-good", "--first").status, 1) << "--first is for a missing baseline only";
}

TEST_F(Gate, LatenciesAreTimedInTurnNotReadFromReports) {
  forge("good", "slow_on_paper", [](Json& report) {
    for (auto& record : report["latency"]) record["p50_ms"] = 1000 * record["p50_ms"].get<double>();
  });
  const auto result = gate("slow_on_paper", "good", "--json --rule 'latency_p50: {max_growth: 400%}'");
  ASSERT_EQ(result.status, 0) << result.out << result.err;
  const auto timed = check_of(Json::parse(result.out), "latency_p50").at("retimed");
  EXPECT_EQ(timed.at("method"), "timed in turn");
  EXPECT_GE(timed.at("rounds").get<int>(), 24);
}

TEST_F(Gate, SaysWhichWayAFigureMoved) {
  const auto message = [&](const std::string& run, const std::string& baseline, const std::string& figure, const std::string& rule) {
    return check_of(Json::parse(gate(run, baseline, "--json --rule '" + figure + ": {" + rule + "}'").out), figure)
        .at("gate")
        .at("message")
        .get<std::string>();
  };
  EXPECT_TRUE(contains(message("bad", "good", "top1", "max_drop: 1pp"), "top1 fell by "));
  EXPECT_TRUE(contains(message("good", "bad", "top1", "max_drop: 1pp"), "top1 rose by "));
  EXPECT_TRUE(contains(message("bad", "good", "loss", "max_drop: 1%"), "loss rose by "));
  EXPECT_TRUE(contains(message("good", "bad", "loss", "max_drop: 1%"), "loss fell by "));
  for (const auto* other : {"good", "bad"})
    EXPECT_FALSE(contains(message(other, "good", "top1", "max_drop: 1pp") + message("good", other, "loss", "max_drop: 1%"), "by -"));
  forge("good", "larger", [](Json& report) { report["steps"].back()["size_bytes"] = 2 * report["steps"].back()["size_bytes"].get<std::int64_t>(); });
  EXPECT_TRUE(contains(message("larger", "good", "size", "max_growth: 1%"), "size grew by 100 %"));
  EXPECT_TRUE(contains(message("good", "larger", "size", "max_growth: 1%"), "size shrank by 50 %"));
}

TEST_F(Gate, WithoutModelsTheRunsOwnSpeedUpsAreCompared) {
  const auto keep_report = [&](const std::string& name, double factor) {
    auto report = report_of("good");
    for (auto& record : report["latency"]) {
      record["spread"] = 0.1;
      record["p50_ms"] = record["model"] == "compressed" ? factor : 1.0;
    }
    fs::create_directory(file(name));
    spit(file(name) + "/report.json", report.dump());
  };
  keep_report("before", 1.0);
  keep_report("slower", 1.3);
  const std::string rule = "--json --rule 'top1: {max_drop: 1pp}' --rule 'size: {max_growth: 1%}' --rule 'latency_p50: {max_growth: ";
  const auto strict = gate("slower/report.json", "before/report.json", rule + "20%}'");
  EXPECT_EQ(strict.status, 1) << strict.out << strict.err;
  EXPECT_NEAR(check_of(Json::parse(strict.out), "latency_p50").at("gate").at("measured").get<double>(), 30, 1e-6);
  EXPECT_EQ(gate("slower/report.json", "before/report.json", rule + "26%}'").status, 0) << "half the spread is noise";
}

TEST_F(Gate, SummariesAndAnnotations) {
  const auto summary = file("summary.md");
  ASSERT_EQ(gate("bad", "good", "--summary " + summary).status, 1);
  EXPECT_TRUE(contains(slurp(summary), "| **failed** | top1 |")) << slurp(summary);
  const auto environment = "GITHUB_ACTIONS=true GITHUB_STEP_SUMMARY=" + summary;
  const auto result = run_program("-q gate " + file("bad") + " --baseline " + file("good"), environment);
  EXPECT_TRUE(contains(result.err, "::error::gate failed: top1 fell by")) << result.err;
  spit(file("wrong.yaml"), "version: 1\nmodel: {path: model.pt2}\nsede: 3\n");
  const auto wrong = run_program("-q run " + file("wrong.yaml"), environment + " GITHUB_WORKSPACE=" + file(""));
  EXPECT_EQ(wrong.status, 2);
  EXPECT_TRUE(contains(wrong.err, "::error file=wrong.yaml,line=3,col=1::")) << wrong.err;
  spit(summary, std::string(899'990, 'x'));
  ASSERT_EQ(run_program("-q compare " + file("good") + " " + file("bad"), environment).status, 0);
  EXPECT_LE(fs::file_size(summary), 900'000U);
}

TEST_F(Gate, MetricsAreInPrometheusFormat) {
  static const std::regex line(R"(# (HELP|TYPE) [a-z_0-9]+ .+|[a-z_0-9]+\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\} [-+.0-9eE]+)");
  std::istringstream text(slurp(file("good/metrics.prom")));
  std::size_t lines = 0;
  for (std::string one; std::getline(text, one); ++lines) EXPECT_TRUE(std::regex_match(one, line)) << one;
  EXPECT_GT(lines, 10U);
  EXPECT_TRUE(contains(slurp(file("good/metrics.prom")), "dscompress_metric{run=\"recipe\",model=\"compressed\",metric=\"top1\"} "));
}

TEST_F(Gate, MetricsAreReadByNodeExporter) {
  if (run_shell("command -v prometheus-node-exporter").status != 0) GTEST_SKIP() << "prometheus-node-exporter is not installed";
  const std::string read = "(port=$((20000 + $$ % 20000)); prometheus-node-exporter --collector.disable-defaults --collector.textfile --collector.textfile.directory=" + file("good") +
                           " --web.listen-address=127.0.0.1:$port 2>/dev/null & exporter=$!; trap 'kill $exporter' EXIT; for i in $(seq 100); do "
                           "python3 -c 'import sys, urllib.request as u; print(u.urlopen(\"http://127.0.0.1:\" + sys.argv[1] + \"/metrics\").read().decode())' $port 2>/dev/null && break; sleep 0.1; done)";
  const auto metrics = run_shell(read).out;
  EXPECT_TRUE(contains(metrics, "node_textfile_scrape_error 0")) << metrics;
  EXPECT_TRUE(contains(metrics, "dscompress_metric{metric=\"top1\",model=\"compressed\",run=\"recipe\"} ")) << metrics;
}

TEST_F(Gate, CompareShowsMetricsFlipsAndSettings) {
  const auto page = file("comparison.html");
  const auto result = run_program("-q compare " + file("good") + " " + file("bad") + " " + file("again") + " --json --html " + page);
  ASSERT_EQ(result.status, 0) << result.err;
  const auto comparison = Json::parse(result.out);
  ASSERT_EQ(comparison.at("runs").size(), 3U);
  const auto& top1 = comparison.at("metrics").back();
  ASSERT_EQ(top1.at("name"), "top1");
  EXPECT_TRUE(top1.at("paired")[0].is_null());
  EXPECT_GT(top1.at("paired")[1].at("lost").get<int>(), 0);
  EXPECT_EQ(top1.at("paired")[2].at("lost"), 0);
  ASSERT_EQ(comparison.at("recipe").size(), 1U);
  EXPECT_EQ(comparison.at("recipe")[0].at("name"), "/passes/0/finetune/epochs");
  EXPECT_EQ(comparison.at("recipe")[0].at("values"), Json({"12", "1", "12"}));
  EXPECT_TRUE(comparison.at("layers").empty());
  for (const auto* outside : {"http://", "https://", "<script", "url("}) EXPECT_FALSE(contains(slurp(page), outside)) << outside;
  const auto text = run_program("-q compare " + file("good") + " " + file("bad"));
  EXPECT_TRUE(contains(text.out, "turned wrong")) << text.out;
  EXPECT_EQ(run_program("-q compare " + file("good")).status, 2);
}

TEST_F(Gate, CompareNamesLayersThatDiffer) {
  ASSERT_EQ(runs().run("cut", "--set 'passes.0={prune: {reduce: {macs: 0.4}}}'").status, 0);
  const auto comparison = Json::parse(run_program("-q compare --json " + file("good") + " " + file("cut")).out);
  const auto& layers = comparison.at("layers");
  const auto first = std::find_if(layers.begin(), layers.end(), [](const Json& layer) { return layer.at("name") == "conv1.weight"; });
  ASSERT_NE(first, layers.end()) << layers;
  EXPECT_EQ(first->at("values")[0], "8 x 3 x 3 x 3 Float");
  EXPECT_NE(first->at("values")[1], "8 x 3 x 3 x 3 Float");
}

}  // namespace
}  // namespace dsc::test
