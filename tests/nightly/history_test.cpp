// The history of nights, and the versions on disk.
#include "nightly/history.h"

#include <gtest/gtest.h>

#include "dscompress/error.h"
#include "nightly/registry.h"
#include "support/program.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;

TEST(History, KeepsRowsAsTheyAreAndDecidesOnAVersionOnce) {
  const TempFolder folder;
  Decision decision{.number = 3, .verdict = Verdict::not_enough_data, .reason = "it's \"few\"", .trigger = Trigger::accuracy, .fingerprint = "abc", .decided_at = "2026-11-29T00:00:00Z"};
  decision.figures = {{"top1", 0.5}};
  decision.more = 12;
  {
    History history(folder.file("history.sqlite"));
    history.add(decision);
    history.add(decision);
    history.add({.number = 3, .verdict = Verdict::rollback});
    history.add({.number = 3, .verdict = Verdict::healthy});
    history.add({.number = 3, .verdict = Verdict::healthy});
  }
  const History history(folder.file("history.sqlite"));
  ASSERT_EQ(history.rows().size(), 4U);
  EXPECT_EQ(decision_json(history.rows().front()), decision_json(decision));
  EXPECT_TRUE(history.has_decision(3));
  EXPECT_FALSE(history.has_decision(4));
  EXPECT_EQ(history.find_decision("abc")->more, 12);
  EXPECT_FALSE(history.find_decision("abd"));
}

TEST(History, ADamagedFileIsNamed) {
  const TempFolder folder;
  spit(folder.file("history.sqlite"), std::string(5000, 'x'));
  try {
    History(folder.file("history.sqlite"));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_TRUE(contains(error.what(), "history.sqlite")) << error.what();
  }
}

class RegistryTest : public testing::Test {
 protected:
  void promote(std::int64_t number) const {
    fs::create_directories(registry_.candidate_folder(number));
    const Decision decision{.number = number, .verdict = Verdict::promoted};
    registry_.write_decision(registry_.candidate_folder(number), decision);
    registry_.settle(decision);
    registry_.link(number);
  }
  TempFolder folder_;
  Registry registry_{folder_.path()};
};

TEST_F(RegistryTest, TheLastGoodVersionIsTheHighestAfterGoingBackAndForth) {
  for (const int number : {1, 2, 4}) promote(number);
  registry_.go_back(2);
  EXPECT_EQ(registry_.last_good(), 2);
  EXPECT_EQ(registry_.versions(), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(registry_.next_number(), 5) << "a number names one version for ever";
  registry_.go_back(4);
  EXPECT_EQ(registry_.last_good(), 4);
  EXPECT_EQ(registry_.versions(), (std::vector<std::int64_t>{1, 2, 4}));
  EXPECT_THROW(registry_.go_back(3), Error);
}

TEST_F(RegistryTest, KeepsSoManyVersions) {
  for (const int number : {1, 2, 3}) promote(number);
  registry_.tidy(2);
  EXPECT_EQ(registry_.versions(), (std::vector<std::int64_t>{2, 3}));
}

TEST_F(RegistryTest, VersionsWithoutALinkAreNoEmptyRegistry) {
  EXPECT_FALSE(registry_.last_good());
  promote(1);
  fs::remove(folder_.file("last-good"));
  EXPECT_THROW(registry_.last_good(), Error);
}

TEST_F(RegistryTest, IsLockedOnce) {
  const RegistryLock lock(registry_);
  EXPECT_THROW(RegistryLock{registry_}, Error);
}

}  // namespace
}  // namespace dsc::test
