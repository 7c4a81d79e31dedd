// Resize of interleaved bytes.
#pragma once

#include <cstdint>
#include <vector>

namespace dsc {

struct Raster {
  std::int64_t width = 0, height = 0, channels = 0;
  std::vector<std::uint8_t> bytes;  // [height][width][channels]
};

// Rows and columns in turn, with a triangle kernel as wide as the reduction, so that shrinking does not alias.
// source: Pillow's Resample.c, BILINEAR, which torchvision uses for images; equal to it but for rounding.
Raster resize_bilinear(const std::uint8_t* pixels, std::int64_t width, std::int64_t height, std::int64_t channels,
                       std::int64_t new_width, std::int64_t new_height);

// Of one channel, each pixel that of the nearest one, as Pillow's NEAREST.
Raster resize_nearest(const Raster& raster, std::int64_t new_width, std::int64_t new_height);

}  // namespace dsc
