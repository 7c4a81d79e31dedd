#include "data/thumbnail.h"

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

#include <algorithm>
#include <cmath>
#include <memory>

#include "data/resize.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

// Pixels in [0, 255], planes.
at::Tensor to_pixels(const at::Tensor& input, const std::optional<NormalizeConfig>& normalize) {
  at::Tensor planes = input.to(at::kCPU, at::kDouble).clone();
  if (!input.is_floating_point()) return planes.clamp(0, 255);
  for (std::int64_t c = 0; normalize && c < planes.size(0) && c < static_cast<std::int64_t>(normalize->mean.size()); ++c) {
    const auto channel = static_cast<std::size_t>(c);
    planes[c].mul_(normalize->std[channel]).add_(normalize->mean[channel]);
  }
  const double low = planes.min().item<double>(), high = planes.max().item<double>();
  constexpr double kRounding = 0.01;
  if (low >= -kRounding && high <= 1 + kRounding) return (planes * 255).round().clamp(0, 255);
  return high > low ? ((planes - low) * (255 / (high - low))).round() : planes.zero_();
}

Raster interleaved(const at::Tensor& planes) {
  const at::Tensor bytes = planes.to(at::kByte).permute({1, 2, 0}).contiguous();
  Raster raster{.width = bytes.size(1), .height = bytes.size(0), .channels = bytes.size(2), .bytes = {}};
  const auto* data = bytes.const_data_ptr<std::uint8_t>();
  raster.bytes.assign(data, data + bytes.numel());
  return raster;
}

}  // namespace

std::optional<std::string> thumbnail_png(const at::Tensor& input, const std::optional<NormalizeConfig>& normalize, std::int64_t most) {
  if (input.dim() != 3 || (input.size(0) != 1 && input.size(0) != 3) || input.size(1) < 4 || input.size(2) < 4) return std::nullopt;
  auto raster = interleaved(to_pixels(input, normalize));
  if (const auto longest = std::max(raster.width, raster.height); longest > most) {
    const auto scaled = [&](std::int64_t size) { return std::max<std::int64_t>(1, size * most / longest); };
    raster = resize_bilinear(raster.bytes.data(), raster.width, raster.height, raster.channels, scaled(raster.width), scaled(raster.height));
  }
  int length = 0;
  const std::unique_ptr<unsigned char, decltype(&std::free)> png(
      stbi_write_png_to_mem(raster.bytes.data(), static_cast<int>(raster.width * raster.channels), static_cast<int>(raster.width), static_cast<int>(raster.height), static_cast<int>(raster.channels), &length), &std::free);
  if (!png) throw Error(ErrorCode::resource, "there is no memory for a small picture");
  return std::string(reinterpret_cast<const char*>(png.get()), static_cast<std::size_t>(length));
}

}  // namespace dsc
