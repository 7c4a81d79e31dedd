// Pictures with masks.
#include <gtest/gtest.h>

#include "data/class_dimension.h"
#include "data/files.h"
#include "data/image_file.h"

namespace dsc {
namespace {

using namespace test;

constexpr int kWidth = 6, kHeight = 4;

int mask_class_at(int i, int x, int y) { return (i + x + 2 * y) % 4; }

// The red channel of picture i is 10 more than 20 times the class.
void write_masked_picture(const fs::path& root, int i) {
  write_bmp(root / ("images/" + std::to_string(i) + ".bmp"), kWidth, kHeight,
            [i](int x, int y) { return std::array<std::uint8_t, 3>{static_cast<std::uint8_t>(10 + 20 * mask_class_at(i, x, y)), 1, 2}; });
}

// Masks are grey of 8 and of 2 bits, and indexed of 8, 4 and 2 bits.
void write_segmentation(const fs::path& root) {
  constexpr int kForms[][2] = {{8, 0}, {2, 0}, {8, 3}, {4, 3}, {2, 3}};
  for (int i = 0; i < 5; ++i) {
    write_masked_picture(root, i);
    write_png(root / ("masks/" + std::to_string(i) + ".png"), kWidth, kHeight, kForms[i][0], kForms[i][1],
              [i](int x, int y) { return mask_class_at(i, x, y); });
  }
}

SplitConfig segmentation_of(const Folder& folder) { return split_of(DataFormat::segmentation, folder.string(), "train"); }

TEST(Segmentation, MasksOfAllKindsAreClasses) {
  const Folder folder;
  write_segmentation(folder / "train");
  const auto dataset = open_dataset(segmentation_of(folder), std::nullopt);
  ASSERT_EQ(dataset->size(), 5);
  EXPECT_TRUE(dataset->info().per_pixel);
  EXPECT_FALSE(dataset->info().classes.has_value());
  const Batch batch = dataset->batch(all_of(*dataset), std::nullopt);
  ASSERT_EQ(batch.inputs[0].sizes(), (std::vector<std::int64_t>{5, 3, kHeight, kWidth}));
  ASSERT_EQ(batch.target.sizes(), (std::vector<std::int64_t>{5, kHeight, kWidth}));
  for (int i = 0; i < 5; ++i) {
    for (int y = 0; y < kHeight; ++y) {
      for (int x = 0; x < kWidth; ++x) {
        EXPECT_EQ(batch.target[i][y][x].item<std::int64_t>(), mask_class_at(i, x, y)) << "mask " << i;
        EXPECT_EQ(batch.inputs[0][i][0][y][x].item<float>(), static_cast<float>(10 + 20 * mask_class_at(i, x, y)) / 255.0f);
      }
    }
  }
}

// Found by scripts/fuzz: stb copied the bytes of a part without any from a null pointer.
TEST(Segmentation, PartsOfMasksMayBeEmpty) {
  const Folder folder;
  const fs::path path = folder / "mask.png";
  fs::create_directories(folder / "");
  write_png(path, kWidth, kHeight, 8, 0, [](int x, int y) { return mask_class_at(0, x, y); });
  std::vector<std::uint8_t> whole, samples;
  read_mask(path.string(), 0, 0, whole);
  Bytes png = read_bytes(path);
  const auto at = std::string_view(reinterpret_cast<const char*>(png.data()), png.size()).find("IDAT") - 4;
  const Bytes empty{0, 0, 0, 0, 'I', 'D', 'A', 'T', 0x35, 0xaf, 0x06, 0x1e};
  png.insert(png.begin() + static_cast<std::ptrdiff_t>(at), empty.begin(), empty.end());
  write_bytes(path, png);
  read_mask(path.string(), 0, 0, samples);
  EXPECT_EQ(samples, whole);
}

TEST(Segmentation, IgnoredValuesHaveNoLabel) {
  const Folder folder;
  write_masked_picture(folder / "train", 0);
  write_png(folder / "train/masks/0.png", kWidth, kHeight, 8, 0, [](int x, int y) { return x == 0 ? 255 : x == 1 ? 3 : y % 2; });
  SplitConfig config = segmentation_of(folder);
  const auto usual = open_dataset(config, std::nullopt)->batch(std::vector<std::int64_t>{0}, std::nullopt).target;
  EXPECT_TRUE(usual.select(2, 0).eq(kNoLabel).all().item<bool>());
  EXPECT_TRUE(usual.select(2, 1).eq(3).all().item<bool>());
  config.ignore_index = 3;
  config.text.classes = {"back", "front"};
  const std::string beyond = error_of([&] { open_dataset(config, std::nullopt)->batch(std::vector<std::int64_t>{0}, std::nullopt); });
  EXPECT_NE(beyond.find("0.png has the value 255 at row 0, column 0, and there are 2 classes"), std::string::npos) << beyond;
}

TEST(Segmentation, MasksMoveWithTheirPictures) {
  const Folder folder;
  write_segmentation(folder / "train");
  SplitConfig config = segmentation_of(folder);
  config.augment = {RandomCrop{.padding = 2}, HorizontalFlip{}};
  const auto dataset = open_dataset(config, std::nullopt);
  std::int64_t without = 0, moved = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Batch batch = dataset->batch(all_of(*dataset), seed);
    const at::Tensor red = (batch.inputs[0].select(1, 0) * 255).round().to(at::kLong);
    const at::Tensor expected = at::where(red == 0, at::full_like(red, kNoLabel), at::div(red - 10, 20, "floor"));  // black comes from outside
    EXPECT_TRUE(batch.target.equal(expected)) << "seed " << seed;
    without += batch.target.eq(kNoLabel).sum().item<std::int64_t>();
    moved += batch.target.equal(dataset->batch(all_of(*dataset), std::nullopt).target) ? 0 : 1;
  }
  EXPECT_GT(without, 0);
  EXPECT_GT(moved, 15);
}

// Columns 2x to 2x + 1 of a mask twice as wide become column x: that of the nearest pixel, not a mean.
TEST(Segmentation, MasksAreResizedByTheNearestPixelAndCutAtTheCentre) {
  const Folder folder;
  write_bmp(folder / "train/images/a.bmp", 12, 8, [](int, int) { return std::array<std::uint8_t, 3>{1, 2, 3}; });
  write_png(folder / "train/masks/a.png", 12, 8, 8, 0, [](int x, int y) { return 10 * (x % 2 ? x : 0) + y; });
  SplitConfig config = segmentation_of(folder);
  config.resize = 4;
  config.image_size = 2;
  const auto target = open_dataset(config, std::nullopt)->batch(std::vector<std::int64_t>{0}, std::nullopt).target;
  ASSERT_EQ(target.sizes(), (std::vector<std::int64_t>{1, 2, 2}));
  for (int y = 0; y < 2; ++y) {
    for (int x = 0; x < 2; ++x)
      EXPECT_EQ(target[0][y][x].item<std::int64_t>(), 10 * (2 * (x + 2) + 1) + 2 * (y + 1) + 1);  // rows 1 to 2 of 4, columns 2 to 3 of 6
  }
}

std::string segmentation_error(
    const std::function<void(const Folder& folder)>& write, const std::function<void(SplitConfig& config)>& change = [](SplitConfig&) {}) {
  const Folder folder;
  write_segmentation(folder / "train");
  write(folder);
  SplitConfig config = segmentation_of(folder);
  change(config);
  return error_of([&] {
    const auto dataset = open_dataset(config, std::nullopt);
    dataset->batch(all_of(*dataset), 1);
  });
}

TEST(SegmentationErrors, NameTheFileAndTheRemedy) {
  const auto size =
      segmentation_error([](const Folder& folder) { write_png(folder / "train/masks/2.png", 5, kHeight, 8, 0, [](int, int) { return 0; }); });
  EXPECT_NE(size.find("masks/2.png has 5x4 pixels, its picture 6x4"), std::string::npos) << size;
  const auto missing = segmentation_error([](const Folder& folder) { fs::remove(folder / "train/masks/1.png"); });
  EXPECT_NE(missing.find("1 of 5 pictures have no mask in"), std::string::npos) << missing;
  EXPECT_NE(missing.find(": 1.bmp"), std::string::npos) << missing;
  const auto coloured =
      segmentation_error([](const Folder& folder) { write_png(folder / "train/masks/0.png", kWidth, kHeight, 8, 2, [](int, int) { return 0; }); });
  EXPECT_NE(coloured.find("0.png: a mask has one grey value or one place in a palette for each pixel, and this one has colours"), std::string::npos)
      << coloured;
  const auto deep =
      segmentation_error([](const Folder& folder) { write_png(folder / "train/masks/0.png", kWidth, kHeight, 16, 0, [](int, int) { return 0; }); });
  EXPECT_NE(deep.find("at most 8 bits"), std::string::npos) << deep;
  const auto twice = segmentation_error([](const Folder& folder) { fs::copy_file(folder / "train/images/0.bmp", folder / "train/images/0.jpg"); });
  EXPECT_NE(twice.find("two pictures have the mask"), std::string::npos) << twice;
  const auto folders = segmentation_error([](const Folder& folder) { fs::remove_all(folder / "train/masks"); });
  EXPECT_NE(folders.find("has no folder `masks`"), std::string::npos) << folders;
}

TEST(SegmentationErrors, WhatWouldLeaveMasksBehindIsRefused) {
  const auto nothing = [](const Folder&) {};
  EXPECT_NE(segmentation_error(nothing, [](SplitConfig& config) { config.augment = {Mixup{}}; }).find("masks"), std::string::npos);
  EXPECT_NE(segmentation_error(nothing, [](SplitConfig& config) { config.augment = {RandomCorruption{.kinds = {"rotation"}}}; }).find("rotation"),
            std::string::npos);
  EXPECT_NE(
      segmentation_error(
          nothing, [](SplitConfig& config) { config.corruption = AppliedCorruption{.name = "rotation", .severity = 1, .seed = 0, .synonyms = {}}; })
          .find("rotation"),
      std::string::npos);
}

}  // namespace
}  // namespace dsc
