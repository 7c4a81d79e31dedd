// Workers that a real Slurm starts, requeues and loses sight of (scripts/slurm_test_cluster), and workers that Ray starts
// (configs/sweeps/ray_workers.py). Each is skipped where it cannot run, with the reason.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <functional>
#include <thread>

#include "support/tiny_run.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

const std::string kCluster = DSC_SOURCE_DIR "/scripts/slurm_test_cluster";

bool wait_for(const std::function<bool()>& condition, std::chrono::seconds most) {
  for (auto waited = 0ms; waited < most; waited += 100ms) {
    if (condition()) return true;
    std::this_thread::sleep_for(100ms);
  }
  return false;
}

// Twelve trials: once with workers of the sweep's own, and once with none, for whoever starts them elsewhere.
class ClusterSweep : public testing::Test {
 protected:
  ClusterSweep() : recipe(tiny_recipe_head() + "vars: {cut: 0.3, bits: 8}\nevaluate: {metrics: [top1]}\npasses:\n  - finetune: {name: train, epochs: 16, batch: 32, optimizer: {sgd: {lr: 0.05}}}\n"
                          "  - prune: {reduce: {macs: \"${cut}\"}}\n  - quantize: {weights: {bits: \"${bits}\"}}\nreport: {formats: []}\nsweep:\n"
                          "  parameters: {vars.cut: {values: [0.1, 0.2, 0.3, 0.4]}, vars.bits: {values: [3, 4, 8]}}\n") {
    ::setenv("PATH", (DSC_BINARY_DIR "/bin:" + std::string(std::getenv("PATH"))).c_str(), 1);
  }
  std::string out() const { return recipe.file("out"); }
  std::string driver_log() const { return slurp(recipe.file("driver.log")); }
  void start_driver() const {
    ASSERT_EQ(run_program("-q --threads 1 sweep " + recipe.file("recipe.yaml") + " -o " + recipe.file("local") + " --no-cache").status, 0);
    ASSERT_EQ(run_shell("sh -c 'nohup dscompress -q --threads 1 sweep " + recipe.file("recipe.yaml") + " -o " + out() + " --no-cache --workers 0 > " + recipe.file("driver.log") + " 2>&1 & echo $! > " + recipe.file("driver.pid") + "'").status, 0);
    ASSERT_TRUE(wait_for([&] { return fs::exists(out() + "/sweep.json"); }, 60s)) << driver_log();
  }
  // what_else: shown when it does not.
  void expect_driver_ends(const std::string& what_else) const {
    const auto process = "/proc/" + std::to_string(std::stoi(slurp(recipe.file("driver.pid")))) + "/cmdline";
    ASSERT_TRUE(wait_for([&] { return slurp(process).empty(); }, 300s)) << driver_log() << run_shell(what_else).out;
    EXPECT_TRUE(contains(driver_log(), "12 of 12 trials complete, 0 failed")) << driver_log();
  }
  void expect_what_local_workers_give() const {
    EXPECT_EQ(slurp(recipe.file("local/front.csv")), slurp(out() + "/front.csv"));
    for (int trial = 1; trial <= 12; ++trial) {
      const auto name = "/trials/" + std::string(trial < 10 ? "000" : "00") + std::to_string(trial) + "/model.safetensors";
      EXPECT_EQ(slurp(recipe.file("local") + name), slurp(out() + name)) << name;
    }
  }
  TinyRun recipe;
};

class Slurm : public ClusterSweep {
 protected:
  void SetUp() override {
    const auto started = run_shell(kCluster + " start " + folder());
    if (started.status == 77) GTEST_SKIP() << started.out;
    ASSERT_EQ(started.status, 0) << started.out << started.err;
    ::setenv("SLURM_CONF", (folder() + "/slurm.conf").c_str(), 1);
  }
  void TearDown() override { run_shell(kCluster + " stop " + folder()); }
  std::string folder() const { return recipe.file("cluster"); }
};

TEST_F(Slurm, AnArrayOfWorkersGivesWhatLocalOnesGive) {
  start_driver();
  const auto submitted = run_shell("sbatch --parsable --array=1-2 --cpus-per-task=1 --chdir=" + recipe.file("") + " " DSC_SOURCE_DIR "/configs/sweeps/slurm.sh " + out());
  ASSERT_EQ(submitted.status, 0) << submitted.err;
  const auto job = submitted.out.substr(0, submitted.out.find('\n'));
  const auto results = [&] { return std::distance(fs::directory_iterator(out() + "/results"), fs::directory_iterator()); };
  ASSERT_TRUE(wait_for([&] { return results() >= 2; }, 120s)) << "no worker has begun";
  EXPECT_EQ(run_shell("scontrol requeue " + job + "_1").status, 0) << "one is requeued in the middle of a trial";
  // A controller that starts from a state older than its jobs ends them and drains their node. It writes within five seconds.
  const auto requeued = fs::file_time_type::clock::now();
  const auto saved = [&] { return fs::exists(folder() + "/state/job_state") && fs::last_write_time(folder() + "/state/job_state") > requeued; };
  ASSERT_TRUE(wait_for(saved, 60s)) << "the controller has not saved its state";
  ::kill(std::stoi(slurp(folder() + "/run/slurmctld.pid")), SIGKILL);  // the queue of jobs is not what a sweep relies on
  std::this_thread::sleep_for(1s);
  EXPECT_EQ(run_shell("slurmctld").status, 0);
  expect_driver_ends("squeue; sinfo; tail -n 30 " + folder() + "/log/slurm*.log");
  expect_what_local_workers_give();
}

class Ray : public ClusterSweep {
 protected:
  void SetUp() override {
    const char* named = std::getenv("DSCOMPRESS_PYTHON");
    python = named && *named ? named : "python3";
    if (run_shell(python + " -c 'import ray'").status != 0) GTEST_SKIP() << "no Ray: pip install ray, or name an interpreter that has it in DSCOMPRESS_PYTHON";
  }
  std::string python;
};

TEST_F(Ray, WorkersGiveWhatLocalOnesGive) {
  start_driver();
  const auto workers = run_shell("RAY_DEDUP_LOGS=0 " + python + " " DSC_SOURCE_DIR "/configs/sweeps/ray_workers.py " + out() + " --workers 2");
  EXPECT_EQ(workers.status, 0) << workers.out << workers.err;
  expect_driver_ends("true");
  expect_what_local_workers_give();
}

}  // namespace
}  // namespace dsc::test
