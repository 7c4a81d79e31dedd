// TIFF over libtiff; of several pages the first.
#include <tiffio.h>

#include <array>
#include <bit>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <vector>

#include "data/image_codecs.h"

namespace dsc {
namespace {

using Handle = std::unique_ptr<TIFF, void (*)(TIFF*)>;

// The first error is the cause, later ones follow from it.
int keep_first(TIFF*, void* reason, const char*, const char* format, va_list arguments) {
  auto& text = *static_cast<std::string*>(reason);
  if (!text.empty()) return 1;
  std::array<char, 512> buffer{};
  std::vsnprintf(buffer.data(), buffer.size(), format, arguments);
  text = buffer.data();
  return 1;
}

int ignore(TIFF*, void*, const char*, const char*, va_list) { return 1; }

// `reason` must outlive the handle.
Handle open(const std::string& path, std::string& reason) {
  const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), keep_first, &reason);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), ignore, nullptr);
  Handle file(TIFFOpenExt(path.c_str(), "r", options.get()), TIFFClose);
  if (!file) fail_image(path, reason.empty() ? "its TIFF header is damaged" : reason);
  return file;
}

// libtiff multiplies colours by alpha where a file holds them apart; here alpha is dropped, so colours stay.
void keep_colours(TIFFRGBAImage& image) {
  if (!image.UaToAa) return;
  for (std::size_t i = 0; i < 65536; ++i) image.UaToAa[i] = static_cast<std::uint8_t>(i & 255);
}

}  // namespace

ImageHeader tiff_header(const std::string& path) {
  std::string reason;
  const Handle file = open(path, reason);
  std::uint32_t width = 0, height = 0;
  std::uint16_t bits = 1;
  TIFFGetField(file.get(), TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(file.get(), TIFFTAG_IMAGELENGTH, &height);
  TIFFGetFieldDefaulted(file.get(), TIFFTAG_BITSPERSAMPLE, &bits);
  std::array<char, 1024> why{};
  if (!TIFFRGBAImageOK(file.get(), why.data())) fail_image(path, why.data());
  return {.height = height, .width = width, .is_deep = bits > 8};
}

Raster decode_tiff(const std::string& path, std::int64_t channels) {
  std::string reason;
  const Handle file = open(path, reason);
  TIFFRGBAImage image;
  std::array<char, 1024> why{};
  if (!TIFFRGBAImageBegin(&image, file.get(), /*stopOnError=*/1, why.data())) fail_image(path, why.data());
  keep_colours(image);
  image.req_orientation = ORIENTATION_TOPLEFT;
  std::vector<std::uint32_t> pixels(static_cast<std::size_t>(image.width) * image.height);
  const std::int64_t width = image.width, height = image.height;
  const bool whole = TIFFRGBAImageGet(&image, pixels.data(), image.width, image.height) != 0;
  TIFFRGBAImageEnd(&image);
  if (!whole) fail_image(path, reason.empty() ? "its TIFF data is damaged" : reason);
  // Red lies in the lowest byte of each number: in the first one in memory.
  static_assert(std::endian::native == std::endian::little);
  return raster_of(reinterpret_cast<const std::uint8_t*>(pixels.data()), width, height, 4, channels);
}

}  // namespace dsc
