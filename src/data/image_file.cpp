#include "data/image_file.h"

#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>

#include "data/image_codecs.h"
#include "data/resize.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

constexpr std::int64_t kMostPixels = 100'000'000;  // beyond is a damaged header, or one made to exhaust memory

enum class Kind : std::uint8_t { jpeg, webp, tiff, png, stb };

Kind kind_of(const std::string& path) {
  std::array<char, 12> bytes{};
  std::ifstream file(path, std::ios::binary);
  if (!file) fail_image(path, "it cannot be opened");
  file.read(bytes.data(), bytes.size());
  const std::string_view head(bytes.data(), static_cast<std::size_t>(file.gcount()));
  if (head.empty()) fail_image(path, "it is empty");
  if (head.starts_with("\xff\xd8\xff")) return Kind::jpeg;
  if (head.starts_with("RIFF") && head.substr(8).starts_with("WEBP")) return Kind::webp;
  if (head.starts_with(std::string_view("II*\0", 4)) || head.starts_with(std::string_view("MM\0*", 4))) return Kind::tiff;
  if (head.starts_with("\x89PNG")) return Kind::png;
  if (head.starts_with("GIF8") || head.starts_with("BM")) return Kind::stb;
  const bool is_heif = head.size() >= 8 && head.substr(4, 4) == "ftyp";
  fail_image(path, is_heif ? "it is a HEIF or AVIF file, whatever its name" : "its first bytes are those of no picture format that is read");
}

ImageHeader stb_header(const std::string& path) {
  int width = 0, height = 0, channels = 0;
  if (!stbi_info(path.c_str(), &width, &height, &channels)) fail_image(path, stbi_failure_reason());
  return {.height = height, .width = width, .is_deep = stbi_is_16_bit(path.c_str()) != 0};
}

// stb makes room for what a chunk of a PNG claims to hold before it reads any of it.
void check_png_chunks(const std::string& path) {
  constexpr std::streamoff kSignature = 8, kCrc = 4;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = file.tellg();
  std::array<unsigned char, 8> head{};  // length, big end first, and type
  for (std::streamoff at = kSignature; at + std::ssize(head) <= size;) {
    file.seekg(at);
    file.read(reinterpret_cast<char*>(head.data()), head.size());
    const std::streamoff length = std::int64_t{head[0]} << 24 | head[1] << 16 | head[2] << 8 | head[3];
    at += std::ssize(head) + length + kCrc;
    if (at > size) fail_image(path, "one of its parts claims " + std::to_string(length) + " bytes, more than the file has");
  }
}

Raster decode_stb(const std::string& path, std::int64_t channels) {
  int width = 0, height = 0, in_file = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load(path.c_str(), &width, &height, &in_file, static_cast<int>(channels)), stbi_image_free);
  if (!pixels) fail_image(path, stbi_failure_reason());
  const std::size_t bytes = static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * static_cast<std::size_t>(channels);
  return {width, height, channels, {pixels.get(), pixels.get() + bytes}};
}

ImageHeader header_of(const std::string& path, Kind kind) {
  switch (kind) {
    case Kind::jpeg: return jpeg_header(path);
    case Kind::webp: return webp_header(path);
    case Kind::tiff: return tiff_header(path);
    case Kind::png:
    case Kind::stb: return stb_header(path);
  }
  throw Error(ErrorCode::internal, "unknown kind of picture");
}

Raster decode(const std::string& path, std::int64_t channels) {
  const Kind kind = kind_of(path);
  const ImageHeader header = header_of(path, kind);
  if (header.width * header.height > kMostPixels) fail_image(path, "it claims to have " + std::to_string(header.width) + "x" + std::to_string(header.height) + " pixels");
  switch (kind) {
    case Kind::jpeg: return decode_jpeg(path, channels);
    case Kind::webp: return decode_webp(path, channels);
    case Kind::tiff: return decode_tiff(path, channels);
    case Kind::png: check_png_chunks(path); [[fallthrough]];
    case Kind::stb: return decode_stb(path, channels);
  }
  throw Error(ErrorCode::internal, "unknown kind of picture");
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

void fail_image(const std::string& path, const std::string& reason) {
  throw Error(ErrorCode::data, "cannot read the image " + path + ": " + reason, {.file = path},
              "replace or remove the file; " + std::string(kImageFormats) + " are read");
}

Raster raster_of(const std::uint8_t* pixels, std::int64_t width, std::int64_t height, std::int64_t step, std::int64_t channels) {
  Raster raster{width, height, channels, {}};
  raster.bytes.reserve(static_cast<std::size_t>(width * height * channels));
  for (std::int64_t i = 0; i < width * height; ++i, pixels += step) {
    if (channels == 3) raster.bytes.insert(raster.bytes.end(), pixels, pixels + 3);
    else raster.bytes.push_back(static_cast<std::uint8_t>((pixels[0] * 77 + pixels[1] * 150 + pixels[2] * 29) >> 8));  // as stb
  }
  return raster;
}

bool is_image_name(const std::string& path) {
  static constexpr std::array<std::string_view, 8> kExtensions{".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"};
  std::string extension = std::filesystem::path(path).extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(), [](unsigned char c) { return std::tolower(c); });
  return std::ranges::find(kExtensions, extension) != kExtensions.end();
}

ImageHeader read_image_header(const std::string& path) { return header_of(path, kind_of(path)); }

ImageShape read_image(const std::string& path, std::int64_t channels, std::int64_t resize, std::int64_t crop,
                      std::vector<std::uint8_t>& planes) {
  const Raster picture = with_shorter_side(decode(path, channels), resize);
  const ImageShape shape{channels, crop ? crop : picture.height, crop ? crop : picture.width};
  const std::int64_t top = static_cast<std::int64_t>(std::lround(static_cast<double>(picture.height - shape.height) / 2));
  const std::int64_t left = static_cast<std::int64_t>(std::lround(static_cast<double>(picture.width - shape.width) / 2));
  if (top < 0 || left < 0) fail_image(path, "it is smaller than the crop");
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
