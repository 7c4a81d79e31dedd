#include "data/thumbnail.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>

#include "data/files.h"
#include "data/image_file.h"

namespace dsc {
namespace {

// Planes, as the reader of picture files has them.
std::vector<std::uint8_t> read_back(const std::string& png, std::int64_t channels, ImageShape expected) {
  const auto path = testing::TempDir() + "thumbnail.png";
  std::ofstream(path, std::ios::binary) << png;
  std::vector<std::uint8_t> planes;
  const auto shape = read_image(path, channels, 0, 0, planes);
  EXPECT_EQ(shape.height, expected.height);
  EXPECT_EQ(shape.width, expected.width);
  return planes;
}

TEST(Thumbnail, UndoesTheNormalisation) {
  const auto pixels = at::arange(3 * 4 * 5, at::kByte).view({3, 4, 5}) * 4;
  const NormalizeConfig normalize{.mean = {0.5, 0.4, 0.3}, .std = {0.25, 0.5, 0.2}};
  const auto per_channel = [](const std::vector<double>& values) { return at::tensor(values).view({3, 1, 1}); };
  const auto input = ((pixels.to(at::kDouble) / 255 - per_channel(normalize.mean)) / per_channel(normalize.std)).to(at::kFloat);
  const auto png = thumbnail_png(input, normalize, 64);
  ASSERT_TRUE(png);
  const auto flat = pixels.flatten().contiguous();
  EXPECT_EQ(read_back(*png, 3, {3, 4, 5}), std::vector<std::uint8_t>(flat.const_data_ptr<std::uint8_t>(), flat.const_data_ptr<std::uint8_t>() + flat.numel()));
}

TEST(Thumbnail, StretchesWhatCannotBePixels) {
  const auto png = thumbnail_png(at::linspace(-3, 5, 16).view({1, 4, 4}), std::nullopt, 64);
  ASSERT_TRUE(png);
  const auto planes = read_back(*png, 1, {1, 4, 4});
  EXPECT_EQ(planes.front(), 0);
  EXPECT_EQ(planes.back(), 255);
}

TEST(Thumbnail, IsSmallAndOfPicturesOnly) {
  const auto png = thumbnail_png(at::full({3, 100, 200}, 0.5), std::nullopt, 64);
  ASSERT_TRUE(png);
  for (const auto pixel : read_back(*png, 3, {3, 32, 64})) EXPECT_EQ(pixel, 128);
  EXPECT_FALSE(thumbnail_png(at::zeros({2, 8, 8}), std::nullopt, 64)) << "two channels are no picture";
  EXPECT_FALSE(thumbnail_png(at::zeros({128}), std::nullopt, 64));
}

}  // namespace
}  // namespace dsc
