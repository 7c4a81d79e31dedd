// What runs together, and what is filled up for it.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <thread>

#include "dscompress/error.h"
#include "serve/batch_queue.h"
#include "serve/padding.h"

namespace dsc {
namespace {

constexpr double kForever = 1e6;

WaitingRequest request(const std::string& group, std::int64_t rows = 1) {
  return {.group = group, .rows = rows, .model = {}, .inputs = {}, .done = {}};
}

std::vector<std::int64_t> rows_of(const std::vector<WaitingRequest>& batch) {
  std::vector<std::int64_t> rows;
  for (const auto& one : batch) rows.push_back(one.rows);
  return rows;
}

bool push(BatchQueue& queue, const std::string& group, std::int64_t rows = 1) {
  auto one = request(group, rows);
  return queue.push(one);
}

using Rows = std::vector<std::int64_t>;

TEST(BatchQueue, AFullGroupGoesAtOnceAndInOrder) {
  BatchQueue queue({.max_rows = 4, .max_wait_ms = kForever, .capacity = 100});
  push(queue, "a", 1);
  for (const std::int64_t rows : {1, 2, 3}) push(queue, "b", rows);
  EXPECT_EQ(rows_of(queue.next()), (Rows{1, 2})) << "group b has enough, and its third request does not fit";
  EXPECT_EQ(queue.waiting(), 4);
  push(queue, "b", 1);
  EXPECT_EQ(rows_of(queue.next()), (Rows{3, 1}));
}

TEST(BatchQueue, TheOldestGoesWhenItHasWaited) {
  BatchQueue queue({.max_rows = 100, .max_wait_ms = 0, .capacity = 100});
  push(queue, "a");
  push(queue, "b");
  push(queue, "a");
  EXPECT_EQ(queue.next().size(), 2U) << "both of a";
  EXPECT_EQ(queue.next().size(), 1U);
}

TEST(BatchQueue, ARequestLargerThanABatchRunsAlone) {
  BatchQueue queue({.max_rows = 4, .max_wait_ms = 0, .capacity = 100});
  push(queue, "a", 9);
  push(queue, "a", 1);
  EXPECT_EQ(rows_of(queue.next()), Rows{9});
  EXPECT_EQ(rows_of(queue.next()), Rows{1});
}

TEST(BatchQueue, RefusesWhatIsBeyondItsCapacityAndLeavesItToTheCaller) {
  BatchQueue queue({.max_rows = 4, .max_wait_ms = kForever, .capacity = 3});
  EXPECT_TRUE(push(queue, "a", 2));
  auto second = request("a", 2);
  EXPECT_FALSE(queue.push(second));
  EXPECT_EQ(second.group, "a");
  EXPECT_TRUE(push(queue, "b", 1));
}

TEST(BatchQueue, InAHurryNothingWaitsForOthersAndAllIsStillAccepted) {
  BatchQueue queue({.max_rows = 4, .max_wait_ms = kForever, .capacity = 100});
  push(queue, "a");
  queue.hurry();
  EXPECT_EQ(queue.next().size(), 1U);
  EXPECT_TRUE(push(queue, "a"));
  EXPECT_EQ(queue.next().size(), 1U);
}

TEST(BatchQueue, GivesOutWhatWaitsWhenItIsClosed) {
  BatchQueue queue({.max_rows = 4, .max_wait_ms = kForever, .capacity = 100});
  push(queue, "a");
  std::vector<std::size_t> sizes;
  std::thread worker([&] {
    for (auto batch = queue.next(); !batch.empty(); batch = queue.next()) sizes.push_back(batch.size());
  });
  queue.close();
  worker.join();
  EXPECT_EQ(sizes, std::vector<std::size_t>{1});
  EXPECT_FALSE(push(queue, "a"));
}

const std::vector<TensorMetadata> kEncoder = {{"input_ids", ScalarType::i64, {-1, -1}}, {"attention_mask", ScalarType::i64, {-1, -1}}};
const std::vector<TensorMetadata> kOutputs = {{"scores", ScalarType::f32, {-1, 3}}, {"hidden", ScalarType::f32, {-1, -1, 4}}};

TEST(Lengths, AreFilledUpToTheNextBucketAndCutBack) {
  const Lengths lengths(kEncoder, kOutputs, {8, 4});
  ASSERT_TRUE(lengths.can_pad());
  EXPECT_EQ(lengths.longest(), 8);
  EXPECT_EQ(lengths.bucket_of(1), 4);
  EXPECT_EQ(lengths.bucket_of(4), 4);
  EXPECT_EQ(lengths.bucket_of(5), 8);
  EXPECT_EQ(lengths.bucket_of(9), 9) << "longer than all buckets: as it is";
  const std::vector<at::Tensor> inputs{at::ones({2, 3}, at::kLong), at::ones({2, 3}, at::kLong)};
  EXPECT_EQ(lengths.length_of(inputs), 3);
  const auto padded = lengths.pad(inputs, 4);
  EXPECT_TRUE(padded[1].equal(at::tensor({std::int64_t{1}, std::int64_t{1}, std::int64_t{1}, std::int64_t{0}}).repeat({2, 1})));
  const auto cut = lengths.cut({at::ones({2, 3}), at::ones({2, 4, 4})}, 4, 3);
  EXPECT_EQ(cut[0].sizes(), (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(cut[1].sizes(), (std::vector<std::int64_t>{2, 3, 4}));
  EXPECT_THROW(lengths.length_of({at::ones({2, 3}), at::ones({2, 4})}), Error);
}

TEST(Lengths, OfAModelWithoutAMaskStayAsTheyAre) {
  const Lengths lengths({{"x", ScalarType::f32, {-1, -1, -1, -1}}}, kOutputs, {8});
  EXPECT_FALSE(lengths.can_pad());
  EXPECT_EQ(lengths.bucket_of(3), 3);
  EXPECT_FALSE(Lengths({{"input_ids", ScalarType::i64, {-1, 16}}, {"attention_mask", ScalarType::i64, {-1, 16}}}, kOutputs, {8}).can_pad());
}

}  // namespace
}  // namespace dsc
