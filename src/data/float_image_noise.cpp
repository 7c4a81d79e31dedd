// Noise and light.
#include <algorithm>
#include <cmath>

#include "data/draws.h"
#include "data/float_image.h"

namespace dsc {

void add_gaussian_noise(FloatImage& image, Strength strength, Random& random) {
  for (float& value : image.values) value += static_cast<float>(strength.amount * draw_normal(random));
}

void add_shot_noise(FloatImage& image, Strength strength, Random& random) {
  for (float& value : image.values) value = static_cast<float>(static_cast<double>(draw_poisson(static_cast<double>(value) * strength.amount, random)) / strength.amount);
}

void add_impulse_noise(FloatImage& image, Strength strength, Random& random) {
  for (float& value : image.values) {
    if (random.uniform() < strength.amount) value = static_cast<float>(random.below(2));
  }
}

// The value of HSV is the largest channel: hue and saturation stay when all channels grow by the same factor. Black has neither.
void brighten(FloatImage& image, Strength strength, Random&) {
  const auto plane = static_cast<std::size_t>(image.shape.height * image.shape.width);
  for (std::size_t i = 0; i < plane; ++i) {
    float largest = 0;
    for (std::size_t at = i; at < image.values.size(); at += plane) largest = std::max(largest, image.values[at]);
    const float wanted = std::min(1.0f, largest + static_cast<float>(strength.amount));
    for (std::size_t at = i; at < image.values.size(); at += plane) image.values[at] = largest > 0 ? image.values[at] * (wanted / largest) : wanted;
  }
}

void lower_contrast(FloatImage& image, Strength strength, Random&) {
  const auto plane = static_cast<std::ptrdiff_t>(image.shape.height * image.shape.width);
  for (auto first = image.values.begin(); first != image.values.end(); first += plane) {
    double sum = 0;
    std::for_each(first, first + plane, [&](float value) { sum += static_cast<double>(value); });
    const double mean = sum / static_cast<double>(plane);
    std::for_each(first, first + plane, [&](float& value) { value = static_cast<float>(mean + strength.amount * (static_cast<double>(value) - mean)); });
  }
}

void occlude(FloatImage& image, Strength strength, Random& random) {
  constexpr float kGrey = 0.5f;
  const auto [channels, height, width] = image.shape;
  const auto side = std::max<std::int64_t>(1, std::llround(strength.amount * static_cast<double>(std::min(height, width))));
  const std::int64_t top = random.below(height - side + 1), left = random.below(width - side + 1);
  for (std::int64_t row = 0; row < channels * height; ++row) {
    if (row % height < top || row % height >= top + side) continue;
    std::fill_n(image.values.begin() + row * width + left, side, kGrey);
  }
}

}  // namespace dsc
