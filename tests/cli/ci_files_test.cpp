// The files of configs/ci: what they call is there, and their own tools accept them.
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

}  // namespace
}  // namespace dsc::test
