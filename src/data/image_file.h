// One JPEG, PNG or BMP file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/images.h"

namespace dsc {

// Size of the picture from the file's header, with `channels` of the file. errors: data, with the path and the reason.
ImageShape read_image_header(const std::string& path);

// Decodes to `channels` (1 or 3), resizes the shorter side to `resize` (0: not), cuts `crop` x `crop` from the centre
// (0: not) and gives planes [C, H, W]. The resize is bilinear with a kernel as wide as the reduction, so that shrinking
// does not alias. errors: data, with the path and the reason.
ImageShape read_image(const std::string& path, std::int64_t channels, std::int64_t resize, std::int64_t crop,
                      std::vector<std::uint8_t>& planes);

}  // namespace dsc
