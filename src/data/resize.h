// Resize of interleaved bytes.
#pragma once

#include <cstdint>
#include <vector>

namespace dsc {

struct Raster {
  std::int64_t width = 0, height = 0, channels = 0;
  std::vector<std::uint8_t> bytes;  // [height][width][channels]
};

// A part of a picture, in pixels.
struct Window {
  std::int64_t top = 0, left = 0, height = 0, width = 0;
};

// The part `window` of the picture brought to new_width x new_height; the rest is not computed. Rows, then columns, with a triangle
// kernel as wide as the reduction, so that shrinking does not alias.
// source: Pillow's Resample.c, BILINEAR, which torchvision uses for images; the same integer arithmetic, so the same bytes.
Raster resize_bilinear(const std::uint8_t* pixels, std::int64_t width, std::int64_t height, std::int64_t channels, std::int64_t new_width,
                       std::int64_t new_height, const Window& window);
// The whole of it.
Raster resize_bilinear(const std::uint8_t* pixels, std::int64_t width, std::int64_t height, std::int64_t channels,
                       std::int64_t new_width, std::int64_t new_height);

// Of one channel, each pixel that of the nearest one, as Pillow's NEAREST.
Raster resize_nearest(const Raster& raster, std::int64_t new_width, std::int64_t new_height);

}  // namespace dsc
