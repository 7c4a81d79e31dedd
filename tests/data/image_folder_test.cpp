#include <array>
#include <map>

#include <gtest/gtest.h>

#include "data/files.h"
#include "data/image_file.h"
#include "data/tensors.h"

namespace dsc {
namespace {

using namespace test;

const fs::path kFixtures = fs::path(DSC_SOURCE_DIR) / "tests/fixtures/images";

void write_plain(const fs::path& path, int width, int height, std::uint8_t value) {
  write_bmp(path, width, height, [value](int, int) { return std::array<std::uint8_t, 3>{value, value, value}; });
}

// 8 pictures in two classes; the red channel tells them apart.
void write_folder(const fs::path& root) {
  for (int i = 0; i < 8; ++i) {
    const auto name = std::string(i % 2 ? "zebra" : "ant") + "/" + std::to_string(i) + ".bmp";
    write_bmp(root / name, 5, 4, [i](int x, int y) {
      return std::array<std::uint8_t, 3>{static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(10 * x), static_cast<std::uint8_t>(20 * y)};
    });
  }
}

TEST(ImageFolder, ClassesAreSortedFoldersAndSlicesHoldAllOfThem) {
  const Folder folder;
  write_folder(folder / "train");
  const auto dataset = open_dataset(split_of(DataFormat::image_folder, folder.string(), "train"), std::nullopt);
  ASSERT_EQ(dataset->size(), 8);
  EXPECT_EQ(dataset->info().classes, 2);
  const Batch batch = dataset->batch(all_of(*dataset), std::nullopt);
  std::map<int, std::int64_t> labels;
  for (std::int64_t i = 0; i < 8; ++i) {
    const at::Tensor image = batch.inputs[0][i];
    labels[static_cast<int>(image[0][0][0].item<float>() * 255 + 0.5f)] = labels_of(batch)[static_cast<std::size_t>(i)];
    for (std::int64_t y = 0; y < 4; ++y) for (std::int64_t x = 0; x < 5; ++x) {
      EXPECT_EQ(image[1][y][x].item<float>(), static_cast<float>(10 * x) / 255.0f);
      EXPECT_EQ(image[2][y][x].item<float>(), static_cast<float>(20 * y) / 255.0f);
    }
  }
  EXPECT_EQ(labels, (std::map<int, std::int64_t>{{0, 0}, {1, 1}, {2, 0}, {3, 1}, {4, 0}, {5, 1}, {6, 0}, {7, 1}}));
  const auto half = open_dataset(split_of(DataFormat::image_folder, folder.string(), "train[:50%]"), std::nullopt);
  const auto half_labels = labels_of(half->batch(all_of(*half), std::nullopt));
  EXPECT_EQ(std::set<std::int64_t>(half_labels.begin(), half_labels.end()).size(), 2u);
}

TEST(ImageFolder, AllMeansThePathItselfAndCropsToTheCentre) {
  const Folder folder;
  write_plain(folder / "a/wide.bmp", 9, 4, 200);
  write_plain(folder / "b/tall.bmp", 6, 12, 100);
  SplitConfig config = split_of(DataFormat::image_folder, folder.string(), "all");
  config.image_size = 4;
  config.channels = 1;
  const auto dataset = open_dataset(config, std::nullopt);
  const Batch batch = dataset->batch(all_of(*dataset), std::nullopt);
  ASSERT_EQ(batch.inputs[0].sizes(), (std::vector<std::int64_t>{2, 1, 4, 4}));
  for (std::int64_t i = 0; i < 2; ++i) {
    const float value = (batch.target[i].item<std::int64_t>() == 0 ? 200.0f : 100.0f) / 255.0f;
    EXPECT_TRUE(batch.inputs[0][i].equal(at::full({1, 4, 4}, value)));
  }
}

TEST(ImageFolder, MistakesNameTheFolderOrFile) {
  const Folder folder;
  const auto open = [&](const std::string& split) { return open_dataset(split_of(DataFormat::image_folder, folder.string(), split), std::nullopt); };
  write_folder(folder / "train");
  EXPECT_NE(error_of([&] { open("test"); }).find("it has: train"), std::string::npos);
  fs::create_directories(folder / "train/moth");
  EXPECT_NE(error_of([&] { open("train"); }).find("moth holds no images"), std::string::npos);
  write_plain(folder / "train/moth/odd.bmp", 6, 4, 1);
  EXPECT_NE(error_of([&] { open("train"); }).find("set image_size"), std::string::npos);
  write_bytes(folder / "train/moth/odd.bmp", {1, 2, 3});
  EXPECT_NE(error_of([&] { open("train"); }).find("odd.bmp"), std::string::npos);
  fs::create_directories(folder / "empty");
  EXPECT_NE(error_of([&] { open("empty"); }).find("no class folders"), std::string::npos);
}

TEST(ImageFolder, APictureThatBreaksAfterItsHeaderIsNamedByTheBatch) {
  const Folder folder;
  write_folder(folder / "train");
  Bytes png = read_bytes(kFixtures / "colour.png");
  png.resize(png.size() / 2);
  SplitConfig config = split_of(DataFormat::image_folder, folder.string(), "train");
  config.image_size = 4;
  write_bytes(folder / "train/ant/cut.png", png);
  const auto dataset = open_dataset(config, std::nullopt);
  EXPECT_NE(error_of([&] { dataset->batch(all_of(*dataset), std::nullopt); }).find("ant/cut.png"), std::string::npos);
}

// The fixtures and what Pillow makes of them come from scripts/fixtures/images.py.
struct Recorded {
  const char* file;
  std::int64_t channels, resize, crop;
  const char* expected;
  double tolerance;  // of 255; decoders and rounding differ by so much
};

class ImageFile : public testing::TestWithParam<Recorded> {};

TEST_P(ImageFile, EqualsPillow) {
  const Recorded& recorded = GetParam();
  std::vector<std::uint8_t> planes;
  const ImageShape shape = read_image((kFixtures / recorded.file).string(), recorded.channels, recorded.resize, recorded.crop, planes);
  const at::Tensor expected = read_npy((kFixtures / recorded.expected).string());
  ASSERT_EQ(expected.sizes(), (std::vector<std::int64_t>{shape.channels, shape.height, shape.width}));
  const auto* wanted = expected.const_data_ptr<std::uint8_t>();
  double worst = 0;
  for (std::size_t i = 0; i < planes.size(); ++i) worst = std::max(worst, std::abs(double(planes[i]) - double(wanted[i])));
  EXPECT_LE(worst, recorded.tolerance);
}

INSTANTIATE_TEST_SUITE_P(Formats, ImageFile,
                         testing::Values(Recorded{"colour.png", 3, 0, 0, "colour_png.npy", 0},
                                         Recorded{"colour.jpg", 3, 0, 0, "colour_jpg.npy", 4},
                                         Recorded{"grey.png", 1, 0, 0, "grey_png.npy", 0},
                                         Recorded{"colour.png", 3, 16, 16, "colour_16.npy", 1},
                                         Recorded{"colour.png", 3, 64, 60, "colour_64_60.npy", 1}));

}  // namespace
}  // namespace dsc
