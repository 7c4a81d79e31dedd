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

#include "core/file.h"
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
  if (head.size() == bytes.size() && head.starts_with("RIFF") && head.ends_with("WEBP")) return Kind::webp;
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

struct PngHead {
  std::uint8_t bits = 0, colour = 0;
};
constexpr std::uint8_t kGreyPng = 0, kIndexedPng = 3;

PngHead png_head(const std::string& path, std::string_view file) {
  constexpr std::size_t kBitsAt = 24, kColourAt = 25;
  if (file.size() <= kColourAt) fail_image(path, "it ends early");
  return {static_cast<std::uint8_t>(file[kBitsAt]), static_cast<std::uint8_t>(file[kColourAt])};
}

// What a decoder is given: with a palette in which each colour is the grey of its own number an indexed picture, decoded as grey, is its
// indices. Parts of pixels without any are left out, whose bytes stb copies from nowhere.
// precondition: no chunk is longer than the file (check_png_chunks).
std::string for_samples(const std::string& file, bool indexed) {
  constexpr std::size_t kSignature = 8, kHead = 8, kCrc = 4;
  std::string palette("\0\0\3\0PLTE", kHead);
  for (int i = 0; i < 256; ++i) palette.append(3, static_cast<char>(i));
  palette.append(kCrc, '\0');  // the checksum is not looked at
  std::string out = file.substr(0, kSignature);
  for (std::size_t at = kSignature, next = at; at + kHead <= file.size(); at = next) {
    const auto byte = [&](std::size_t i) { return std::size_t{static_cast<unsigned char>(file[at + i])}; };
    const std::size_t length = byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
    next = at + kHead + length + kCrc;
    const std::string_view type = std::string_view(file).substr(at + 4, 4);
    if (length == 0 && type == "IDAT") continue;
    out += indexed && type == "PLTE" ? palette : file.substr(at, next - at);
  }
  return out;
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

struct Size {
  std::int64_t width = 0, height = 0;
  bool operator==(const Size&) const = default;
};

// As torchvision: the longer side is truncated.
Size with_shorter_side(const Raster& picture, std::int64_t side) {
  const std::int64_t shorter = std::min(picture.width, picture.height);
  const auto scaled = [&](std::int64_t size) { return side == 0 || size == shorter ? (side ? side : size) : side * size / shorter; };
  return {scaled(picture.width), scaled(picture.height)};
}

// What the centre crop keeps of a picture of that size; 0: all.
Window centre_of(const std::string& path, const Size& size, std::int64_t crop) {
  Window window{.height = crop ? crop : size.height, .width = crop ? crop : size.width};
  window.top = std::lround(static_cast<double>(size.height - window.height) / 2);
  window.left = std::lround(static_cast<double>(size.width - window.width) / 2);
  if (window.top < 0 || window.left < 0) fail_image(path, "it is smaller than the crop");
  return window;
}

// precondition: the window lies in the picture.
void copy_planes(const Raster& picture, const Window& window, std::vector<std::uint8_t>& planes) {
  planes.resize(static_cast<std::size_t>(picture.channels * window.height * window.width));
  std::uint8_t* out = planes.data();
  for (std::int64_t c = 0; c < picture.channels; ++c) {
    for (std::int64_t y = 0; y < window.height; ++y) {
      const std::uint8_t* row = picture.bytes.data() + ((window.top + y) * picture.width + window.left) * picture.channels + c;
      for (std::int64_t x = 0; x < window.width; ++x) *out++ = row[x * picture.channels];
    }
  }
}

}  // namespace

void fail_image(const std::string& path, const std::string& reason) {
  throw Error(ErrorCode::data, "cannot read the image " + path + ": " + reason, {.file = path},
              "replace or remove the file; " + std::string(kImageFormats) + " are read");
}

Raster raster_of(const std::uint8_t* pixels, std::int64_t width, std::int64_t height, std::int64_t step, std::int64_t channels) {
  Raster raster{width, height, channels, {}};
  if (step == channels) {
    raster.bytes.assign(pixels, pixels + width * height * channels);
    return raster;
  }
  raster.bytes.reserve(static_cast<std::size_t>(width * height * channels));
  for (std::int64_t i = 0; i < width * height; ++i, pixels += step) {
    if (channels == 3) raster.bytes.insert(raster.bytes.end(), pixels, pixels + 3);
    else raster.bytes.push_back(static_cast<std::uint8_t>((pixels[0] * 77 + pixels[1] * 150 + pixels[2] * 29) >> 8));  // as stb
  }
  return raster;
}

Raster read_png_samples(const std::string& path) {
  if (kind_of(path) != Kind::png) fail_image(path, "masks are PNG files, whose values no compression changes");
  const ImageHeader header = stb_header(path);
  if (header.width * header.height > kMostPixels)
    fail_image(path, "it claims to have " + std::to_string(header.width) + "x" + std::to_string(header.height) + " pixels");
  check_png_chunks(path);
  const std::string whole = read_file(path);
  const PngHead head = png_head(path, whole);
  if (head.colour != kGreyPng && head.colour != kIndexedPng)
    fail_image(path, "a mask has one grey value or one place in a palette for each pixel, and this one has colours");
  if (head.bits > 8) fail_image(path, "a mask has at most 8 bits a pixel, and this one has 16");
  const std::string file = for_samples(whole, head.colour == kIndexedPng);
  int width = 0, height = 0, in_file = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(file.data()), static_cast<int>(file.size()), &width, &height, &in_file, 1),
      stbi_image_free);
  if (!pixels) fail_image(path, stbi_failure_reason());
  Raster raster{width, height, 1, {pixels.get(), pixels.get() + static_cast<std::size_t>(width) * static_cast<std::size_t>(height)}};
  const int whitest = (1 << head.bits) - 1;  // greys of fewer bits come spread over 0 to 255
  if (head.colour == kGreyPng) {
    for (auto& value : raster.bytes) value = static_cast<std::uint8_t>(value * whitest / 255);
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
  const Raster picture = decode(path, channels);
  const Size size = with_shorter_side(picture, resize);
  const Window window = centre_of(path, size, crop);
  if (size == Size{picture.width, picture.height}) {
    copy_planes(picture, window, planes);
  } else {
    const Raster resized = resize_bilinear(picture.bytes.data(), picture.width, picture.height, channels, size.width, size.height, window);
    copy_planes(resized, {.height = window.height, .width = window.width}, planes);
  }
  return {channels, window.height, window.width};
}

ImageShape read_mask(const std::string& path, std::int64_t resize, std::int64_t crop, std::vector<std::uint8_t>& samples) {
  Raster mask = read_png_samples(path);
  const Size size = with_shorter_side(mask, resize);
  if (size != Size{mask.width, mask.height}) mask = resize_nearest(mask, size.width, size.height);
  const Window window = centre_of(path, size, crop);
  copy_planes(mask, window, samples);
  return {mask.channels, window.height, window.width};
}

void expect_shape(const std::string& path, const ImageShape& found, const ImageShape& expected) {
  if (found.height == expected.height && found.width == expected.width) return;
  throw Error(ErrorCode::data,
              path + " has " + std::to_string(found.width) + "x" + std::to_string(found.height) + " pixels, others have " +
                  std::to_string(expected.width) + "x" + std::to_string(expected.height),
              {.file = path}, "set image_size to bring all images to one size");
}

}  // namespace dsc
