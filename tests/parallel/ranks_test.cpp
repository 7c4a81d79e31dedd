#include "parallel/ranks.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "parallel/batch_rows.h"
#include "parallel/group.h"
#include "support/error_of.h"
#include "support/rank_threads.h"

namespace dsc {
namespace {

using test::error_of;

TEST(Ranks, PartsAreWholeAndInOrder) {
  test::expect_no_errors(test::run_ranks(3, [](Ranks& ranks) {
    const auto parts = ranks.all_of(at::tensor({part_of(ranks, 8).begin, part_of(ranks, 8).size}, at::kLong));
    EXPECT_TRUE(parts[0].equal(at::tensor({0, 2}, at::kLong)));
    EXPECT_TRUE(parts[1].equal(at::tensor({2, 3}, at::kLong)));
    EXPECT_TRUE(parts[2].equal(at::tensor({5, 3}, at::kLong)));
  }));
}

TEST(Ranks, SumTensorsOfAllKinds) {
  test::expect_no_errors(test::run_ranks(3, [](Ranks& ranks) {
    const double mine = static_cast<double>(ranks.rank() + 1);
    std::vector<at::Tensor> tensors{at::full({3, 2}, mine, at::kFloat), at::full({2}, mine, at::kDouble), at::full({1500, 1001}, mine, at::kFloat),
                                    at::full({2, 3, 4, 4}, mine, at::kFloat).contiguous(at::MemoryFormat::ChannelsLast), at::full({}, mine, at::kFloat)};
    ranks.sum(tensors);
    for (const auto& tensor : tensors) EXPECT_TRUE(tensor.eq(6).all().item<bool>()) << tensor.sizes();
    const at::Tensor different = at::arange(300'001, at::kDouble) * mine;  // several messages, cut at odd places
    ranks.sum({different});
    EXPECT_TRUE(different.equal(at::arange(300'001, at::kDouble) * 6));
    const at::Tensor largest = at::tensor({mine, -mine}, at::kDouble);
    ranks.take_largest(largest);
    EXPECT_TRUE(largest.equal(at::tensor({3.0, -1.0}, at::kDouble)));
  }));
}

// Thousands of messages, small and large in turn, of ranks that are now and then late: none is read before it is written, nor
// written over before it is read.
TEST(Ranks, MessagesKeepTheirOrder) {
  test::expect_no_errors(test::run_ranks(3, [](Ranks& ranks) {
    for (std::int64_t turn = 0; turn < 3000; ++turn) {
      if (turn % 500 == 100 * ranks.rank()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      const std::int64_t values = turn % 300 == 0 ? 20'000 : 1 + turn % 40;
      const auto all = ranks.all_of(at::full({values}, ranks.rank() * 10'000 + turn, at::kLong));
      for (std::int64_t rank = 0; rank < 3; ++rank) ASSERT_TRUE(all[static_cast<std::size_t>(rank)].eq(rank * 10'000 + turn).all().item<bool>()) << turn;
      const at::Tensor sum = at::full({values}, static_cast<double>(turn + ranks.rank()), at::kDouble);
      ranks.sum({sum});
      ASSERT_TRUE(sum.eq(static_cast<double>(3 * turn + 3)).all().item<bool>()) << turn;
    }
  }));
}

TEST(Ranks, GiveTensorsOfUnknownShape) {
  test::expect_no_errors(test::run_ranks(2, [](Ranks& ranks) {
    const at::Tensor sent = at::arange(6, at::kShort).reshape({1, 2, 3});
    const at::Tensor got = ranks.from(1, ranks.rank() == 1 ? sent : at::Tensor());
    EXPECT_TRUE(got.equal(sent));
    EXPECT_EQ(ranks.from(0, at::empty({0, 4})).sizes(), (std::vector<std::int64_t>{0, 4}));
    EXPECT_EQ(from_first(ranks, [&] { return std::string(ranks.is_first() ? "first" : "other"); }), "first");
    EXPECT_EQ(from_first(ranks, [] { return std::string(); }), "");
  }));
}

// The gradient of a function of the whole batch, against the same in one piece.
TEST(Ranks, GatheredRowsHaveTheGradientOfTheWhole) {
  const at::Tensor whole = at::arange(15, at::kDouble).reshape({5, 3}).set_requires_grad(true);
  const auto function = [](const at::Tensor& x) { return (x.square().sum(1) * x.sum()).mean(); };
  function(whole).backward();
  for (const std::int64_t rows : {1, 2}) {  // rows for each example
    test::expect_no_errors(test::run_ranks(2, [&](Ranks& ranks) {
      const BatchRows batch(ranks, 5);
      const at::Tensor own = batch.take({whole.detach()})[0].clone().set_requires_grad(true);
      const at::Tensor again = batch.gather(rows == 1 ? own : at::repeat_interleave(own, 2, 0));
      EXPECT_TRUE(again.equal(rows == 1 ? whole.detach() : at::repeat_interleave(whole.detach(), 2, 0)));
      function(rows == 1 ? again : again.reshape({5, 2, 3}).mean(1)).backward();
      EXPECT_TRUE(at::allclose(own.grad(), batch.take({whole.grad()})[0]));
    }));
  }
}

TEST(Ranks, WhatOneFailsWithAllFailWith) {
  const auto errors = test::run_ranks(3, [](Ranks& ranks) {
    if (ranks.rank() == 2) throw Error(ErrorCode::data, "the file is torn", {.file = "x.npy"}, "mend it");
    ranks.sum({at::ones({1})});
  });
  EXPECT_TRUE(test::contains(errors[2], "the file is torn"));
  for (const int rank : {0, 1}) {
    EXPECT_TRUE(test::contains(errors[static_cast<std::size_t>(rank)], "rank 2: the file is torn")) << errors[static_cast<std::size_t>(rank)];
    EXPECT_TRUE(test::contains(errors[static_cast<std::size_t>(rank)], "x.npy"));
    EXPECT_TRUE(test::contains(errors[static_cast<std::size_t>(rank)], "mend it"));
  }
}

TEST(Ranks, WhoDiffersIsNamed) {
  const auto errors = test::run_ranks(3, [](Ranks& ranks) { check_same(ranks, "the weights", ranks.rank() == 1 ? "b" : "a"); });
  for (const auto& error : errors) EXPECT_TRUE(test::contains(error, "the weights of rank 1 differ from those of rank 0")) << error;
}

class Environment {
 public:
  explicit Environment(const std::vector<std::pair<const char*, const char*>>& variables) : variables_(variables) {
    for (const auto& [name, value] : variables_) ::setenv(name, value, 1);
  }
  ~Environment() {
    for (const auto& [name, value] : variables_) ::unsetenv(name);
  }

 private:
  std::vector<std::pair<const char*, const char*>> variables_;
};

TEST(Membership, IsFoundAsTorchrunSaysIt) {
  EXPECT_FALSE(find_membership(1));
  EXPECT_FALSE(find_membership(2)) << "nobody started them yet";
  const Environment environment({{"RANK", "1"}, {"WORLD_SIZE", "3"}, {"LOCAL_WORLD_SIZE", "3"}, {"MASTER_ADDR", "here"}, {"MASTER_PORT", "4000"}});
  const auto member = find_membership(1);
  ASSERT_TRUE(member);
  EXPECT_EQ(member->rank, 1);
  EXPECT_EQ(member->size, 3);
  EXPECT_EQ(member->local_size, 3);
  EXPECT_EQ(member->address, "here");
  EXPECT_EQ(member->port, 4000);
  EXPECT_FALSE(member->serves);
  EXPECT_TRUE(test::contains(error_of([] { find_membership(2); }).what(), "one of 2 processes, and 3 were started"));
}

TEST(Membership, IsFoundAsSrunSaysIt) {
  const Environment environment({{"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_STEP_NUM_NODES", "2"}, {"SLURM_STEP_NODELIST", "gpu[007-009,12],cpu1"}, {"SLURM_JOB_ID", "50001"}});
  EXPECT_FALSE(find_membership(1)) << "a task may run a recipe by itself";
  const auto member = find_membership(4);
  ASSERT_TRUE(member);
  EXPECT_EQ(member->address, "gpu007");
  EXPECT_EQ(member->port, 30001);
  EXPECT_TRUE(member->serves);
  EXPECT_TRUE(test::contains(error_of([] { find_membership(3); }).what(), "one of 3 processes, and srun started 4"));
}

TEST(Membership, MistakesAreNamed) {
  {
    const Environment environment({{"RANK", "3"}, {"WORLD_SIZE", "3"}});
    EXPECT_TRUE(test::contains(error_of([] { find_membership(1); }).what(), "RANK is `3`; it must be a number from 0 to 2"));
  }
  const Environment environment({{"RANK", "0"}, {"WORLD_SIZE", "2"}});
  EXPECT_TRUE(test::contains(error_of([] { find_membership(1); }).what(), "MASTER_ADDR is not"));
}

}  // namespace
}  // namespace dsc
