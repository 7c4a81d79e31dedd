// One picture file. What it is, its first bytes say, not its name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/images.h"

namespace dsc {

inline constexpr std::string_view kImageFormats = "JPEG, PNG, BMP, GIF, WebP and TIFF";

// Whether a file with that name is taken for a picture: .jpg .jpeg .png .bmp .gif .webp .tif .tiff, in any case.
bool is_image_name(const std::string& path);

struct ImageHeader {
  std::int64_t height = 0, width = 0;
  bool is_deep = false;  // 16 bits a channel
};
// errors: data, with the path and the reason.
ImageHeader read_image_header(const std::string& path);

// Decodes to `channels` (1 or 3), the first picture of several, without transparency; resizes the shorter side to `resize`
// (0: not), cuts `crop` x `crop` from the centre (0: not) and gives planes [C, H, W]. The resize is bilinear with a kernel as
// wide as the reduction, so that shrinking does not alias. errors: data, with the path and the reason.
ImageShape read_image(const std::string& path, std::int64_t channels, std::int64_t resize, std::int64_t crop,
                      std::vector<std::uint8_t>& planes);

// The samples of a mask: a grey PNG's values, or an indexed one's places in its palette. Resized and cut as read_image does it to
// the picture, each pixel by the nearest one. returns: [H, W]. errors: data, with the path and the reason.
ImageShape read_mask(const std::string& path, std::int64_t resize, std::int64_t crop, std::vector<std::uint8_t>& samples);

// errors: data, when a picture has another size than those before it.
void expect_shape(const std::string& path, const ImageShape& found, const ImageShape& expected);

}  // namespace dsc
