#include <ATen/ops/full.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "data/dataset.h"
#include "data/files.h"

namespace dsc {
namespace {

// Examples hold their index and, when augmented, the seed; some take longer, one may be broken.
class Numbers : public Dataset {
 public:
  explicit Numbers(std::int64_t size, std::int64_t broken = -1) : size_(size), broken_(broken) {
    info_.inputs = {TensorType{.sizes = {Dim{2}, Dim{3}, Dim{4}}}};
  }
  std::int64_t size() const override { return size_; }
  const DatasetInfo& info() const override { return info_; }
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t> seed) const override {
    ++batches;
    if (indices[0] % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
    Batch batch;
    batch.indices.assign(indices.begin(), indices.end());
    batch.inputs = {at::empty({static_cast<std::int64_t>(indices.size()), 2, 3, 4})};
    float* out = batch.inputs[0].mutable_data_ptr<float>();
    for (const std::int64_t index : indices) {
      if (index == broken_) throw Error(ErrorCode::data, "example " + std::to_string(index) + " is broken", {}, "mend it");
      for (int i = 0; i < 24; ++i) *out++ = static_cast<float>(index * 100 + i) + (seed ? static_cast<float>(*seed % 7) : 0.0f);
    }
    return batch;
  }
  mutable std::atomic<int> batches = 0;

 private:
  std::int64_t size_, broken_;
  DatasetInfo info_;
};

std::vector<Batch> drain(const Dataset& dataset, const LoaderOptions& options) {
  BatchLoader loader(dataset, options);
  std::vector<Batch> batches;
  while (auto batch = loader.next()) batches.push_back(std::move(*batch));
  EXPECT_EQ(static_cast<std::int64_t>(batches.size()), loader.batch_count());
  return batches;
}

std::vector<std::int64_t> indices_of(const std::vector<Batch>& batches) {
  std::vector<std::int64_t> indices;
  for (const Batch& batch : batches) indices.insert(indices.end(), batch.indices.begin(), batch.indices.end());
  return indices;
}

// Examples for a model of a fixed batch.
class FixedNumbers : public Numbers {
 public:
  FixedNumbers(std::int64_t size, std::int64_t batch) : Numbers(size) {
    fixed_ = Numbers::info();
    fixed_.fixed_batch = batch;
  }
  const DatasetInfo& info() const override { return fixed_; }

 private:
  DatasetInfo fixed_;
};

TEST(BatchLoader, FixedBatchesAreWholeAndTheLastIsFilledUpWhenAsked) {
  const FixedNumbers data(7, 3);
  const auto trained = drain(data, {.batch = 64});
  ASSERT_EQ(trained.size(), 2U);
  for (const Batch& batch : trained) EXPECT_EQ(batch.inputs[0].size(0), 3);
  const auto evaluated = drain(data, {.batch = 64, .fill_last = true});
  ASSERT_EQ(evaluated.size(), 3U);
  EXPECT_EQ(indices_of(evaluated), (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(evaluated[2].inputs[0].size(0), 3);
  EXPECT_EQ(evaluated[2].filler, 2);
  EXPECT_TRUE(evaluated[2].inputs[0][1].equal(evaluated[2].inputs[0][0]));
  EXPECT_EQ(drain(data, {.batch = 64, .limit = 2})[0].inputs[0].size(0), 3);  // a limit below one batch
  const std::string text = test::error_of([] { BatchLoader(FixedNumbers(2, 3), {.batch = 1}); });
  EXPECT_NE(text.find("exported for 3 examples at a time"), std::string::npos) << text;
}

TEST(BatchLoader, BatchesDoNotDependOnTheNumberOfWorkers) {
  const Numbers dataset(103);
  const LoaderOptions options{.batch = 10, .shuffle = true, .seed = 9, .augment = true, .workers = 0};
  const std::vector<Batch> expected = drain(dataset, options);
  ASSERT_EQ(expected.size(), 11u);
  EXPECT_EQ(expected.back().indices.size(), 3u);
  for (const int workers : {1, 2, 3, 40}) {
    LoaderOptions other = options;
    other.workers = workers;
    const std::vector<Batch> found = drain(dataset, other);
    ASSERT_EQ(indices_of(found), indices_of(expected)) << workers;
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(found[i].inputs[0].equal(expected[i].inputs[0])) << workers;
  }
}

TEST(BatchLoader, ShuffleIsAPermutationThatTheSeedChooses) {
  const Numbers dataset(100);
  const auto order = [&](std::uint64_t seed) { return indices_of(drain(dataset, {.batch = 7, .shuffle = true, .seed = seed})); };
  const std::vector<std::int64_t> first = order(1);
  EXPECT_EQ(std::set<std::int64_t>(first.begin(), first.end()).size(), 100u);
  EXPECT_EQ(first, order(1));
  EXPECT_NE(first, order(2));
  EXPECT_FALSE(std::is_sorted(first.begin(), first.end()));
}

TEST(BatchLoader, LimitTakesExamplesAtEvenDistances) {
  const Numbers dataset(100);
  EXPECT_EQ(indices_of(drain(dataset, {.batch = 3, .limit = 5})), (std::vector<std::int64_t>{0, 20, 40, 60, 80}));
  EXPECT_EQ(indices_of(drain(dataset, {.batch = 64, .limit = 500})).size(), 100u);
  auto shuffled = indices_of(drain(dataset, {.batch = 3, .shuffle = true, .limit = 5}));
  std::sort(shuffled.begin(), shuffled.end());
  EXPECT_EQ(shuffled, (std::vector<std::int64_t>{0, 20, 40, 60, 80}));
}

TEST(BatchLoader, DropLastLeavesOutTheShortBatch) {
  const Numbers dataset(25);
  EXPECT_EQ(drain(dataset, {.batch = 10, .drop_last = true}).size(), 2u);
  EXPECT_EQ(drain(dataset, {.batch = 30, .drop_last = true}).size(), 0u);
}

TEST(BatchLoader, ChannelsLastChangesMemoryOnly) {
  const Numbers dataset(6);
  const Batch plain = drain(dataset, {.batch = 6}).at(0), other = drain(dataset, {.batch = 6, .channels_last = true}).at(0);
  EXPECT_TRUE(other.inputs[0].equal(plain.inputs[0]));
  EXPECT_TRUE(other.inputs[0].is_contiguous(c10::MemoryFormat::ChannelsLast));
  EXPECT_FALSE(other.inputs[0].is_contiguous());
}

TEST(BatchLoader, AnErrorArrivesWithItsBatch) {
  const Numbers dataset(100, 55);
  for (const int workers : {0, 1, 3}) {
    BatchLoader loader(dataset, {.batch = 10, .workers = workers});
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(loader.next()) << workers;
    EXPECT_NE(test::error_of([&] { loader.next(); }).find("example 55 is broken"), std::string::npos);
    EXPECT_TRUE(loader.next());
  }
}

TEST(BatchLoader, WorkersStayFewBatchesAheadAndStopWhenAbandoned) {
  const Numbers dataset(100000);
  {
    BatchLoader loader(dataset, {.batch = 1, .workers = 2});
    for (int i = 0; i < 10; ++i) loader.next();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_LE(dataset.batches.load(), 10 + 5);
  }
  EXPECT_LE(dataset.batches.load(), 10 + 5);
}

}  // namespace
}  // namespace dsc
