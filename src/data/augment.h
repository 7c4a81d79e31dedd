// Crops and flips as one index transformation, so that a picture is read once.
#pragma once

#include <cstdint>
#include <vector>

#include "core/random.h"
#include "data/images.h"

namespace dsc {

// Output position x reads source position direction * x + offset, or black outside [first, last].
struct AxisMap {
  std::int64_t direction = 1, offset = 0;
  std::int64_t first = 0, last = 0;

  explicit AxisMap(std::int64_t size) : last(size - 1), size_(size) {}
  void shift(std::int64_t by);  // what was at x + by is now at x
  void mirror();

 private:
  std::int64_t size_;
};

struct PixelMap {
  AxisMap y, x;
  explicit PixelMap(const ImageShape& shape) : y(shape.height), x(shape.width) {}
};

// Draws one example's augmentations, in their order.
PixelMap draw_augmentation(const std::vector<Augmentation>& augmentations, const ImageShape& shape, Random random);

// As `normalize` says; mean 0 and std 1 without it. errors: data, when it does not fit the channels.
PixelScale pixel_scale(const ImageShape& shape, const std::optional<NormalizeConfig>& normalize);
// Per channel, the float that each byte becomes: (value / 255 - mean) / std in single precision, as torchvision does.
std::vector<float> normalisation_table(const ImageShape& shape, const std::optional<NormalizeConfig>& normalize);

// Writes one picture, transformed and normalised, to `out` in planes [C, H, W].
void render(const std::uint8_t* pixels, const ImageShape& shape, const PixelMap& map, const std::vector<float>& table,
            float* out);

// Moves the classes of a picture's pixels [H, W] as `render` moves the pixels; what comes from outside has no label.
void move_classes(const std::int64_t* classes, const ImageShape& shape, const PixelMap& map, std::int64_t* out);

}  // namespace dsc
