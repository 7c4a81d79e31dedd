#include "data/image_file.h"

#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

#include <algorithm>
#include <cmath>
#include <memory>

#include "data/resize.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

[[noreturn]] void fail(const std::string& path, const std::string& reason) {
  throw Error(ErrorCode::data, "cannot read the image " + path + ": " + reason, {.file = path},
              "replace or remove the file; JPEG, PNG and BMP are read");
}

Raster decode(const std::string& path, std::int64_t channels) {
  int width = 0, height = 0, in_file = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load(path.c_str(), &width, &height, &in_file, static_cast<int>(channels)), stbi_image_free);
  if (!pixels) fail(path, stbi_failure_reason());
  const std::size_t bytes = static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * static_cast<std::size_t>(channels);
  return {width, height, channels, {pixels.get(), pixels.get() + bytes}};
}

Raster with_shorter_side(Raster picture, std::int64_t side) {
  const std::int64_t shorter = std::min(picture.width, picture.height);
  if (side == 0 || shorter == side) return picture;
  // As torchvision: the longer side is truncated.
  const auto scaled = [&](std::int64_t size) { return size == shorter ? side : side * size / shorter; };
  return resize_bilinear(picture.bytes.data(), picture.width, picture.height, picture.channels, scaled(picture.width),
                         scaled(picture.height));
}

}  // namespace

ImageShape read_image_header(const std::string& path) {
  int width = 0, height = 0, channels = 0;
  if (!stbi_info(path.c_str(), &width, &height, &channels)) fail(path, stbi_failure_reason());
  return {channels, height, width};
}

ImageShape read_image(const std::string& path, std::int64_t channels, std::int64_t resize, std::int64_t crop,
                      std::vector<std::uint8_t>& planes) {
  const Raster picture = with_shorter_side(decode(path, channels), resize);
  const ImageShape shape{channels, crop ? crop : picture.height, crop ? crop : picture.width};
  const std::int64_t top = static_cast<std::int64_t>(std::lround(static_cast<double>(picture.height - shape.height) / 2));
  const std::int64_t left = static_cast<std::int64_t>(std::lround(static_cast<double>(picture.width - shape.width) / 2));
  if (top < 0 || left < 0) fail(path, "it is smaller than the crop");
  planes.resize(static_cast<std::size_t>(shape.bytes()));
  std::uint8_t* out = planes.data();
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t y = 0; y < shape.height; ++y) {
      const std::uint8_t* row = picture.bytes.data() + ((top + y) * picture.width + left) * channels + c;
      for (std::int64_t x = 0; x < shape.width; ++x) *out++ = row[x * channels];
    }
  }
  return shape;
}

}  // namespace dsc
