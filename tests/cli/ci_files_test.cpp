// The files of configs/ci, and the unit of configs/serving: what they call is there, and their own tools accept them.
#include <gtest/gtest.h>

#include <regex>

#include "core/tree.h"
#include "support/tiny_run.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;

const std::string kFolder = DSC_SOURCE_DIR "/configs/ci/";

struct Call {
  std::string file, command;
  std::vector<std::string> options;
};

// "dscompress [global options] COMMAND ... --option ..." in all files, comments left out.
std::vector<Call> calls() {
  static const std::regex call(R"(dscompress (?:--no-color )?([a-z]+)([^\n;|&]*))"), option(R"(--[a-z-]+)");
  std::vector<Call> found;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    std::istringstream text(slurp(entry.path().string()));
    for (std::string line; std::getline(text, line);) {
      line = line.substr(0, line.find(" #"));
      if (line.starts_with("#") || contains(line, "Description")) continue;
      for (std::sregex_iterator match(line.begin(), line.end(), call), end; match != end; ++match) {
        const std::string rest = (*match)[2];
        Call one{entry.path().filename().string(), (*match)[1], {}};
        for (std::sregex_iterator word(rest.begin(), rest.end(), option); word != std::sregex_iterator(); ++word) one.options.push_back(word->str());
        found.push_back(std::move(one));
      }
    }
  }
  return found;
}

TEST(CiFiles, CallCommandsAndOptionsThatExist) {
  const auto all = calls();
  EXPECT_GE(all.size(), 9U);
  for (const auto& call : all) {
    const auto help = run_program(call.command + " --help");
    EXPECT_EQ(help.status, 0) << call.file << ": " << call.command;
    for (const auto& option : call.options) EXPECT_TRUE(contains(help.out, option)) << call.file << ": " << call.command << " " << option;
  }
}

TEST(CiFiles, AreYaml) {
  for (const auto* name : {"github.yml", "gitlab.yml"}) {
    std::vector<Problem> problems;
    read_yaml(slurp(kFolder + name), std::make_shared<TreeSource>(TreeSource{.name = name, .folder = {}}), problems);
    EXPECT_TRUE(problems.empty()) << name;
  }
}

TEST(CiFiles, AreAcceptedBySystemd) {
  if (run_shell("command -v systemd-analyze").status != 0) GTEST_SKIP() << "systemd-analyze is not installed";
  const TempFolder folder;
  auto service = slurp(kFolder + "dscompress-nightly.service");
  const std::string installed = "/opt/dscompress/share/dscompress/ci/nightly.sh";
  ASSERT_TRUE(contains(service, installed));
  service.replace(service.find(installed), installed.size(), kFolder + "nightly.sh");
  spit(folder.file("dscompress-nightly.service"), service);
  fs::copy_file(kFolder + "dscompress-nightly.timer", folder.file("dscompress-nightly.timer"));
  const auto result = run_shell("systemd-analyze verify " + folder.file("dscompress-nightly.timer") + " " + folder.file("dscompress-nightly.service"));
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
}

TEST(CiFiles, ServingIsAcceptedBySystemd) {
  if (run_shell("command -v systemd-analyze").status != 0) GTEST_SKIP() << "systemd-analyze is not installed";
  const TempFolder folder;
  auto service = slurp(DSC_SOURCE_DIR "/configs/serving/dscompress-serve.service");
  const std::string installed = "/opt/dscompress/bin/dscompress", call = "serve models/fashion --capture traffic --capture-minutes 60";
  ASSERT_TRUE(contains(service, installed + " " + call));
  service.replace(service.find(installed), installed.size(), DSC_BINARY_DIR "/bin/dscompress");
  spit(folder.file("dscompress-serve.service"), service);
  const auto result = run_shell("systemd-analyze verify " + folder.file("dscompress-serve.service"));
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  const auto help = run_program("serve --help");
  for (const auto* option : {"--capture ", "--capture-minutes "}) EXPECT_TRUE(contains(help.out, option)) << option;
}

TEST(CiFiles, WorkflowIsAcceptedByActionlint) {
  if (run_shell("command -v actionlint").status != 0) GTEST_SKIP() << "actionlint is not installed";
  const auto result = run_shell("actionlint -no-color " + kFolder + "github.yml");
  EXPECT_EQ(result.status, 0) << result.out << result.err;
}

TEST(CiFiles, CronLineHasFiveFieldsAndACommand) {
  static const std::regex line(R"(([-*/,0-9]+ ){5}\S.*|[A-Z]+=.*|#.*)");
  std::istringstream text(slurp(kFolder + "crontab"));
  for (std::string one; std::getline(text, one);) EXPECT_TRUE(std::regex_match(one, line)) << one;
}

TEST(CiFiles, NightlyScriptKeepsTheLastGoodRunWhenANightIsWorse) {
  const auto recipe = [](int epochs) {
    return tiny_recipe_head() + "gates: {baseline: {top1: {max_drop: 1pp}}}\npasses:\n  - finetune: {epochs: " + std::to_string(epochs) +
           ", batch: 32, optimizer: {sgd: {lr: 0.05}}}\n";
  };
  const TinyRun folder(recipe(12));
  const auto night = [&] { return run_shell("env -C " + folder.file("") + " PATH=" DSC_BINARY_DIR "/bin:$PATH " + kFolder + "nightly.sh"); };
  const auto first = night();
  ASSERT_EQ(first.status, 0) << first.err;
  const auto today = fs::read_symlink(folder.file("runs/last-good")).string();
  ASSERT_TRUE(fs::exists(folder.file("runs/last-good/dscompress.prom")));
  ASSERT_EQ(night().status, 0) << "the same night again";
  fs::rename(folder.file("runs/" + today), folder.file("runs/yesterday"));
  fs::remove(folder.file("runs/last-good"));
  fs::create_symlink("yesterday", folder.file("runs/last-good"));
  spit(folder.file("recipe.yaml"), recipe(1));
  EXPECT_EQ(night().status, 1);
  EXPECT_EQ(fs::read_symlink(folder.file("runs/last-good")), "yesterday");
}

// What a job of these files runs, as written, in a shell as its service starts one.
std::vector<std::string> scripts_of(const std::string& file, const std::string& job) {
  std::vector<Problem> problems;
  const auto tree = read_yaml(slurp(kFolder + file), std::make_shared<TreeSource>(TreeSource{.name = file, .folder = {}}), problems);
  std::vector<std::string> scripts;
  if (const auto* script = tree.find(job) ? tree.find(job)->find("script") : nullptr) {  // GitLab: all lines in one shell
    scripts.emplace_back();
    for (const auto& line : script->items) scripts.back() += line.text + "\n";
  } else {  // GitHub: a shell for each step
    for (const auto& step : tree.find("jobs")->find(job)->find("steps")->items) {
      if (const auto* run = step.find("run")) scripts.push_back(run->text);
    }
  }
  return scripts;
}

// A repository with the recipe and what it needs, cloned into an empty folder for each night, as the services do. Not run, for want
// of a network: the steps that are other people's actions (checkout, which the clone stands for, and upload-artifact).
class CiJob : public testing::TestWithParam<std::pair<const char*, const char*>> {
 protected:
  CiJob()
      : repository_(tiny_recipe_head() +
                    "gates: {baseline: {top1: {max_drop: 1pp}}}\npasses:\n  - finetune: {epochs: 12, batch: 32, optimizer: {sgd: {lr: 0.05}}}\n") {
    fs::create_directories(folder_.file("runs"));
    git("init -q .");
    commit();
  }
  void git(const std::string& arguments) const {
    const auto result = run_shell("git -C " + repository_.file("") + " -c user.name=ci -c user.email=ci@localhost " + arguments);
    ASSERT_EQ(result.status, 0) << result.err;
  }
  void commit() const {
    git("add -A");
    git("commit -q -m night");
  }
  // returns: status of the first script that fails, and what all of them said.
  ProgramResult night(const std::string& number) const {
    const auto [file, job] = GetParam();
    EXPECT_EQ(run_shell("git clone -q " + repository_.file("") + " " + folder_.file(number)).status, 0);
    ProgramResult all{.status = 0, .out = {}, .err = {}};
    const std::string environment = "env -C " + folder_.file(number) + " PATH=" DSC_BINARY_DIR "/bin:$PATH RUNS=" + folder_.file("runs") +
                                    " GITHUB_RUN_ID=" + number + " CI_PIPELINE_ID=" + number +
                                    " GITHUB_ACTIONS=true GITHUB_STEP_SUMMARY=" + folder_.file("summary.md") + " ";
    for (const auto& script : scripts_of(file, job)) {
      spit(folder_.file("script"), script);
      const auto result = run_shell(environment + "bash -e " + folder_.file("script"));
      all.out += result.out;
      all.err += result.err;
      if ((all.status = result.status) != 0) break;
    }
    return all;
  }
  std::string last_good() const { return fs::read_symlink(folder_.file("runs/last-good")).string(); }
  const TinyRun& repository() const { return repository_; }
  const TempFolder& folder() const { return folder_; }

 private:
  TempFolder folder_;
  TinyRun repository_;
};

TEST_P(CiJob, RunsAsWrittenInAnEmptyCloneAndStopsWhatIsWorse) {
  const auto first = night("1");
  ASSERT_EQ(first.status, 0) << first.out << first.err;
  EXPECT_EQ(last_good(), "1");
  const auto second = night("2");
  ASSERT_EQ(second.status, 0) << second.out << second.err;
  EXPECT_EQ(last_good(), "2");
  auto recipe = slurp(repository().file("recipe.yaml"));
  recipe.replace(recipe.find("epochs: 12"), 10, "epochs: 1");
  spit(repository().file("recipe.yaml"), recipe);
  commit();
  const auto worse = night("3");
  EXPECT_EQ(worse.status, 1) << worse.out << worse.err;
  EXPECT_TRUE(contains(worse.err, "::error::gate failed: top1 fell by")) << worse.err;
  EXPECT_EQ(last_good(), "2");
  spit(repository().file("recipe.yaml"), recipe + "sede: 3\n");
  commit();
  EXPECT_EQ(night("4").status, 2);
  EXPECT_EQ(last_good(), "2");
}

INSTANTIATE_TEST_SUITE_P(CiFiles, CiJob, testing::Values(std::pair{"github.yml", "compress"}, std::pair{"gitlab.yml", "compress"}),
                         [](const auto& given) { return std::string(given.param.first).substr(0, std::string(given.param.first).find('.')); });

}  // namespace
}  // namespace dsc::test
