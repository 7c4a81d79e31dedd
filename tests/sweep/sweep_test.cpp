// Whole sweeps of the program on a tiny network: folder, mistakes before any trial, failures, kills, workers, the step cache.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <thread>

#include "core/random.h"
#include "support/tiny_run.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Trains once for all, then cuts and quantises: what differs from trial to trial comes late.
std::string tiny_sweep(const std::string& section, int epochs = 2) {
  return tiny_recipe_head() + "vars: {cut: 0.3, bits: 8, unused: 1}\nevaluate: {metrics: [top1]}\npasses:\n  - finetune: {name: train, epochs: " + std::to_string(epochs) +
         ", batch: 32, optimizer: {sgd: {lr: 0.05}}}\n  - prune: {reduce: {macs: \"${cut}\"}}\n  - quantize: {weights: {bits: \"${bits}\"}}\nreport: {formats: []}\nsweep:\n" + section;
}

const std::string kGrid = "  parameters: {vars.cut: {values: [0.2, 0.4]}, vars.bits: {values: [4, 8]}}\n";

class TinySweep : public TinyRun {
 public:
  explicit TinySweep(const std::string& section = kGrid, int epochs = 2) : TinyRun(tiny_sweep(section, epochs)) {
    ::setenv("XDG_CACHE_HOME", file("home").c_str(), 1);  // the user's own step cache
  }
  ProgramResult sweep(const std::string& out, const std::string& more = {}) const {
    return run_program("-q --threads 1 sweep " + file("recipe.yaml") + " -o " + file(out) + " " + more);
  }
  json result(const std::string& out, const std::string& trial) const { return json::parse(slurp(file(out) + "/results/" + trial + ".json")); }
};

const std::vector<std::string> kTrials = {"0001", "0002", "0003", "0004"};

void expect_same_models(const TinySweep& sweep, const std::string& a, const std::string& b) {
  for (const auto& trial : kTrials) {
    for (const auto* name : {"/model.safetensors", "/model.pt2", "/predictions.safetensors"}) {
      EXPECT_EQ(slurp(sweep.file(a) + "/trials/" + trial + name), slurp(sweep.file(b) + "/trials/" + trial + name)) << trial << name;
    }
  }
  EXPECT_EQ(slurp(sweep.file(a) + "/front.csv"), slurp(sweep.file(b) + "/front.csv"));
}

TEST(Sweep, LeavesTrialsTablesAndAPage) {
  const TinySweep sweep;
  const auto result = sweep.sweep("out");
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "4 of 4 trials complete, 0 failed")) << result.out;
  for (const auto& trial : kTrials) {
    EXPECT_TRUE(fs::exists(sweep.file("out/trials/" + trial + "/model.pt2"))) << trial;
    EXPECT_TRUE(sweep.result("out", trial).at("figures").contains("top1"));
  }
  for (const auto* name : {"/trials.csv", "/front.csv", "/sweep.html", "/optuna.journal"}) EXPECT_TRUE(fs::exists(sweep.file("out") + name)) << name;
  EXPECT_TRUE(contains(slurp(sweep.file("out/trials.csv")), "trial,vars.bits,vars.cut,size,top1,"));
  EXPECT_TRUE(fs::is_empty(sweep.file("out/claims")));
  const auto compared = run_program("-q compare " + sweep.file("out/trials/0001") + " " + sweep.file("out"));
  EXPECT_EQ(compared.status, 0) << "a sweep stands for its front: " << compared.err;
  const auto shown = run_program("-q report --json " + sweep.file("out"));
  EXPECT_EQ(json::parse(shown.out).at("trials").size(), 4U) << shown.err;
  EXPECT_EQ(run_program("-q run " + sweep.file("recipe.yaml") + " -o " + sweep.file("single") + " --threads 1").status, 0) << "a single run does not mind the section";
}

TEST(Sweep, TensorBoardReadsItsTrials) {
  const TinySweep sweep;
  spit(sweep.file("recipe.yaml"), std::regex_replace(slurp(sweep.file("recipe.yaml")), std::regex("formats: \\[\\]"), "formats: [tensorboard]"));
  ASSERT_EQ(sweep.sweep("out").status, 0);
  for (const auto& trial : kTrials) EXPECT_TRUE(fs::exists(sweep.file("out/tensorboard/trial-" + trial + "/events.out.tfevents.trial"))) << trial;
  const std::string python = fs::exists(DSC_SOURCE_DIR "/.venv/bin/python") ? DSC_SOURCE_DIR "/.venv/bin/python" : "python3";
  if (run_shell(python + " -c 'import tensorboard'").status != 0) GTEST_SKIP() << "no tensorboard in Python: scripts/setup trackers";
  const auto checked = run_shell(python + " " DSC_SOURCE_DIR "/scripts/check_events.py " + sweep.file("out"));
  EXPECT_EQ(checked.status, 0) << checked.err;
}

TEST(Sweep, AGateTakesItsFront) {
  const TinySweep sweep("  parameters: {vars.bits: {values: [4, 8]}}\n  objectives: {size: minimize, top1: maximize}\n");
  ASSERT_EQ(sweep.run("base").status, 0);
  ASSERT_EQ(sweep.run("smaller", "--set vars.cut=0.7 --set vars.bits=4").status, 0);
  ASSERT_EQ(sweep.sweep("out").status, 0);
  const auto gate = [&](const std::string& baseline) { return run_program("-q gate " + sweep.file("out") + " --baseline " + sweep.file(baseline) + " --json --rule 'size: {max_growth: 5%}'"); };
  const auto good = gate("base"), bad = gate("smaller");
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_EQ(bad.status, 1) << bad.err;
  std::size_t on_front = 0;
  for (const auto& trial : {"0001", "0002"}) on_front += fs::exists(sweep.file(std::string("out/trials/") + trial + "/gate.json"));
  EXPECT_EQ(json::parse(good.out).size(), on_front);
  EXPECT_GT(on_front, 0U);
}

TEST(Sweep, SharedStepsAreComputedOnceAndGiveTheBytesOfDirectRuns) {
  const TinySweep sweep;
  ASSERT_EQ(sweep.sweep("out", "--workers 2").status, 0);
  EXPECT_TRUE(fs::exists(sweep.file("home/dscompress/steps"))) << "the cache is the user's own";
  ASSERT_EQ(sweep.sweep("without", "--no-cache").status, 0);
  expect_same_models(sweep, "out", "without");
  const auto direct = sweep.run("direct", "--set vars.bits=4 --set vars.cut=0.4");
  ASSERT_EQ(direct.status, 0) << direct.err;
  EXPECT_EQ(slurp(sweep.file("direct/model.safetensors")), slurp(sweep.file("out/trials/0002/model.safetensors")));
  EXPECT_EQ(slurp(sweep.file("direct/model.pt2")), slurp(sweep.file("out/trials/0002/model.pt2")));
  int trained = 0, cut = 0;
  for (const auto& trial : kTrials) {
    const auto notes = json::parse(slurp(sweep.file("out/trials/" + trial + "/report.json"))).at("notes").dump();
    trained += !contains(notes, "step train was not computed here");
    cut += !contains(notes, "step prune was not computed here");
  }
  EXPECT_EQ(trained, 1) << "one trial trains for all";
  EXPECT_EQ(cut, 2) << "each cut is made once";
}

TEST(Sweep, CacheNoticesOtherDataAndDamage) {
  const TinySweep sweep("  parameters: {vars.cut: {values: [0.2, 0.4]}}\n");
  const auto cache = sweep.file("cache");
  const auto hits = [&](const std::string& out) {
    return contains(json::parse(slurp(sweep.file(out) + "/report.json")).at("notes").dump(), "step train was not computed here");
  };
  ASSERT_EQ(sweep.run("a", "--cache " + cache).status, 0);
  EXPECT_FALSE(hits("a"));
  ASSERT_EQ(sweep.run("b", "--cache " + cache + " --set vars.cut=0.4").status, 0);
  EXPECT_TRUE(hits("b"));
  for (const auto& entry : fs::recursive_directory_iterator(cache)) {
    if (entry.path().filename() != "state.safetensors") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('\x55');
  }
  const auto damaged = run_program("run " + sweep.file("recipe.yaml") + " --threads 1 -o " + sweep.file("c") + " --cache " + cache);
  ASSERT_EQ(damaged.status, 0) << damaged.err;
  EXPECT_TRUE(contains(damaged.err, "damaged, and is computed again")) << damaged.err;
  EXPECT_FALSE(hits("c"));
  EXPECT_EQ(slurp(sweep.file("a/model.safetensors")), slurp(sweep.file("c/model.safetensors")));
  ASSERT_EQ(sweep.run("d", "--cache " + cache).status, 0);
  EXPECT_TRUE(hits("d"));
  EXPECT_EQ(slurp(sweep.file("a/model.safetensors")), slurp(sweep.file("d/model.safetensors")));
  auto bytes = slurp(sweep.file("train.safetensors"));
  bytes[bytes.size() - 40] ^= 1;
  spit(sweep.file("train.safetensors"), bytes);
  ASSERT_EQ(sweep.run("e", "--cache " + cache).status, 0);
  EXPECT_FALSE(hits("e")) << "one bit of the training data is another";
}

TEST(Sweep, FailedTrialsAreRecordedAndCounted) {
  const TinySweep sweep("  parameters: {passes.0.finetune.optimizer.sgd.lr: {values: [0.05, 1.0e+30, 2.0e+30, 3.0e+30, 4.0e+30, 5.0e+30]}}\n  limits: {failures: 2}\n");
  const auto result = sweep.sweep("out");
  EXPECT_EQ(result.status, 3) << result.err;
  EXPECT_TRUE(contains(result.err, "2 trials have failed (limits.failures)")) << result.err;
  EXPECT_EQ(sweep.result("out", "0001").at("status"), "complete");
  EXPECT_TRUE(contains(sweep.result("out", "0002").at("reason"), "lr"));
  EXPECT_TRUE(contains(slurp(sweep.file("out/trials.csv")), "failed")) << slurp(sweep.file("out/trials.csv"));
  EXPECT_FALSE(contains(slurp(sweep.file("out/front.csv")), "1e"));
}

json report_in(const std::string& folder) { return json::parse(slurp(folder + "/report.json")); }

TEST(Sweep, TrialsOfSeveralProcessesGiveTheBytesOfSuchRuns) {
  const TinySweep sweep("  parameters: {vars.cut: {values: [0.2, 0.4]}}\n");
  const auto result = sweep.sweep("out", "--set processes=2");
  ASSERT_EQ(result.status, 0) << result.err;
  ASSERT_EQ(sweep.run("direct", "--processes 2 --set vars.cut=0.4").status, 0);
  EXPECT_EQ(slurp(sweep.file("direct/model.pt2")), slurp(sweep.file("out/trials/0002/model.pt2")));
  EXPECT_TRUE(contains(report_in(sweep.file("out/trials/0002")).at("notes").dump(), "2 processes trained together, each with 1 threads"));
  EXPECT_TRUE(contains(result.out, "steps that they share are computed in each of them")) << result.out;
  EXPECT_FALSE(contains(result.out, "\nreport: " + sweep.file("out/trials"))) << "the trials' own words are not shown: " << result.out;
}

TEST(Sweep, WhatFailsInSeveralProcessesIsSaidOfTheTrial) {
  const TinySweep sweep("  parameters: {passes.0.finetune.optimizer.sgd.lr: {values: [0.05, 1.0e+30]}}\n");
  const auto result = sweep.sweep("out", "--set processes=2");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(sweep.result("out", "0001").at("status"), "complete");
  EXPECT_EQ(sweep.result("out", "0002").at("status"), "failed");
  EXPECT_TRUE(contains(sweep.result("out", "0002").at("reason"), "lr")) << sweep.result("out", "0002");
}

// The figures after `prune` decide; the same rule by hand, in the order of the trials.
TEST(Sweep, TrialsBelowTheMedianAreStopped) {
  const TinySweep sweep("  parameters: {vars.cut: {values: [0.1, 0.9, 0.3, 0.85, 0.2, 0.88]}}\n  stop_early: {after: prune, trials: 2}\n", 6);
  const auto result = sweep.sweep("out");
  ASSERT_EQ(result.status, 0) << result.err;
  std::vector<double> reached;
  int stopped = 0;
  for (const auto* trial : {"0001", "0002", "0003", "0004", "0005", "0006"}) {
    const auto report = json::parse(slurp(sweep.file("out/trials/") + trial + "/report.json"));
    const double value = report.at("steps").at(2).at("metrics").at("top1");
    auto others = reached;
    std::ranges::sort(others);
    const double median = others.empty() ? 0 : (others[(others.size() - 1) / 2] + others[others.size() / 2]) / 2;
    const bool worse = reached.size() >= 2 && value < median;
    EXPECT_EQ(sweep.result("out", trial).at("status"), worse ? "stopped" : "complete") << trial;
    EXPECT_EQ(report.at("steps").size(), worse ? 3U : 4U) << "a stopped trial is not quantised";
    EXPECT_EQ(report.at("status"), worse ? "stopped" : "passed");
    reached.push_back(value);
    stopped += worse;
  }
  EXPECT_GT(stopped, 0);
  EXPECT_TRUE(contains(result.out, std::to_string(stopped) + " stopped early")) << result.out;
  EXPECT_TRUE(contains(slurp(sweep.file("out/trials.csv")), "stopped early: after prune top1 is")) << slurp(sweep.file("out/trials.csv"));
}

// What is judged on data.valid sees data.eval once, at the end, and only where it is on the front.
TEST(Sweep, TheFrontAloneIsJudgedOnDataEval) {
  const TinySweep sweep(kGrid + "  objectives: {size: minimize, top1: maximize}\n  choose_on: valid\n");
  const auto result = sweep.sweep("out");
  ASSERT_EQ(result.status, 0) << result.err;
  const auto judged = json::parse(slurp(sweep.file("out/front_eval.json")));
  const auto front = slurp(sweep.file("out/front.csv"));
  EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(front, '\n')), judged.size() + 1) << front;
  EXPECT_TRUE(front.starts_with("trial,vars.bits,vars.cut,size,top1,eval_top1,folder\n")) << front;
  for (const auto& [trial, metrics] : judged.items()) {
    const auto run = sweep.file("out/trials/000" + trial);
    const auto evaluate = [&](const std::string& split) {
      const auto shown = run_program("-q --threads 1 eval " + sweep.file("recipe.yaml") + " --json --run " + run + " --set data.eval.path=" + sweep.file(split + ".safetensors"));
      EXPECT_EQ(shown.status, 0) << shown.err;
      return shown.out;
    };
    const auto on_eval = evaluate("eval"), on_valid = evaluate("valid");
    EXPECT_TRUE(contains(on_eval, json(metrics.at("top1")).dump())) << on_eval << judged;
    EXPECT_TRUE(contains(on_valid, sweep.result("out", "000" + trial).at("figures").at("top1").dump())) << on_valid;
  }
  const auto before = fs::last_write_time(sweep.file("out/front_eval.json"));
  ASSERT_EQ(run_program("-q resume " + sweep.file("out")).status, 0);
  EXPECT_EQ(fs::last_write_time(sweep.file("out/front_eval.json")), before) << "once";
}

TEST(Sweep, ATrialIsTheMeanOfItsSeeds) {
  const TinySweep sweep("  parameters: {vars.bits: {values: [8]}}\n  seeds: [0, 1, 2]\n");
  ASSERT_EQ(sweep.sweep("out").status, 0);
  double mean = 0;
  for (const auto* seed : {"0", "1", "2"}) {
    const auto report = json::parse(slurp(sweep.file("out/trials/0001/seed-") + seed + "/report.json"));
    EXPECT_EQ(report.at("seed"), std::stoi(seed));
    mean += report.at("steps").back().at("metrics").at("top1").get<double>() / 3;
  }
  const auto result = sweep.result("out", "0001");
  EXPECT_NEAR(result.at("figures").at("top1"), mean, 1e-12);
  EXPECT_TRUE(result.at("spread").contains("top1"));
}

TEST(Sweep, ConstraintsKeepTrialsOffTheFront) {
  const TinySweep sweep(kGrid + "  objectives: {size: minimize}\n  constraints: {size: {min: 1.0e+9}}\n");
  ASSERT_EQ(sweep.sweep("out").status, 0);
  EXPECT_EQ(slurp(sweep.file("out/front.csv")), "trial,vars.bits,vars.cut,size,folder\n");
  EXPECT_EQ(sweep.result("out", "0001").at("violations").size(), 1U);
}

struct Mistake {
  const char* section;
  const char* message;
};

TEST(Sweep, MistakesAreNamedBeforeAnyTrial) {
  for (const auto& mistake :
       {Mistake{"  parameters: {vars.cutt: {values: [0.2]}}\n", "unknown variable `cutt`"},
        Mistake{"  parameters: {passes.1.prune.steeps: {values: [1]}}\n", "unknown key `steeps`"},
        Mistake{"  parameters: {vars.unused: {values: [1, 2]}}\n", "`vars.unused` changes nothing"},
        Mistake{"  parameters: {vars.cut: {values: []}}\n", "no values"},
        Mistake{"  parameters: {vars.cut: {values: [0.2, 1.5]}}\n", "trial 2 (vars.cut=1.5)"},
        Mistake{"  parameters: {vars.cut: {values: [0.2]}}\n  where: ['vars.cut > 1']\n", "excludes all 1 trials"},
        Mistake{"  parameters: {vars.cut: {values: [0.2]}}\n  objectives: {top5: maximize}\n", "the objective `top5` is measured by no trial"},
        Mistake{"  parameters: {vars.cut: {values: [0.2]}}\n  objectives: {latency_p50: minimize}\n", "add evaluate.latency"},
        Mistake{"  parameters: {vars.cut: {values: [0.2]}}\n  constraints: {top5: {min: 0.5}}\n", "a constraint on `top5`, which is not measured"},
        Mistake{"  parameters: {sweep.method: {values: [grid]}}\n", "no value of a trial"},
        Mistake{"  parameters: {vars.cut: {values: [0.2]}}\n  stop_early: {after: pruen}\n", "there is no step `pruen`"},
        Mistake{"  parameters: {vars.cut: {values: [0.2]}}\n  stop_early: {after: quantize}\n", "is the last step"},
        Mistake{"  parameters: {vars.cut: {values: [0.2]}}\n  stop_early: {after: prune}\nprocesses: 2\n",
                "a trial of 2 processes cannot be stopped early"},
        Mistake{"  parameters: {processes: {values: [1, 2]}}\n  stop_early: {after: prune}\n", "a trial of 2 processes cannot be stopped early"},
        Mistake{"  parameters: {vars.cut: {values: [0.2]}}\n  stop_early: {after: prune}\n  objectives: {size: minimize}\n",
                "no objective is a metric"}}) {
    const TinySweep sweep(mistake.section);
    const auto result = sweep.sweep("out");
    EXPECT_EQ(result.status, 2) << result.err;
    EXPECT_TRUE(contains(result.err, mistake.message)) << mistake.section << result.err;
    EXPECT_FALSE(fs::exists(sweep.file("out"))) << mistake.section;
  }
  const TinyRun without;
  const auto result = run_program("-q sweep " + without.file("recipe.yaml") + " -o " + without.file("out"));
  EXPECT_TRUE(contains(result.err, "no `sweep` section")) << result.err;
}

TEST(Sweep, MultirunIsAGridInShort) {
  const TinySweep sweep("  parameters: {vars.cut: {values: [0.9]}}\n");
  const auto result = sweep.sweep("out", "--multirun 'vars.cut=0.2,0.4 passes.2.quantize.weights={bits: 8},{bits: 4}'");
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(contains(slurp(sweep.file("out/trials.csv")), "4,\"{\"\"bits\"\": 4}\",0.4")) << slurp(sweep.file("out/trials.csv"));
}

// Starts the program in a group of its own. returns: its process.
pid_t start(const std::vector<std::string>& arguments) {
  const auto child = ::fork();
  if (child > 0) return child;
  std::vector<char*> argv;
  static const std::string program = DSC_BINARY_DIR "/bin/dscompress";
  argv.push_back(const_cast<char*>(program.c_str()));
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  std::_Exit(127);
}

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  const auto pid = std::to_string(parent);
  std::istringstream list(slurp("/proc/" + pid + "/task/" + pid + "/children"));
  for (pid_t child = 0; list >> child;) children.push_back(child);
  return children;
}

// Kills driver and workers at `kills` instants, and goes on each time.
void expect_kills_change_nothing(const TinySweep& sweep, int kills, const std::string& processes) {
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(sweep.sweep("whole", "--no-cache --set processes=" + processes).status, 0);
  const double whole = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const auto out = sweep.file("killed");
  Random random(5);
  for (int i = 0; i < kills; ++i) {
    const bool started = fs::exists(out + "/sweep.json");
    const auto driver = start(started ? std::vector<std::string>{"-q", "resume", out}
                                      : std::vector<std::string>{"-q", "--threads", "1", "sweep", sweep.file("recipe.yaml"), "-o", out, "--workers",
                                                                 "2", "--set", "processes=" + processes});
    std::this_thread::sleep_for(std::chrono::duration<double>(whole * (0.15 + 0.4 * random.uniform())));
    const auto workers = children_of(driver);
    if (i % 2 == 0) ::kill(driver, SIGKILL);  // and otherwise a worker alone, whose place another one takes
    for (const auto worker : workers) ::kill(worker, SIGKILL);
    if (i % 2 != 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      ::kill(driver, SIGKILL);
    }
    ::waitpid(driver, nullptr, 0);
  }
  const auto result = fs::exists(out + "/sweep.json") ? run_program("-q resume " + out) : sweep.sweep("killed", "--set processes=" + processes);
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "4 of 4 trials complete, 0 failed")) << result.out;
  expect_same_models(sweep, "whole", "killed");
}

TEST(Sweep, KilledAtAnyInstantItResumesToTheSameTrialsFrontAndBytes) { expect_kills_change_nothing(TinySweep(kGrid, 6), 5, "1"); }
TEST(Sweep, KilledWithTheProcessesOfItsTrialsItResumesToTheSame) { expect_kills_change_nothing(TinySweep(kGrid, 3), 2, "2"); }

TEST(Sweep, HasOneDriverAndAnyNumberOfWorkers) {
  const TinySweep sweep(kGrid, 30);
  const auto out = sweep.file("out");
  const auto driver = start({"-q", "--threads", "1", "sweep", sweep.file("recipe.yaml"), "-o", out, "--no-cache"});
  for (int i = 0; i < 600 && (!fs::exists(out + "/claims") || fs::is_empty(out + "/claims")); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const auto second = run_program("-q resume " + out);
  EXPECT_EQ(second.status, 2);
  EXPECT_TRUE(contains(second.err, "another driver is at work")) << second.err;
  const auto again = sweep.sweep("out");
  EXPECT_TRUE(contains(again.err, "holds a sweep already")) << again.err;
  const auto joined = run_program("-q sweep --worker " + out);
  EXPECT_EQ(joined.status, 0) << joined.err;
  int status = 0;
  ::waitpid(driver, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  std::set<std::string> workers;
  for (const auto& trial : kTrials) workers.insert(sweep.result("out", trial).at("worker"));
  EXPECT_EQ(workers.size(), 2U);
}

TEST(Sweep, AFullDiskStopsItAndLosesNothing) {
  const TinySweep sweep;
  const auto disk = sweep.file("disk");
  fs::create_directories(disk);
  if (run_shell("unshare -rm mount -t tmpfs -o size=64k tmpfs " + disk).status != 0) GTEST_SKIP() << "mount namespaces are not allowed here";
  ASSERT_EQ(sweep.sweep("whole").status, 0);
  spit(sweep.file("full.sh"), "mount -t tmpfs -o size=700k tmpfs " + disk + " || exit 99\n" DSC_BINARY_DIR "/bin/dscompress -q --threads 1 sweep " + sweep.file("recipe.yaml") + " -o " + disk +
                                  "/out --no-cache\nstatus=$?\ncp -r " + disk + "/out " + sweep.file("kept") + "\nexit $status\n");
  const auto full = run_shell("unshare -rm sh " + sweep.file("full.sh"));
  EXPECT_EQ(full.status, 6) << full.err;
  EXPECT_TRUE(contains(full.err, "No space left")) << full.err;
  EXPECT_TRUE(contains(full.err, "dscompress resume")) << full.err;
  const auto done = std::distance(fs::directory_iterator(sweep.file("kept/results")), fs::directory_iterator());
  EXPECT_GT(done, 0);
  EXPECT_LT(done, 4);
  const auto resumed = run_program("-q resume " + sweep.file("kept"));
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  expect_same_models(sweep, "whole", "kept");
}

TEST(Sweep, NoTrialStartsAfterItsHours) {
  const TinySweep sweep("  parameters: {passes.0.finetune.epochs: {values: [40, 41, 42, 43, 44, 45]}}\n  limits: {hours: 0.0003}\n");
  const auto result = run_program("--threads 1 sweep " + sweep.file("recipe.yaml") + " -o " + sweep.file("out") + " --no-cache");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "0.0003 hours have passed (limits.hours)")) << result.err;
  EXPECT_TRUE(contains(slurp(sweep.file("out/trials.csv")), "waiting")) << slurp(sweep.file("out/trials.csv"));
}

}  // namespace
}  // namespace dsc::test
