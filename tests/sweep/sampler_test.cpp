// Sweeps whose trials Optuna chooses. Tests that need it are skipped where python3, or what DSCOMPRESS_PYTHON names, does not have it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/tiny_run.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;

// No training: a trial takes a moment.
std::string sampled(const std::string& section) {
  return tiny_recipe_head() + "vars: {cut: 0.3, bits: 8}\nevaluate: {metrics: [top1]}\npasses:\n  - prune: {reduce: {macs: \"${cut}\"}}\n  - quantize: {weights: {bits: \"${bits}\"}}\n"
         "report: {formats: []}\nsweep:\n  parameters: {vars.cut: {range: [0.1, 0.6]}, vars.bits: {values: [3, 4, 8]}}\n" + section;
}

class SampledSweep : public TinyRun {
 public:
  explicit SampledSweep(const std::string& section) : TinyRun(sampled(section)) { ::setenv("XDG_CACHE_HOME", file("home").c_str(), 1); }
  ProgramResult sweep(const std::string& out, const std::string& more = {}, const std::string& before = {}) const {
    return run_program("-q --threads 1 sweep " + file("recipe.yaml") + " -o " + file(out) + " " + more, before);
  }
};

bool has_optuna() {
  static const bool found = run_shell("${DSCOMPRESS_PYTHON:-python3} -c 'import optuna'").status == 0;
  return found;
}
#define NEEDS_OPTUNA() \
  if (!has_optuna()) GTEST_SKIP() << "no Optuna: pip install optuna cmaes scipy, or name an interpreter that has it in DSCOMPRESS_PYTHON"

TEST(Sampler, WithoutOptunaIsOneErrorBeforeAnyTrial) {
  const SampledSweep sweep("  method: tpe\n  limits: {trials: 4}\n");
  fs::create_directory(sweep.file("none"));
  spit(sweep.file("none/optuna.py"), "raise ModuleNotFoundError(\"No module named 'optuna'\", name='optuna')\n");
  const auto result = sweep.sweep("out", "", "PYTHONPATH=" + sweep.file("none"));
  EXPECT_EQ(result.status, 2) << result.err;
  EXPECT_TRUE(contains(result.err, "has no module optuna")) << result.err;
  EXPECT_TRUE(contains(result.err, "pip install optuna")) << result.err;
  EXPECT_FALSE(fs::exists(sweep.file("out")));
  const auto no_python = sweep.sweep("out", "", "DSCOMPRESS_PYTHON=/nowhere/python");
  EXPECT_TRUE(contains(no_python.err, "cannot start /nowhere/python")) << no_python.err;
}

TEST(Sampler, SameSeedGivesTheSameTrialsWhateverTheTiming) {
  NEEDS_OPTUNA();
  for (const std::string method : {"tpe", "nsga2"}) {
    const SampledSweep sweep("  method: " + method + "\n  limits: {trials: 10}\n  constraints: {top1: {max_drop: 50pp}}\n  where: ['vars.bits < 8 || vars.cut > 0.2']\n  batch: 3\n");
    const auto one = sweep.sweep("one");
    ASSERT_EQ(one.status, 0) << one.err;
    ASSERT_EQ(sweep.sweep("three", "--workers 3").status, 0);
    EXPECT_EQ(slurp(sweep.file("one/front.csv")), slurp(sweep.file("three/front.csv"))) << method;
    for (int trial = 1; trial <= 10; ++trial) {
      const auto name = "/queue/" + std::string(trial < 10 ? "000" : "00") + std::to_string(trial) + ".yaml";
      EXPECT_EQ(slurp(sweep.file("one") + name), slurp(sweep.file("three") + name)) << method << name;
      EXPECT_NE(slurp(sweep.file("one") + name), "");
    }
  }
}

TEST(Sampler, ResumedItGoesOnWithTheSameTrials) {
  NEEDS_OPTUNA();
  const SampledSweep sweep("  method: tpe\n  limits: {trials: 8}\n  batch: 2\n");
  ASSERT_EQ(sweep.sweep("whole").status, 0);
  // As a kill in the middle of the third batch leaves it.
  fs::copy(sweep.file("whole"), sweep.file("part"), fs::copy_options::recursive);
  fs::remove(sweep.file("part/queue/complete"));
  for (const auto* number : {"0006", "0007", "0008"}) {
    for (const auto& file : {std::string("queue/") + number + ".json", std::string("queue/") + number + ".yaml", std::string("results/") + number + ".json", std::string("trials/") + number}) {
      fs::remove_all(sweep.file("part/" + file));
    }
  }
  const auto result = run_program("-q resume " + sweep.file("part"));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(slurp(sweep.file("whole/front.csv")), slurp(sweep.file("part/front.csv")));
  EXPECT_EQ(slurp(sweep.file("whole/queue/0008.yaml")), slurp(sweep.file("part/queue/0008.yaml")));
  spit(sweep.file("recipe.yaml"), slurp(sweep.file("recipe.yaml")) + "# changed\n");
  const auto changed = run_program("-q resume " + sweep.file("part"));
  EXPECT_EQ(changed.status, 2);
  EXPECT_TRUE(contains(changed.err, "has changed since the sweep started")) << changed.err;
}

TEST(Sampler, OptunaReadsTheJournal) {
  NEEDS_OPTUNA();
  const SampledSweep sweep("  method: tpe\n  limits: {trials: 12}\n  objectives: {size: minimize, top1: maximize}\n  constraints: {size: {min: 1.0e+9}}\n");
  ASSERT_EQ(sweep.sweep("out").status, 0);
  spit(sweep.file("read.py"), R"(import json, sys
import optuna
from optuna.storages.journal import JournalFileBackend
study = optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(JournalFileBackend(sys.argv[1])))
print(json.dumps({"names": study.metric_names, "trials": [[trial.params, trial.values, trial.user_attrs["run"], trial.state.name] for trial in study.trials]}))
)");
  const auto read = run_shell("${DSCOMPRESS_PYTHON:-python3} " + sweep.file("read.py") + " " + sweep.file("out/optuna.journal"));
  ASSERT_EQ(read.status, 0) << read.err;
  const auto study = nlohmann::json::parse(read.out);
  EXPECT_EQ(study.at("names"), (std::vector<std::string>{"size", "top1"}));
  ASSERT_EQ(study.at("trials").size(), 12U);
  for (int number = 1; number <= 12; ++number) {
    const auto name = std::string(number < 10 ? "000" : "00") + std::to_string(number);
    const auto result = nlohmann::json::parse(slurp(sweep.file("out/results/" + name + ".json"))), planned = nlohmann::json::parse(slurp(sweep.file("out/queue/" + name + ".json")));
    const auto& trial = study.at("trials").at(static_cast<std::size_t>(number) - 1);
    EXPECT_EQ(trial.at(1), (std::vector<double>{result.at("figures").at("size"), result.at("figures").at("top1")}));
    EXPECT_EQ(trial.at(2), "trials/" + name);
    EXPECT_EQ(trial.at(3), "COMPLETE");
    EXPECT_DOUBLE_EQ(trial.at(0).at("vars.cut"), std::stod(planned.at("parameters").at("vars.cut").get<std::string>()));
    EXPECT_DOUBLE_EQ(trial.at(0).at("vars.bits"), std::stod(planned.at("parameters").at("vars.bits").get<std::string>()));
  }
}

}  // namespace
}  // namespace dsc::test
