// The step cache as a folder that people look after: what it lists, what goes first, what a limit does, damage.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/tiny_run.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string two_steps() {
  return tiny_recipe_head() + "vars: {cut: 0.3, lr: 0.05}\nevaluate: {metrics: [top1]}\npasses:\n  - finetune: {name: train, epochs: 1, batch: 32, optimizer: {sgd: {lr: \"${lr}\"}}}\n"
                              "  - prune: {reduce: {macs: \"${cut}\"}}\nreport: {formats: []}\n";
}

class CachedRuns : public testing::Test {
 protected:
  // Each keeps the base and what `train` left.
  void run(const std::string& out, const std::string& more = {}) const {
    const auto result = runs.run(out, "--cache " + runs.file("cache") + " " + more);
    ASSERT_EQ(result.status, 0) << result.err;
  }
  json cache(const std::string& command, int status = 0) const {
    const auto result = run_program("-q cache " + command + " --json");
    EXPECT_EQ(result.status, status) << result.err;
    return json::parse(result.out);
  }
  std::vector<std::string> keys(const json& entries) const {
    std::vector<std::string> list;
    for (const auto& entry : entries) list.push_back(entry.at("key"));
    return list;
  }
  std::string folder() const { return runs.file("cache"); }
  bool takes_train(const std::string& out) const { return contains(slurp(runs.file(out) + "/report.json"), "step train was not computed here"); }
  TinyRun runs{two_steps()};
};

TEST_F(CachedRuns, AreListedWithTheLastUsedFirst) {
  run("a");
  run("b", "--set vars.lr=0.01");
  auto listed = cache("list " + folder());
  ASSERT_EQ(listed.at("entries").size(), 3U) << "one base, two trainings";
  EXPECT_EQ(listed.at("entries").at(0).at("step"), "train");
  EXPECT_TRUE(listed.at("limit").is_null());
  std::int64_t bytes = 0;
  for (const auto& file : fs::recursive_directory_iterator(folder())) bytes += file.is_regular_file() ? static_cast<std::int64_t>(file.file_size()) : 0;
  EXPECT_EQ(listed.at("bytes"), bytes);
  const auto first = keys(listed.at("entries"));
  run("c");
  EXPECT_TRUE(takes_train("c"));
  EXPECT_NE(keys(cache("list " + folder()).at("entries")).front(), first.front()) << "what was found was used";
}

TEST_F(CachedRuns, WhatWasUsedLeastRecentlyGoesFirst) {
  run("a");
  run("b", "--set vars.lr=0.01");
  run("c");
  const auto before = cache("list " + folder()).at("entries");
  ASSERT_EQ(before.size(), 3U);
  const auto keep = before.at(0).at("bytes").get<std::int64_t>() + before.at(1).at("bytes").get<std::int64_t>();
  EXPECT_EQ(keys(cache("prune " + folder() + " --to " + std::to_string(keep)).at("removed")), std::vector<std::string>{keys(before).back()});
  run("d", "--set vars.lr=0.01");
  EXPECT_FALSE(takes_train("d"));
  run("e");
  EXPECT_TRUE(takes_train("e"));
  EXPECT_EQ(cache("prune " + folder() + " --all").at("removed").size(), 3U);
  EXPECT_EQ(cache("list " + folder()).at("bytes"), 0);
  const auto vague = run_program("-q cache prune " + folder());
  EXPECT_EQ(vague.status, 2);
  EXPECT_TRUE(contains(vague.err, "nothing says how much stays")) << vague.err;
}

TEST_F(CachedRuns, ALimitHoldsForLaterRuns) {
  run("a");
  const auto entries = cache("list " + folder()).at("entries");
  const auto limit = entries.at(0).at("bytes").get<std::int64_t>() + entries.at(1).at("bytes").get<std::int64_t>() + 100;
  cache("prune " + folder() + " --limit " + std::to_string(limit));
  for (const auto* lr : {"0.01", "0.02", "0.03"}) {
    run(std::string("run") + lr, std::string("--set vars.lr=") + lr);
    const auto listed = cache("list " + folder());
    EXPECT_EQ(listed.at("limit"), limit);
    EXPECT_LE(listed.at("bytes").get<std::int64_t>(), limit);
    EXPECT_EQ(listed.at("entries").size(), 2U) << "the base, which each run uses, and the last training";
  }
  cache("prune " + folder() + " --limit 10kB");
  const auto result = run_program("run " + runs.file("recipe.yaml") + " --threads 1 -o " + runs.file("z") + " --cache " + folder());
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "limited to less than this step leaves")) << result.err;
}

TEST_F(CachedRuns, DamageIsFoundAndRemoved) {
  run("a");
  EXPECT_EQ(cache("verify " + folder()).at("damaged").size(), 0U);
  const auto victim = cache("list " + folder()).at("entries").at(0).at("key").get<std::string>();
  const auto path = folder() + "/" + victim.substr(0, 2) + "/" + victim + "/state.safetensors";
  auto bytes = slurp(path);
  bytes[bytes.size() - 3] ^= 1;
  spit(path, bytes);
  const auto found = cache("verify " + folder(), 1).at("damaged");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.at(0).at("key"), victim);
  EXPECT_TRUE(contains(found.at(0).at("damage"), "state.safetensors"));
  EXPECT_EQ(cache("list " + folder()).at("entries").size(), 1U);
  run("b");
  EXPECT_EQ(slurp(runs.file("a/model.safetensors")), slurp(runs.file("b/model.safetensors")));
}

TEST_F(CachedRuns, TheUsersOwnIsTheDefault) {
  const auto home = "HOME=" + runs.file("home") + " XDG_CACHE_HOME= ";
  const auto none = run_program("-q cache list", home);
  EXPECT_EQ(none.status, 2);
  EXPECT_TRUE(contains(none.err, runs.file("home") + "/.cache/dscompress/steps")) << none.err;
  fs::create_directories(runs.file("home/.cache/dscompress/steps"));
  const auto listed = json::parse(run_program("-q cache list --json", home).out);
  EXPECT_EQ(listed.at("limit"), 20'000'000'000);
  EXPECT_TRUE(contains(run_program("-q cache list", "HOME= XDG_CACHE_HOME= ").err, "--cache DIR")) << "no home";
}

}  // namespace
}  // namespace dsc::test
