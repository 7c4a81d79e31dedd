#include <gtest/gtest.h>

#include "data/files.h"
#include "support/data_folder.h"

namespace dsc {
namespace {

using namespace test;

TEST(Cifar, ReadsRecordsAcrossFiles) {
  const Folder folder;
  write_cifar(folder.string(), 4);
  const auto dataset = open_dataset(split_of(DataFormat::cifar10, folder.string(), "train[3:18:4]"), std::nullopt);
  ASSERT_EQ(dataset->size(), 4);
  EXPECT_EQ(dataset->info().description, "cifar10 train[3:18:4], 4 examples");
  EXPECT_EQ(dataset->info().classes, 10);
  const std::vector<std::int64_t> order{2, 0, 3, 1}, records{11, 3, 15, 7};
  const Batch batch = dataset->batch(order, std::nullopt);
  EXPECT_EQ(batch.indices, order);
  EXPECT_EQ(labels_of(batch), (std::vector<std::int64_t>{1, 3, 5, 7}));
  ASSERT_EQ(batch.inputs.at(0).sizes(), (std::vector<std::int64_t>{4, 3, 32, 32}));
  const float* values = batch.inputs[0].const_data_ptr<float>();
  for (const std::int64_t record : records) {
    for (std::int64_t p = 0; p < 3072; ++p) ASSERT_EQ(*values++, static_cast<float>(pixel(record, p)) / 255.0f);
  }
}

TEST(Cifar, FindsTheArchivesOwnFolder) {
  const Folder folder;
  write_cifar(folder / "cifar-10-batches-bin", 1);
  EXPECT_EQ(open_dataset(split_of(DataFormat::cifar10, folder.string(), "test"), std::nullopt)->size(), 1);
}

TEST(Cifar, HundredClassesHaveAFineLabel) {
  const Folder folder;
  Bytes bytes{3, 77};
  bytes.resize(2 + 3072, 255);
  write_bytes(folder / "train.bin", bytes);
  const auto dataset = open_dataset(split_of(DataFormat::cifar100, folder.string(), "train"), std::nullopt);
  const Batch batch = dataset->batch(all_of(*dataset), std::nullopt);
  EXPECT_EQ(labels_of(batch), std::vector<std::int64_t>{77});
  EXPECT_EQ(batch.inputs[0].const_data_ptr<float>()[3071], 1.0f);
  EXPECT_EQ(dataset->info().classes, 100);
}

TEST(Cifar, DamageIsNamedWithFileAndOffset) {
  const Folder folder;
  const auto open = [&](const std::string& split) { return open_dataset(split_of(DataFormat::cifar10, folder.string(), split), std::nullopt); };
  EXPECT_NE(error_of([&] { open("test"); }).find("no such file: " + (folder / "test_batch.bin").string()), std::string::npos);
  write_cifar(folder.string(), 3);
  EXPECT_NE(error_of([&] { open("validation"); }).find("no split `validation`"), std::string::npos);
  Bytes bytes = cifar_records(0, 3);
  bytes[3073 * 2] = 10;
  write_bytes(folder / "test_batch.bin", bytes);
  const std::string label = error_of([&] { open("test"); });
  EXPECT_NE(label.find("example 2 has label 10"), std::string::npos) << label;
  EXPECT_NE(label.find("offset 6146"), std::string::npos) << label;
  bytes.pop_back();
  write_bytes(folder / "test_batch.bin", bytes);
  EXPECT_NE(error_of([&] { open("test"); }).find("has 9218 bytes"), std::string::npos);
  EXPECT_NE(error_of([&] { open_dataset(split_of(DataFormat::cifar10, "/no/such/folder", "test"), std::nullopt); }).find("/no/such/folder"),
            std::string::npos);
}

TEST(Cifar, AugmentationDependsOnSeedAndIndexOnly) {
  const Folder folder;
  write_cifar(folder.string(), 4);
  SplitConfig config = split_of(DataFormat::cifar10, folder.string(), "train");
  config.augment = {RandomCrop{}, HorizontalFlip{}};
  const auto dataset = open_dataset(config, NormalizeConfig{.mean = {0.5, 0.4, 0.3}, .std = {0.2, 0.3, 0.4}});
  const std::vector<std::int64_t> all = all_of(*dataset), some{17, 3};
  const Batch together = dataset->batch(all, 5), apart = dataset->batch(some, 5);
  const Batch other = dataset->batch(all, 6), plain = dataset->batch(all, std::nullopt);
  EXPECT_TRUE(apart.inputs[0][0].equal(together.inputs[0][17]));
  EXPECT_TRUE(apart.inputs[0][1].equal(together.inputs[0][3]));
  EXPECT_FALSE(other.inputs[0].equal(together.inputs[0]));
  EXPECT_FALSE(plain.inputs[0].equal(together.inputs[0]));
}

// The real data, as scripts/prepare_data.py unpacks it.
TEST(Cifar, RealDataHasItsClassCounts) {
  fs::path folder = test::data_file("cifar10");
  if (!fs::exists(folder / "test_batch.bin")) folder = fs::path(DSC_SOURCE_DIR) / "data" / "cifar10";
  if (!fs::exists(folder / "test_batch.bin")) GTEST_SKIP() << test::data_missing((folder / "test_batch.bin").string());
  for (const auto& [split, each] : {std::pair{"train", 5000}, std::pair{"test", 1000}}) {
    const auto dataset = open_dataset(split_of(DataFormat::cifar10, folder.string(), split), std::nullopt);
    std::vector<std::int64_t> counts(10, 0);
    double sum = 0;
    for (std::int64_t begin = 0; begin < dataset->size(); begin += 1000) {
      std::vector<std::int64_t> indices(1000);
      for (std::int64_t i = 0; i < 1000; ++i) indices[static_cast<std::size_t>(i)] = begin + i;
      const Batch batch = dataset->batch(indices, std::nullopt);
      for (const std::int64_t label : labels_of(batch)) ++counts[static_cast<std::size_t>(label)];
      sum += batch.inputs[0].sum().item<double>();
    }
    EXPECT_EQ(counts, std::vector<std::int64_t>(10, each)) << split;
    EXPECT_NEAR(sum / static_cast<double>(dataset->size() * 3072), 0.473, 0.005) << split;  // published channel means .491 .482 .447
  }
}

}  // namespace
}  // namespace dsc
