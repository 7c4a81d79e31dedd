// Decoders of the kinds of picture files, each over its library.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/image_file.h"
#include "data/resize.h"

namespace dsc {

// errors: data, with the path and the reason.
[[noreturn]] void fail_image(const std::string& path, const std::string& reason);

// `width` x `height` pixels of `step` bytes each, red, green and blue first, as colour (3) or grey (1).
Raster raster_of(const std::uint8_t* pixels, std::int64_t width, std::int64_t height, std::int64_t step, std::int64_t channels);

// Each reads the header, or all of the first picture. errors: as fail_image.
ImageHeader jpeg_header(const std::string& path);
Raster decode_jpeg(const std::string& path, std::int64_t channels);
// Interleaved pixels, of 1 or 3 channels, written as JPEG of this quality (1 to 100) and read again, in place.
void through_jpeg(std::vector<std::uint8_t>& pixels, std::int64_t width, std::int64_t height, std::int64_t channels, int quality);
ImageHeader webp_header(const std::string& path);
Raster decode_webp(const std::string& path, std::int64_t channels);
ImageHeader tiff_header(const std::string& path);
Raster decode_tiff(const std::string& path, std::int64_t channels);
// Samples of a grey or indexed PNG of up to 8 bits as the file holds them: numbers of classes, not colours.
Raster read_png_samples(const std::string& path);

}  // namespace dsc
