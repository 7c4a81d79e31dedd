#include "data/rand_augment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace dsc {
namespace {

using Pixels = std::vector<std::uint8_t>;

// Single precision throughout, as torchvision's: where a result is cut to a byte, the last bit decides.
std::uint8_t to_byte(float value) { return static_cast<std::uint8_t>(std::clamp(value, 0.0f, 255.0f)); }

// Output position (x, y) around the centre reads source position (a x + b y + c, d x + e y + f), the nearest pixel.
struct Affine {
  double a = 1, b = 0, c = 0, d = 0, e = 1, f = 0;
};

void transform(const Affine& map, const ImageShape& shape, Pixels& pixels) {
  const Pixels source = pixels;
  const double centre_x = static_cast<double>(shape.width - 1) / 2, centre_y = static_cast<double>(shape.height - 1) / 2;
  for (std::int64_t row = 0; row < shape.height; ++row) {
    for (std::int64_t column = 0; column < shape.width; ++column) {
      const double x = static_cast<double>(column) - centre_x, y = static_cast<double>(row) - centre_y;
      const auto from_x = static_cast<std::int64_t>(std::nearbyint(map.a * x + map.b * y + map.c + centre_x));
      const auto from_y = static_cast<std::int64_t>(std::nearbyint(map.d * x + map.e * y + map.f + centre_y));
      const bool inside = from_x >= 0 && from_x < shape.width && from_y >= 0 && from_y < shape.height;
      for (std::int64_t channel = 0; channel < shape.channels; ++channel) {
        const std::int64_t plane = channel * shape.height * shape.width;
        pixels[static_cast<std::size_t>(plane + row * shape.width + column)] = inside ? source[static_cast<std::size_t>(plane + from_y * shape.width + from_x)] : 0;
      }
    }
  }
}

void rotate(double degrees, const ImageShape& shape, Pixels& pixels) {
  const double angle = degrees * std::numbers::pi / 180, cosine = std::cos(angle), sine = std::sin(angle);
  transform({.a = cosine, .b = -sine, .d = sine, .e = cosine}, shape, pixels);
}

// Luminance as ITU-R BT.601 has it; grey pictures are their own.
float grey_at(const Pixels& pixels, const ImageShape& shape, std::size_t i) {
  const auto plane = static_cast<std::size_t>(shape.height * shape.width);
  if (shape.channels != 3) return pixels[i % plane];
  return 0.2989f * pixels[i % plane] + 0.587f * pixels[i % plane + plane] + 0.114f * pixels[i % plane + 2 * plane];
}

// Away from (strength > 0) or towards (< 0) what `other` gives for each byte.
template <class Other>
void blend(double strength, Pixels& pixels, Other other) {
  const Pixels source = pixels;
  const auto own = static_cast<float>(1 + strength), rest = static_cast<float>(1 - (1 + strength));
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = to_byte(own * source[i] + rest * other(source, i));
}

void change_color(double strength, const ImageShape& shape, Pixels& pixels) {
  blend(strength, pixels, [&](const Pixels& source, std::size_t i) { return std::floor(grey_at(source, shape, i)); });
}

void change_contrast(double strength, const ImageShape& shape, Pixels& pixels) {
  const auto plane = static_cast<std::size_t>(shape.height * shape.width);
  double mean = 0;
  for (std::size_t i = 0; i < plane; ++i) mean += std::floor(grey_at(pixels, shape, i)) / static_cast<double>(plane);
  blend(strength, pixels, [&](const Pixels&, std::size_t) { return static_cast<float>(mean); });
}

// The border is left as it is; inside, the other picture is a 3 x 3 mean with a heavier centre.
void change_sharpness(double strength, const ImageShape& shape, Pixels& pixels) {
  const std::int64_t width = shape.width, height = shape.height;
  blend(strength, pixels, [&](const Pixels& source, std::size_t i) {
    const auto at = static_cast<std::int64_t>(i), column = at % width, row = at / width % height;
    if (column == 0 || row == 0 || column == width - 1 || row == height - 1) return static_cast<float>(source[i]);
    float sum = 4.0f * source[i];
    for (std::int64_t y = -1; y <= 1; ++y) {
      for (std::int64_t x = -1; x <= 1; ++x) sum += source[static_cast<std::size_t>(at + y * width + x)];
    }
    return std::nearbyint(sum / 13.0f);
  });
}

template <class Curve>
void for_each_plane(const ImageShape& shape, Pixels& pixels, Curve curve) {
  const auto plane = static_cast<std::size_t>(shape.height * shape.width);
  for (std::int64_t channel = 0; channel < shape.channels; ++channel) curve(std::span(pixels).subspan(static_cast<std::size_t>(channel) * plane, plane));
}

void auto_contrast(std::span<std::uint8_t> plane) {
  const auto [least, most] = std::minmax_element(plane.begin(), plane.end());
  const float low = *least, high = *most;
  if (low == high) return;
  for (auto& pixel : plane) pixel = to_byte((static_cast<float>(pixel) - low) * (255.0f / (high - low)));
}

void equalize(std::span<std::uint8_t> plane) {
  std::array<std::int64_t, 256> counts{};
  for (const auto pixel : plane) ++counts[pixel];
  const std::uint8_t most = *std::max_element(plane.begin(), plane.end());
  const std::int64_t step = (static_cast<std::int64_t>(plane.size()) - counts[most]) / 255;
  if (step == 0) return;
  std::array<std::uint8_t, 256> table{};
  std::int64_t below = 0;
  for (std::size_t value = 0; value < 256; ++value) {
    table[value] = static_cast<std::uint8_t>(std::min<std::int64_t>((below + step / 2) / step, 255));
    below += counts[value];
  }
  for (auto& pixel : plane) pixel = table[pixel];
}

bool is_signed(ImageOperation operation) { return operation >= ImageOperation::shear_x && operation <= ImageOperation::sharpness; }

double strength_of(ImageOperation operation, double share, const ImageShape& shape) {
  switch (operation) {
    case ImageOperation::shear_x:
    case ImageOperation::shear_y: return 0.3 * share;
    case ImageOperation::translate_x: return 150.0 / 331.0 * static_cast<double>(shape.width) * share;
    case ImageOperation::translate_y: return 150.0 / 331.0 * static_cast<double>(shape.height) * share;
    case ImageOperation::rotate: return 30 * share;
    case ImageOperation::posterize: return 8 - std::nearbyint(4 * share);
    case ImageOperation::solarize: return 255 * (1 - share);
    default: return 0.9 * share;
  }
}

}  // namespace

void apply_operation(ImageOperation operation, double strength, const ImageShape& shape, Pixels& pixels) {
  switch (operation) {
    case ImageOperation::identity: return;
    case ImageOperation::shear_x: return transform({.b = strength, .c = strength * static_cast<double>(shape.height) / 2}, shape, pixels);  // about the corner
    case ImageOperation::shear_y: return transform({.d = strength, .f = strength * static_cast<double>(shape.width) / 2}, shape, pixels);
    case ImageOperation::translate_x: return transform({.c = -std::trunc(strength)}, shape, pixels);
    case ImageOperation::translate_y: return transform({.f = -std::trunc(strength)}, shape, pixels);
    case ImageOperation::rotate: return rotate(strength, shape, pixels);
    case ImageOperation::brightness: return blend(strength, pixels, [](const Pixels&, std::size_t) { return 0.0f; });
    case ImageOperation::color: return change_color(strength, shape, pixels);
    case ImageOperation::contrast: return change_contrast(strength, shape, pixels);
    case ImageOperation::sharpness: return change_sharpness(strength, shape, pixels);
    case ImageOperation::posterize: {
      const auto mask = static_cast<std::uint8_t>(0xFF << (8 - static_cast<int>(strength)));
      for (auto& pixel : pixels) pixel &= mask;
      return;
    }
    case ImageOperation::solarize:
      for (auto& pixel : pixels) pixel = pixel >= strength ? static_cast<std::uint8_t>(255 - pixel) : pixel;
      return;
    case ImageOperation::auto_contrast: return for_each_plane(shape, pixels, auto_contrast);
    case ImageOperation::equalize: return for_each_plane(shape, pixels, equalize);
  }
}

void rand_augment(const RandAugment& config, const ImageShape& shape, Random& random, Pixels& pixels) {
  const double share = static_cast<double>(config.magnitude) / 30;
  for (std::int64_t i = 0; i < config.operations; ++i) {
    const auto operation = static_cast<ImageOperation>(random.below(kImageOperations));
    const double sign = is_signed(operation) && random.below(2) == 1 ? -1 : 1;
    apply_operation(operation, sign * strength_of(operation, share, shape), shape, pixels);
  }
}

}  // namespace dsc
