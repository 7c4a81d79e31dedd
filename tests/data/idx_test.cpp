#include <gtest/gtest.h>

#include "data/files.h"

namespace dsc {
namespace {

using namespace test;

const std::vector<std::uint8_t> kLabels{3, 1, 4, 1, 5};

void expect_examples(const Dataset& dataset, const std::vector<std::int64_t>& records, std::int64_t size) {
  const Batch batch = dataset.batch(all_of(dataset), std::nullopt);
  ASSERT_EQ(batch.inputs[0].numel(), static_cast<std::int64_t>(records.size()) * size);
  const float* values = batch.inputs[0].const_data_ptr<float>();
  for (std::size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(batch.target[static_cast<std::int64_t>(i)].item<std::int64_t>(), kLabels[static_cast<std::size_t>(records[i])]);
    for (std::int64_t p = 0; p < size; ++p) ASSERT_EQ(*values++, static_cast<float>(pixel(records[i], p)) / 255.0f);
  }
}

TEST(Idx, ReadsPlainAndGzippedFiles) {
  const Folder folder;
  write_bytes(folder / "train-images-idx3-ubyte", idx_images(5, 4, 6));
  write_gzip(folder / "train-labels-idx1-ubyte.gz", idx_labels(kLabels));
  write_gzip(folder / "t10k-images.idx3-ubyte.gz", idx_images(5, 2, 2));
  write_bytes(folder / "t10k-labels.idx1-ubyte", idx_labels(kLabels));
  const auto train = open_dataset(split_of(DataFormat::mnist, folder.string(), "train[1::2]"), std::nullopt);
  EXPECT_EQ(train->info().inputs.at(0).sizes, (std::vector<Dim>{Dim{1}, Dim{4}, Dim{6}}));
  EXPECT_EQ(train->info().classes, 6);
  expect_examples(*train, {1, 3}, 24);
  expect_examples(*open_dataset(split_of(DataFormat::mnist, folder.string(), "test"), std::nullopt), {0, 1, 2, 3, 4}, 4);
}

TEST(Idx, ClassesAreCalledAsTheRecipeSays) {
  const Folder folder;
  write_bytes(folder / "train-images-idx3-ubyte", idx_images(5, 4, 6));
  write_bytes(folder / "train-labels-idx1-ubyte", idx_labels(kLabels));
  auto split = split_of(DataFormat::mnist, folder.string(), "train");
  split.text.classes = {"zero", "one", "two", "three", "four", "five"};
  EXPECT_EQ(open_dataset(split, std::nullopt)->info().class_names, split.text.classes);
  split.text.classes.pop_back();
  EXPECT_NE(error_of([&] { open_dataset(split, std::nullopt); }).find("`classes` has 5 names, the data has 6 classes"), std::string::npos);
}

class DamagedIdx : public testing::Test {
 protected:
  std::string error(const Bytes& images, const Bytes& labels, bool gzipped = false) {
    const Folder folder;
    write_bytes(folder / "train-labels-idx1-ubyte", labels);
    gzipped ? write_gzip(folder / "train-images-idx3-ubyte.gz", images) : write_bytes(folder / "train-images-idx3-ubyte", images);
    return error_of([&] { open_dataset(split_of(DataFormat::mnist, folder.string(), "train"), std::nullopt); });
  }
  void expect(const std::string& text, const std::string& part) { EXPECT_NE(text.find(part), std::string::npos) << text; }
};

TEST_F(DamagedIdx, IsNamed) {
  const Bytes images = idx_images(5, 4, 4), labels = idx_labels(kLabels);
  Bytes cut = images, longer = images, magic = images, huge = images;
  cut.pop_back();
  longer.push_back(0);
  magic[3] = 1;
  huge[4] = 0x7f;
  expect(error(cut, labels), "promises 80 bytes");
  expect(error(longer, labels), "promises 80 bytes");
  expect(error(cut, labels, true), "ends early");
  expect(error(longer, labels, true), "longer than its header says");
  expect(error(magic, labels), "starts with 2049, IDX images start with 2051");
  expect(error(huge, labels), "promises");
  expect(error(huge, labels, true), "promises");
  expect(error(idx_images(4, 4, 4), labels), "4 images, its label file has 5 labels");
  expect(error(images, Bytes{0, 0}), "ends early");
}

TEST_F(DamagedIdx, TruncatedGzipIsNamedWithItsOffset) {
  const Folder folder;
  write_bytes(folder / "train-labels-idx1-ubyte", idx_labels(kLabels));
  write_gzip(folder / "train-images-idx3-ubyte.gz", idx_images(5, 28, 28));
  Bytes bytes = read_bytes(folder / "train-images-idx3-ubyte.gz");
  const auto open = [&] { open_dataset(split_of(DataFormat::mnist, folder.string(), "train"), std::nullopt); };
  for (const std::size_t size : {bytes.size() / 2, bytes.size() - 4, std::size_t{12}}) {
    write_bytes(folder / "train-images-idx3-ubyte.gz", Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)));
    const std::string text = error_of(open);
    EXPECT_NE(text.find("train-images-idx3-ubyte.gz"), std::string::npos) << text;
    EXPECT_NE(text.find("offset"), std::string::npos) << text;
  }
  bytes[bytes.size() / 2] ^= 0x40;
  write_bytes(folder / "train-images-idx3-ubyte.gz", bytes);
  error_of(open);
}

TEST(Idx, MissingFilesSayHowToGetThem) {
  const Folder folder;
  const std::string text = error_of([&] { open_dataset(split_of(DataFormat::mnist, folder.string(), "train"), std::nullopt); });
  EXPECT_NE(text.find("train-images-idx3-ubyte"), std::string::npos) << text;
  EXPECT_NE(text.find("dataset-fashion-mnist"), std::string::npos) << text;
}

TEST(Idx, FashionMnistOfDebian) {
  const std::string folder = "/usr/share/datasets/fashion-mnist";
  if (!fs::exists(folder)) GTEST_SKIP() << "Debian's dataset-fashion-mnist is not installed";
  const auto dataset = open_dataset(split_of(DataFormat::mnist, folder, "test"), std::nullopt);
  ASSERT_EQ(dataset->size(), 10000);
  std::vector<std::int64_t> counts(10, 0);
  for (const std::int64_t label : labels_of(dataset->batch(all_of(*dataset), std::nullopt))) ++counts[static_cast<std::size_t>(label)];
  EXPECT_EQ(counts, std::vector<std::int64_t>(10, 1000));
}

}  // namespace
}  // namespace dsc
