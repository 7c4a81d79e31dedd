// The operations of RandAugment on pictures of bytes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/random.h"
#include "data/images.h"

namespace dsc {

enum class ImageOperation : std::uint8_t {
  identity, shear_x, shear_y, translate_x, translate_y, rotate, brightness, color, contrast, sharpness, posterize, solarize, auto_contrast, equalize
};
inline constexpr int kImageOperations = 14;

// Applies one operation to planes [C, H, W] in place; what comes from outside the picture is black.
// strength: shear in pixels a pixel, translation in pixels, rotation in degrees, of brightness to sharpness the change (0:
// none, -1: black, grey or blurred), bits left by posterize, threshold of solarize. As torchvision's functional forms.
void apply_operation(ImageOperation operation, double strength, const ImageShape& shape, std::vector<std::uint8_t>& pixels);

// Draws and applies the operations of one example, with torchvision's strengths for a magnitude of 30 at most.
void rand_augment(const RandAugment& config, const ImageShape& shape, Random& random, std::vector<std::uint8_t>& pixels);

}  // namespace dsc
