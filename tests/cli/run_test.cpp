// Whole runs of the program on a tiny network: run folder, determinism, kill and resume, what is left after failures.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/random.h"
#include "support/tiny_run.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;

nlohmann::json report_of(const TinyRun& run, const std::string& out) { return nlohmann::json::parse(slurp(run.file(out) + "/report.json")); }

std::vector<std::string> left_overs(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (contains(entry.path().filename().string(), ".tmp")) names.push_back(entry.path().string());
  }
  return names;
}

TEST(Run, LeavesAWholeRunFolder) {
  const TinyRun run;
  const auto result = run.run("out");
  ASSERT_EQ(result.status, 0) << result.err;
  for (const auto* name : {"recipe.resolved.yaml", "report.json", "report.md", "report.html", "junit.xml", "metrics.prom", "log.jsonl", "model.pt2", "model.safetensors", "predictions.safetensors",
                           "steps/01-train/graph.txt", "steps/02-prune/step.json", "steps/03-quantize/graph.txt"}) {
    EXPECT_TRUE(fs::exists(run.file("out") + "/" + name)) << name;
  }
  EXPECT_FALSE(fs::exists(run.file("out/checkpoint.safetensors")));
  EXPECT_TRUE(left_overs(run.file("out")).empty());
  const auto report = report_of(run, "out");
  ASSERT_EQ(report.at("steps").size(), 4U);
  EXPECT_EQ(report.at("status"), "passed");
  EXPECT_EQ(report.at("baseline"), 1);
  const auto &base = report.at("steps")[1], &last = report.at("steps")[3];
  EXPECT_GT(base.at("metrics").at("top1").get<double>(), 0.8) << "the data can be learned";
  EXPECT_GT(last.at("metrics").at("top1").get<double>(), 0.7);
  EXPECT_LT(last.at("macs").get<double>(), 0.65 * base.at("macs").get<double>());
  EXPECT_LT(last.at("size_bytes").get<double>(), 0.5 * base.at("size_bytes").get<double>());
}

TEST(Run, SameRecipeGivesTheSameBytes) {
  const TinyRun run;
  ASSERT_EQ(run.run("a").status, 0);
  ASSERT_EQ(run.run("b").status, 0);
  for (const auto* name : {"/model.pt2", "/model.safetensors", "/predictions.safetensors"}) EXPECT_EQ(slurp(run.file("a") + name), slurp(run.file("b") + name)) << name;
  ASSERT_EQ(run.run("c", "--seed 5").status, 0);
  EXPECT_NE(slurp(run.file("a/model.safetensors")), slurp(run.file("c/model.safetensors")));
}

TEST(Run, ResolvedRecipeRunsAgainToTheSameBytes) {
  const TinyRun run;
  ASSERT_EQ(run.run("a", "--set passes.0.finetune.epochs=2").status, 0);
  const auto again = run_program("-q run " + run.file("a/recipe.resolved.yaml") + " --output-dir " + run.file("b"));
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(slurp(run.file("a/model.pt2")), slurp(run.file("b/model.pt2")));
}

// Starts the program and kills it after a while. returns: whether it was still running.
bool kill_after(const std::vector<std::string>& arguments, std::chrono::milliseconds wait) {
  const auto child = ::fork();
  if (child == 0) {
    std::vector<char*> argv;
    static const std::string program = DSC_BINARY_DIR "/bin/dscompress";
    argv.push_back(const_cast<char*>(program.c_str()));
    for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    std::_Exit(127);
  }
  std::this_thread::sleep_for(wait);
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status);
}

TEST(Run, KilledAtAnyInstantItResumesToTheSameBytes) {
  const TinyRun run;
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(run.run("whole").status, 0);
  const auto whole = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  const auto out = run.file("killed");
  Random random(3);
  for (int i = 0; i < 4; ++i) {
    const auto wait = std::chrono::milliseconds(static_cast<long>(static_cast<double>(whole.count()) * (0.3 + 0.5 * random.uniform())));
    const bool started = fs::exists(out + "/checkpoint.safetensors");
    if (!started) fs::remove_all(out);
    kill_after(started ? std::vector<std::string>{"-q", "resume", out}
                       : std::vector<std::string>{"-q", "run", run.file("recipe.yaml"), "--output-dir", out, "--threads", "1"}, wait);
    if (fs::exists(out + "/report.json") && !fs::exists(out + "/checkpoint.safetensors")) break;  // it had ended
  }
  if (fs::exists(out + "/checkpoint.safetensors")) {
    const auto result = run_program("-q resume " + out);
    ASSERT_EQ(result.status, 0) << result.err;
  } else if (!fs::exists(out + "/model.pt2")) {
    fs::remove_all(out);
    ASSERT_EQ(run.run("killed").status, 0);
  }
  for (const auto* name : {"/model.pt2", "/model.safetensors", "/predictions.safetensors"}) EXPECT_EQ(slurp(run.file("whole") + name), slurp(out + name)) << name;
}

TEST(Run, ResumeRefusesOtherDataAndSaysWhich) {
  const TinyRun run(tiny_recipe_head() + "passes:\n  - finetune: {epochs: 400, batch: 8}\n");
  const auto out = run.file("out");
  kill_after({"-q", "run", run.file("recipe.yaml"), "--output-dir", out, "--threads", "1"}, std::chrono::milliseconds(4000));
  if (!fs::exists(out + "/checkpoint.safetensors")) GTEST_SKIP() << "the machine was too slow to reach a checkpoint";
  write_split(run.file("train.safetensors"), synthetic_images(256, 9));
  const auto result = run_program("-q resume " + out);
  EXPECT_EQ(result.status, 3);
  EXPECT_TRUE(contains(result.err, "data of train")) << result.err;
}

TEST(Run, FinishedRunIsNotResumed) {
  const TinyRun run(tiny_recipe_head() + "passes:\n  - finetune: {epochs: 1, batch: 64}\n");
  ASSERT_EQ(run.run("out").status, 0);
  const auto result = run_program("-q resume " + run.file("out"));
  EXPECT_EQ(result.status, 2);
  EXPECT_TRUE(contains(result.err, "finished")) << result.err;
  EXPECT_EQ(run.run("out").status, 2) << "a run folder is never overwritten";
}

TEST(Run, FailedGateExitsWithOneAndReportsIt) {
  const TinyRun run(tiny_recipe_head() + "gates: {top1: {min: 1.01}}\npasses:\n  - finetune: {epochs: 1, batch: 64}\n");
  const auto result = run.run("out");
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_EQ(report_of(run, "out").at("status"), "failed");
  EXPECT_TRUE(contains(slurp(run.file("out/junit.xml")), "<failure"));
}

TEST(Run, DivergingTrainingExitsWithFive) {
  const TinyRun run(tiny_recipe_head() + "passes:\n  - finetune: {epochs: 2, batch: 32, optimizer: {sgd: {lr: 1.0e+30}}}\n");
  const auto result = run.run("out");
  EXPECT_EQ(result.status, 5) << result.err;
  EXPECT_TRUE(contains(result.err, "lr")) << result.err;
  EXPECT_EQ(report_of(run, "out").at("status"), "error");
  EXPECT_FALSE(fs::exists(run.file("out/model.pt2")));
}

TEST(Run, LabelsOutsideTheModelsClassesAreRefusedBeforeTraining) {
  const TinyRun run;
  write_split(run.file("train.safetensors"), synthetic_classes(64, {3, 8, 8}, 9));
  const auto result = run.run("out");
  EXPECT_EQ(result.status, 3) << result.err;
  EXPECT_TRUE(contains(result.err, "train")) << result.err;
  EXPECT_FALSE(fs::exists(run.file("out")));
}

TEST(Run, MissingDataIsNamed) {
  const TinyRun run;
  fs::remove(run.file("valid.safetensors"));
  const auto result = run.run("out");
  EXPECT_EQ(result.status, 3) << result.err;
  EXPECT_TRUE(contains(result.err, "valid.safetensors")) << result.err;
  EXPECT_FALSE(fs::exists(run.file("out")));
}

TEST(Run, StepThatChangesNothingIsAnError) {
  const TinyRun run(tiny_recipe_head() + "passes:\n  - finetune: {epochs: 0.0, batch: 32}\n");
  const auto result = run.run("out");
  EXPECT_EQ(result.status, 2) << result.err;
}

TEST(Run, PlanTellsThePrunedCostAndTrainsNothing) {
  const TinyRun run;
  const auto result = run_program("-q plan --json " + run.file("recipe.yaml"));
  ASSERT_EQ(result.status, 0) << result.err;
  const auto steps = nlohmann::json::parse(result.out).at("steps");
  ASSERT_EQ(steps.size(), 4U);
  EXPECT_NEAR(steps[2].at("macs").get<double>() / steps[0].at("macs").get<double>(), 0.6, 0.06);
  EXPECT_LT(steps[3].at("size_bytes").get<double>(), 0.5 * steps[2].at("size_bytes").get<double>());
}

TEST(Eval, EqualsTheReportOfTheRun) {
  const TinyRun run;
  ASSERT_EQ(run.run("out").status, 0);
  const auto result = run_program("-q eval " + run.file("recipe.yaml") + " --json --threads 1 --run " + run.file("out"));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(nlohmann::json::parse(result.out).at("metrics").at("top1"), report_of(run, "out").at("steps")[3].at("metrics").at("top1"));
}

// What is deployed is judged on the same examples as what it was made from.
TEST(Eval, TakesTheFilesThatOpenVinoRuns) {
  const TinyRun run(tiny_recipe_head() +
                    "evaluate: {metrics: [top1, agreement]}\npasses:\n  - finetune: {epochs: 3, batch: 32, optimizer: {sgd: {lr: 0.05}}}\n");
  const auto exported = run_program("export " + run.file("model.pt2") + " --to " + run.file("net.xml"));
  if (contains(exported.err, "no OpenVINO engine")) GTEST_SKIP() << "built without OpenVINO";
  ASSERT_EQ(exported.status, 0) << exported.err;
  const auto evaluate = [&](const std::string& more) { return run_program("-q eval " + run.file("recipe.yaml") + " --json --threads 1 " + more); };
  const auto deployed = evaluate("--model " + run.file("net.xml"));
  ASSERT_EQ(deployed.status, 0) << deployed.err;
  const auto found = nlohmann::json::parse(deployed.out);
  EXPECT_TRUE(contains(found.at("engine"), "openvino")) << found;
  EXPECT_EQ(found.at("metrics").at("top1"), nlohmann::json::parse(evaluate("").out).at("metrics").at("top1"));
  EXPECT_EQ(found.at("metrics").at("agreement"), 1) << "with the recipe's own model";
  EXPECT_EQ(nlohmann::json::parse(evaluate("--model " + run.file("model.pt2")).out).at("metrics").at("agreement"), 1);
  EXPECT_EQ(evaluate("--engine libtorch --model " + run.file("net.xml")).status, 2);
  EXPECT_EQ(evaluate("--model " + run.file("none.xml")).status, 3);
}

TEST(Eval, ComparesARunsModelWithTheRunsBaseline) {
  const TinyRun run(tiny_recipe_head() + "evaluate: {metrics: [top1, agreement, kl], baseline: train}\npasses:\n"
                    "  - finetune: {name: train, epochs: 3, batch: 32, optimizer: {sgd: {lr: 0.05}}}\n"
                    "  - prune: {importance: l1, reduce: {macs: 0.5}}\n");
  ASSERT_EQ(run.run("out").status, 0);
  const auto result = run_program("-q eval " + run.file("recipe.yaml") + " --json --threads 1 --run " + run.file("out"));
  ASSERT_EQ(result.status, 0) << result.err;
  const auto found = nlohmann::json::parse(result.out).at("metrics"), expected = report_of(run, "out").at("steps")[2].at("metrics");
  EXPECT_LT(expected.at("agreement").get<double>(), 1) << "what was cut differs from what it was";
  EXPECT_GT(expected.at("kl").get<double>(), 0);
  for (const auto* metric : {"top1", "agreement", "kl"}) EXPECT_NEAR(found.at(metric).get<double>(), expected.at(metric).get<double>(), 1e-9) << metric;
}

// The compressed model is a .pt2 whatever it was made from; a recipe's TorchScript inputs are not its.
TEST(Eval, ARunOfATorchScriptModelIsEvaluated) {
  std::string recipe = tiny_recipe_head() + "evaluate: {metrics: [top1, kl]}\npasses:\n  - fuse\n";
  const std::string own = "{path: model.pt2}";
  recipe.replace(recipe.find(own), own.size(), "{path: " DSC_SOURCE_DIR "/tests/fixtures/torchscript/residual.traced.pt, inputs: [\"batch,3,8,8\"]}");
  const TinyRun run(recipe);
  ASSERT_EQ(run.run("out").status, 0);
  const auto result = run_program("-q eval " + run.file("recipe.yaml") + " --json --threads 1 --run " + run.file("out"));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(nlohmann::json::parse(result.out).at("metrics").at("top1"), report_of(run, "out").at("steps")[1].at("metrics").at("top1"));
}

TEST(Export, FormatsFollowFromTheName) {
  const TinyRun run;
  for (const auto* name : {"copy.pt2", "copy.safetensors", "copy.xml"}) {
    const auto result = run_program("-q export " + run.file("model.pt2") + " --to " + run.file(name));
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_TRUE(fs::exists(run.file(name)));
  }
  const auto wrong = run_program("-q export " + run.file("model.pt2") + " --to " + run.file("copy.pth"));
  EXPECT_EQ(wrong.status, 2);
  EXPECT_FALSE(fs::exists(run.file("copy.pth")));
}

TEST(Export, IntoAMissingFolderFailsAndLeavesNothing) {
  const TinyRun run;
  const auto result = run_program("-q export " + run.file("model.pt2") + " --to " + run.file("nowhere/copy.pt2"));
  EXPECT_EQ(result.status, 3) << result.err;
  EXPECT_TRUE(contains(result.err, "nowhere")) << result.err;
  EXPECT_FALSE(fs::exists(run.file("nowhere")));
}

}  // namespace
}  // namespace dsc::test
