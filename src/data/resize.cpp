#include "data/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "dscompress/error.h"

namespace dsc {
namespace {

// Weights are whole multiples of 2^-22: 255 of them, added up and with a sign, stay within 32 bits.
constexpr int kWeightBits = 22;
constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

// What one output position takes from the input positions first, first + 1, ...
struct Taps {
  std::int64_t first = 0;
  std::vector<std::int32_t> weights;
  std::int64_t end() const { return first + static_cast<std::int64_t>(weights.size()); }
};

Taps taps_at(std::int64_t position, std::int64_t size, std::int64_t new_size) {
  const double scale = static_cast<double>(size) / static_cast<double>(new_size);
  const double support = std::max(scale, 1.0);
  const double centre = (static_cast<double>(position) + 0.5) * scale;
  Taps taps;
  taps.first = std::max<std::int64_t>(0, static_cast<std::int64_t>(centre - support + 0.5));
  const std::int64_t end = std::min(size, static_cast<std::int64_t>(centre + support + 0.5));
  std::vector<double> weights;
  double sum = 0;
  for (std::int64_t x = taps.first; x < end; ++x)
    sum += weights.emplace_back(std::max(0.0, 1.0 - std::abs(static_cast<double>(x) + 0.5 - centre) / support));
  for (const double weight : weights) taps.weights.push_back(static_cast<std::int32_t>(weight / sum * (1 << kWeightBits) + 0.5));
  return taps;
}

std::vector<Taps> make_taps(std::int64_t size, std::int64_t new_size, std::int64_t first, std::int64_t count) {
  std::vector<Taps> taps;
  for (std::int64_t i = first; i < first + count; ++i) taps.push_back(taps_at(i, size, new_size));
  return taps;
}

std::uint8_t byte_of(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255)); }

// One row of interleaved pixels. The number of channels is known when it is compiled, so that their sums stay in registers.
template <std::size_t Channels>
void resize_row(const std::uint8_t* from, std::uint8_t* to, const std::vector<Taps>& taps) {
  for (const Taps& tap : taps) {
    std::array<std::int32_t, Channels> sums;
    sums.fill(kHalf);
    const std::uint8_t* pixel = from + static_cast<std::size_t>(tap.first) * Channels;
    for (const std::int32_t weight : tap.weights) {
      for (std::size_t c = 0; c < Channels; ++c) sums[c] += weight * pixel[c];
      pixel += Channels;
    }
    for (std::size_t c = 0; c < Channels; ++c) *to++ = byte_of(sums[c]);
  }
}

using ResizeRow = void (*)(const std::uint8_t*, std::uint8_t*, const std::vector<Taps>&);

ResizeRow row_of(std::int64_t channels) {
  switch (channels) {
    case 1:
      return resize_row<1>;
    case 3:
      return resize_row<3>;
    default:
      throw Error(ErrorCode::internal, "pictures of " + std::to_string(channels) + " channels are not resized");
  }
}

// A row of the result from rows `stride` apart, the first of which is at `from`.
void mix_rows(const std::uint8_t* from, std::int64_t stride, const std::vector<std::int32_t>& weights, std::vector<std::int32_t>& sums,
              std::uint8_t* to) {
  std::fill(sums.begin(), sums.end(), kHalf);
  for (const std::int32_t weight : weights) {
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += weight * from[i];
    from += stride;
  }
  std::transform(sums.begin(), sums.end(), to, byte_of);
}

}  // namespace

Raster resize_bilinear(const std::uint8_t* pixels, std::int64_t width, std::int64_t height, std::int64_t channels, std::int64_t new_width,
                       std::int64_t new_height, const Window& window) {
  const std::vector<Taps> columns = make_taps(width, new_width, window.left, window.width),
                          rows = make_taps(height, new_height, window.top, window.height);
  const std::int64_t first = rows.front().first, stride = window.width * channels;
  std::vector<std::uint8_t> narrow(static_cast<std::size_t>((rows.back().end() - first) * stride));
  const ResizeRow resize = row_of(channels);
  for (std::int64_t y = first; y < rows.back().end(); ++y) resize(pixels + y * width * channels, narrow.data() + (y - first) * stride, columns);
  Raster out{window.width, window.height, channels, {}};
  out.bytes.resize(static_cast<std::size_t>(stride * window.height));
  std::vector<std::int32_t> sums(static_cast<std::size_t>(stride));
  std::uint8_t* to = out.bytes.data();
  for (const Taps& row : rows) {
    mix_rows(narrow.data() + (row.first - first) * stride, stride, row.weights, sums, to);
    to += stride;
  }
  return out;
}

Raster resize_bilinear(const std::uint8_t* pixels, std::int64_t width, std::int64_t height, std::int64_t channels, std::int64_t new_width,
                       std::int64_t new_height) {
  return resize_bilinear(pixels, width, height, channels, new_width, new_height, {.height = new_height, .width = new_width});
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
