#include "data/image_file.h"

#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STB_IMAGE_RESIZE_STATIC
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>
#include <stb/stb_image_resize.h>
#pragma GCC diagnostic pop

#include <algorithm>
#include <cmath>
#include <memory>

#include "dscompress/error.h"

namespace dsc {
namespace {

[[noreturn]] void fail(const std::string& path, const std::string& reason) {
  throw Error(ErrorCode::data, "cannot read the image " + path + ": " + reason, {.file = path},
              "replace or remove the file; JPEG, PNG and BMP are read");
}

// Interleaved pixels.
struct Picture {
  int width = 0, height = 0;
  std::unique_ptr<stbi_uc, void (*)(void*)> decoded{nullptr, stbi_image_free};
  std::vector<std::uint8_t> resized;
  const std::uint8_t* data() const { return resized.empty() ? decoded.get() : resized.data(); }
};

void resize_shorter_side(Picture& picture, int channels, std::int64_t side, const std::string& path) {
  const std::int64_t shorter = std::min(picture.width, picture.height);
  if (side == 0 || shorter == side) return;
  // As torchvision: the longer side is truncated.
  const auto scaled = [&](int size) { return static_cast<int>(size == shorter ? side : side * size / shorter); };
  const int width = scaled(picture.width), height = scaled(picture.height);
  picture.resized.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * static_cast<std::size_t>(channels));
  const int done = stbir_resize_uint8_generic(picture.decoded.get(), picture.width, picture.height, 0, picture.resized.data(),
                                              width, height, 0, channels, STBIR_ALPHA_CHANNEL_NONE, 0, STBIR_EDGE_CLAMP,
                                              STBIR_FILTER_TRIANGLE, STBIR_COLORSPACE_LINEAR, nullptr);
  if (!done) fail(path, "it cannot be resized to " + std::to_string(width) + "x" + std::to_string(height));
  picture.width = width;
  picture.height = height;
}

}  // namespace

ImageShape read_image_header(const std::string& path) {
  int width = 0, height = 0, channels = 0;
  if (!stbi_info(path.c_str(), &width, &height, &channels)) fail(path, stbi_failure_reason());
  return {channels, height, width};
}

ImageShape read_image(const std::string& path, std::int64_t channels, std::int64_t resize, std::int64_t crop,
                      std::vector<std::uint8_t>& planes) {
  Picture picture;
  int in_file = 0;
  picture.decoded.reset(stbi_load(path.c_str(), &picture.width, &picture.height, &in_file, static_cast<int>(channels)));
  if (!picture.decoded) fail(path, stbi_failure_reason());
  resize_shorter_side(picture, static_cast<int>(channels), resize, path);
  const ImageShape shape{channels, crop ? crop : picture.height, crop ? crop : picture.width};
  const std::int64_t top = static_cast<std::int64_t>(std::lround(static_cast<double>(picture.height - shape.height) / 2));
  const std::int64_t left = static_cast<std::int64_t>(std::lround(static_cast<double>(picture.width - shape.width) / 2));
  if (top < 0 || left < 0) fail(path, "it is smaller than the crop");
  planes.resize(static_cast<std::size_t>(shape.bytes()));
  std::uint8_t* out = planes.data();
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t y = 0; y < shape.height; ++y) {
      const std::uint8_t* row = picture.data() + ((top + y) * picture.width + left) * channels + c;
      for (std::int64_t x = 0; x < shape.width; ++x) *out++ = row[x * channels];
    }
  }
  return shape;
}

}  // namespace dsc
