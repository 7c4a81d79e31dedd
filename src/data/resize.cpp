#include "data/resize.h"

#include <algorithm>
#include <cmath>

namespace dsc {
namespace {

// What one output position takes from the input positions first, first + 1, ...
struct Taps {
  std::int64_t first = 0;
  std::vector<float> weights;
};

std::vector<Taps> make_taps(std::int64_t size, std::int64_t new_size) {
  const double scale = static_cast<double>(size) / static_cast<double>(new_size);
  const double support = std::max(scale, 1.0);
  std::vector<Taps> taps;
  for (std::int64_t i = 0; i < new_size; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    Taps tap;
    tap.first = std::max<std::int64_t>(0, static_cast<std::int64_t>(centre - support + 0.5));
    const std::int64_t end = std::min(size, static_cast<std::int64_t>(centre + support + 0.5));
    double sum = 0;
    for (std::int64_t x = tap.first; x < end; ++x) {
      const double weight = std::max(0.0, 1.0 - std::abs(static_cast<double>(x) + 0.5 - centre) / support);
      tap.weights.push_back(static_cast<float>(weight));
      sum += weight;
    }
    for (float& weight : tap.weights) weight = static_cast<float>(weight / sum);
    taps.push_back(std::move(tap));
  }
  return taps;
}

std::uint8_t rounded_byte(float value) { return static_cast<std::uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f)); }

// One row or column of one channel, whose elements lie a stride apart.
void resize_line(const std::uint8_t* from, std::uint8_t* to, const std::vector<Taps>& taps, std::int64_t from_stride,
                 std::int64_t to_stride) {
  for (const Taps& tap : taps) {
    float sum = 0;
    const std::uint8_t* pixel = from + tap.first * from_stride;
    for (const float weight : tap.weights) {
      sum += weight * static_cast<float>(*pixel);
      pixel += from_stride;
    }
    *to = rounded_byte(sum);
    to += to_stride;
  }
}

}  // namespace

Raster resize_bilinear(const std::uint8_t* pixels, std::int64_t width, std::int64_t height, std::int64_t channels,
                       std::int64_t new_width, std::int64_t new_height) {
  const std::vector<Taps> columns = make_taps(width, new_width), rows = make_taps(height, new_height);
  std::vector<std::uint8_t> narrow(static_cast<std::size_t>(new_width * height * channels));
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t c = 0; c < channels; ++c) {
      resize_line(pixels + y * width * channels + c, narrow.data() + y * new_width * channels + c, columns, channels, channels);
    }
  }
  Raster out{new_width, new_height, channels, {}};
  const std::int64_t row = new_width * channels;
  out.bytes.resize(static_cast<std::size_t>(row * new_height));
  for (std::int64_t i = 0; i < row; ++i) resize_line(narrow.data() + i, out.bytes.data() + i, rows, row, row);
  return out;
}

Raster resize_nearest(const Raster& raster, std::int64_t new_width, std::int64_t new_height) {
  const auto source = [](std::int64_t i, std::int64_t size, std::int64_t new_size) { return (2 * i + 1) * size / (2 * new_size); };
  Raster out{new_width, new_height, 1, {}};
  out.bytes.reserve(static_cast<std::size_t>(new_width * new_height));
  for (std::int64_t y = 0; y < new_height; ++y) {
    const std::uint8_t* row = raster.bytes.data() + source(y, raster.height, new_height) * raster.width;
    for (std::int64_t x = 0; x < new_width; ++x) out.bytes.push_back(row[source(x, raster.width, new_width)]);
  }
  return out;
}

}  // namespace dsc
