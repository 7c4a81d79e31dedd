// Curves as trackers of experiments read them, with their own readers where these are installed.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/python.h"
#include "support/tiny_run.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;

const std::string kScripts = DSC_SOURCE_DIR "/scripts/";

bool has_module(const std::string& name) { return run_shell(python() + " -c 'import " + name + "'").status == 0; }

const std::string kTracked = "report: {formats: [tensorboard, csv]}\n";

class Trackers : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    run_ = new TinyRun(tiny_recipe() + kTracked);
    ASSERT_EQ(run_->run("out").status, 0);
  }
  static void TearDownTestSuite() { delete run_; }
  static std::string out() { return run_->file("out"); }
  static TinyRun* run_;
};
TinyRun* Trackers::run_ = nullptr;

TEST_F(Trackers, CsvHoldsEveryPointOfTheReport) {
  std::size_t points = 0;
  const auto report = nlohmann::json::parse(slurp(out() + "/report.json"));
  for (const auto& step : report.at("steps")) {
    for (const auto& curve : step.at("curves")) {
      points += curve.at("values").size();
      EXPECT_EQ(curve.at("seconds").size(), curve.at("values").size());
    }
  }
  const auto text = slurp(out() + "/curves.csv");
  EXPECT_EQ(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')), points + 1);
  EXPECT_FALSE(fs::exists(out() + "/report.html")) << "not asked for";
}

TEST_F(Trackers, TensorBoardReadsEveryCurveWithTheReportsValues) {
  for (const auto* name : {"0000-base", "0001-train", "0002-prune", "0003-quantize"})
    EXPECT_TRUE(fs::exists(out() + "/tensorboard/events.out.tfevents." + name)) << name;
  if (!has_module("tensorboard")) GTEST_SKIP() << "no tensorboard in Python: scripts/setup trackers";
  const auto checked = run_shell(python() + " " + kScripts + "check_events.py " + out());
  EXPECT_EQ(checked.status, 0) << checked.err;
}

TEST_F(Trackers, MlflowGetsEveryCurve) {
  if (!has_module("mlflow")) GTEST_SKIP() << "no mlflow in Python: scripts/setup trackers";
  const TempFolder folder;
  const std::string store = "sqlite:///" + folder.file("mlflow.db");
  const auto put = run_shell("env -C " + folder.path() + " " + python() + " " + kScripts + "to_mlflow.py " + out() + " --tracking-uri " + store);
  ASSERT_EQ(put.status, 0) << put.err;
  spit(folder.file("read.py"), "from mlflow.tracking import MlflowClient\nclient = MlflowClient('" + store +
                                   "')\nrun = client.search_runs(['1'])[0]\n"
                                   "print([point.step for point in client.get_metric_history(run.info.run_id, 'train/train_loss')])\n");
  EXPECT_EQ(run_shell(python() + " " + folder.file("read.py")).out, "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]\n");
}

TEST_F(Trackers, ScriptsSayWhatIsMissing) {
  const TempFolder folder;
  for (const auto* script : {"to_mlflow.py", "to_wandb.py"}) {
    const auto result = run_shell(python() + " " + kScripts + script + " " + folder.path());
    EXPECT_NE(result.status, 0) << script;
    EXPECT_FALSE(contains(result.err, "Traceback")) << result.err;
  }
}

}  // namespace
}  // namespace dsc::test
