#include "core/claim.h"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <atomic>
#include <fstream>
#include <latch>
#include <thread>

#include "support/program.h"

namespace dsc {
namespace {

using test::TempFolder;

TEST(Claim, IsOneProcessAtATime) {
  const TempFolder folder;
  ClaimBoard mine(folder.path()), other(folder.path());
  auto claim = mine.take("0001", true);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->attempt(), 1);
  EXPECT_TRUE(other.is_taken("0001"));
  EXPECT_FALSE(other.take("0001", true));
  EXPECT_FALSE(other.is_taken("0002"));
  claim.reset();
  EXPECT_FALSE(other.is_taken("0001")) << "released";
  EXPECT_EQ(other.take("0001", true)->attempt(), 1);
}

TEST(Claim, OfADeadProcessIsTakenOver) {
  const TempFolder folder;
  const auto child = ::fork();
  if (child == 0) {
    ClaimBoard board(folder.path());
    const auto claim = board.take("0001", true);
    std::_Exit(0);  // dies with the claim
  }
  ::waitpid(child, nullptr, 0);
  ClaimBoard board(folder.path());
  EXPECT_FALSE(board.is_taken("0001"));
  const auto claim = board.take("0001", true);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->attempt(), 2) << "one died over it";
  board.clear("0001");
  EXPECT_FALSE(std::filesystem::exists(folder.file("0001.1")));
}

TEST(Claim, OfAnotherMachineIsAliveUntilItsHeartStopsForLong) {
  const TempFolder folder;
  std::ofstream(folder.file("0001.1")) << "elsewhere\n1 1\n";
  ClaimBoard board(folder.path());
  EXPECT_TRUE(board.is_taken("0001"));
  EXPECT_FALSE(board.take("0001", true));
}

TEST(Claim, OfAProcessNumberThatIsUsedAgainIsDead) {
  const TempFolder folder;
  std::ofstream(folder.file("0001.1")) << machine_id() << "\n1 1\n";  // process 1 is alive, and started at another time
  EXPECT_FALSE(ClaimBoard(folder.path()).is_taken("0001"));
}

TEST(Claim, ManyThatTryAtOnceGiveOneOwnerEach) {
  const TempFolder folder;
  constexpr int kThreads = 4;
  std::array<std::atomic<int>, 20> owners{};
  std::latch all_tried(kThreads);  // until then nobody releases: what is free again may be taken again
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      ClaimBoard board(folder.path());
      std::vector<std::unique_ptr<Claim>> held;
      for (std::size_t i = 0; i < owners.size(); ++i) {
        if (auto claim = board.take(std::to_string(i), true)) {
          ++owners[i];
          held.push_back(std::move(claim));
        }
      }
      all_tried.arrive_and_wait();
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& n : owners) EXPECT_EQ(n, 1);
}

}  // namespace
}  // namespace dsc
