#include "data/augment.h"

#include <gtest/gtest.h>

#include "data/files.h"

namespace dsc {
namespace {

// A picture as a table, with the operations spelled out; -1 is not used, black is 0.
struct Plain {
  std::int64_t height, width;
  std::vector<int> values;
  int at(std::int64_t y, std::int64_t x) const {
    return y < 0 || y >= height || x < 0 || x >= width ? 0 : values[static_cast<std::size_t>(y * width + x)];
  }
  Plain moved(std::int64_t dy, std::int64_t dx) const {
    Plain out{height, width, {}};
    for (std::int64_t y = 0; y < height; ++y) for (std::int64_t x = 0; x < width; ++x) out.values.push_back(at(y + dy, x + dx));
    return out;
  }
  Plain mirrored() const {
    Plain out{height, width, {}};
    for (std::int64_t y = 0; y < height; ++y) for (std::int64_t x = 0; x < width; ++x) out.values.push_back(at(y, width - 1 - x));
    return out;
  }
};

TEST(Augment, AnySequenceOfShiftsAndFlipsEqualsDoingThemOneByOne) {
  const ImageShape shape{1, 5, 7};
  Plain start{5, 7, {}};
  std::vector<std::uint8_t> pixels;
  for (int i = 0; i < 35; ++i) {
    pixels.push_back(static_cast<std::uint8_t>(i + 1));
    start.values.push_back(i + 1);
  }
  const std::vector<float> table = normalisation_table(shape, std::nullopt);
  Random random(3);
  for (int trial = 0; trial < 500; ++trial) {
    PixelMap map(shape);
    Plain plain = start;
    for (std::int64_t step = random.below(4); step > 0; --step) {
      if (random.uniform() < 0.5) {
        const std::int64_t dy = random.below(13) - 6, dx = random.below(17) - 8;
        map.y.shift(dy);
        map.x.shift(dx);
        plain = plain.moved(dy, dx);
      } else {
        map.x.mirror();
        plain = plain.mirrored();
      }
    }
    std::vector<float> out(35, -1.0f);
    render(pixels.data(), shape, map, table, out.data());
    for (std::size_t i = 0; i < 35; ++i) ASSERT_FLOAT_EQ(out[i] * 255, static_cast<float>(plain.values[i])) << "trial " << trial;
  }
}

TEST(Augment, DrawsUseTheWholeRange) {
  const ImageShape shape{1, 8, 8};
  std::set<std::int64_t> offsets;
  int mirrored = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const PixelMap map = draw_augmentation({RandomCrop{.padding = 2}, HorizontalFlip{.probability = 0.25}}, shape, Random(seed));
    offsets.insert(map.y.offset);
    mirrored += map.x.direction < 0;
  }
  EXPECT_EQ(offsets, (std::set<std::int64_t>{-2, -1, 0, 1, 2}));
  EXPECT_NEAR(mirrored, 100, 35);
}

TEST(Augment, NormalisationIsSinglePrecisionAsInTorchvision) {
  const NormalizeConfig normalize{.mean = {0.485, 0.456, 0.406}, .std = {0.229, 0.224, 0.225}};
  const std::vector<float> table = normalisation_table({3, 1, 1}, normalize);
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t v = 0; v < 256; ++v) {
      const float expected = (static_cast<float>(v) / 255.0f - static_cast<float>(normalize.mean[c])) / static_cast<float>(normalize.std[c]);
      EXPECT_EQ(table[c * 256 + v], expected);
    }
  }
}

TEST(Augment, NormaliseMustFitTheChannels) {
  const NormalizeConfig three{.mean = {0.5, 0.5, 0.5}, .std = {1, 1, 1}};
  EXPECT_NE(test::error_of([&] { normalisation_table({1, 2, 2}, three); }).find("3 means, the images have 1 channel"), std::string::npos);
  const NormalizeConfig uneven{.mean = {0.5, 0.5, 0.5}, .std = {1}};
  EXPECT_NE(test::error_of([&] { normalisation_table({3, 2, 2}, uneven); }).find("1 standard deviations"), std::string::npos);
}

}  // namespace
}  // namespace dsc
