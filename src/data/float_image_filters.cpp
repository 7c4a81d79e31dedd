// Blur, rotation and compression.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "data/image_codecs.h"
#include "data/float_image.h"

namespace dsc {
namespace {

std::vector<double> gaussian(std::int64_t from, std::int64_t to, double sigma) {
  std::vector<double> weights;
  double sum = 0;
  for (std::int64_t i = from; i <= to; ++i) {
    const double distance = static_cast<double>(i) / sigma;
    weights.push_back(std::exp(-0.5 * distance * distance));
    sum += weights.back();
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

// A pixel of the picture as it was, moved by so many rows and columns, with this weight.
struct Tap {
  std::int64_t rows = 0, columns = 0;
  double weight = 1;
};

// Each pixel becomes the weighted sum of the pixels that the taps reach; beyond the border, the nearest pixel.
void filter(FloatImage& image, const std::vector<Tap>& taps) {
  const std::vector<float> source = image.values;
  const auto [channels, height, width] = image.shape;
  auto out = image.values.begin();
  for (std::int64_t plane = 0; plane < channels; ++plane) {
    const float* pixels = source.data() + plane * height * width;
    for (std::int64_t row = 0; row < height; ++row) {
      for (std::int64_t column = 0; column < width; ++column) {
        double sum = 0;
        for (const Tap& tap : taps) {
          const auto y = std::clamp<std::int64_t>(row + tap.rows, 0, height - 1), x = std::clamp<std::int64_t>(column + tap.columns, 0, width - 1);
          sum += tap.weight * static_cast<double>(pixels[y * width + x]);
        }
        *out++ = static_cast<float>(sum);
      }
    }
  }
}

// Bilinear, black outside; x and y are positions of pixels' centres.
double sample(const float* plane, std::int64_t height, std::int64_t width, double y, double x) {
  const auto top = static_cast<std::int64_t>(std::floor(y)), left = static_cast<std::int64_t>(std::floor(x));
  const double down = y - static_cast<double>(top), right = x - static_cast<double>(left);
  const auto at = [&](std::int64_t row, std::int64_t column) {
    const bool inside = row >= 0 && row < height && column >= 0 && column < width;
    return inside ? static_cast<double>(plane[row * width + column]) : 0.0;
  };
  return (1 - down) * ((1 - right) * at(top, left) + right * at(top, left + 1)) + down * ((1 - right) * at(top + 1, left) + right * at(top + 1, left + 1));
}

}  // namespace

// Rows and columns in turn, as the Gaussian separates; it ends after four standard deviations.
void blur(FloatImage& image, Strength strength, Random&) {
  const auto reach = static_cast<std::int64_t>(4 * strength.amount + 0.5);
  const auto weights = gaussian(-reach, reach, strength.amount);
  std::vector<Tap> rows, columns;
  for (std::int64_t i = -reach; i <= reach; ++i) {
    const double weight = weights[static_cast<std::size_t>(i + reach)];
    rows.push_back({.rows = i, .weight = weight});
    columns.push_back({.columns = i, .weight = weight});
  }
  filter(image, rows);
  filter(image, columns);
}

void blur_motion(FloatImage& image, Strength strength, Random& random) {
  const double angle = (random.uniform() - 0.5) * std::numbers::pi / 2;
  const auto weights = gaussian(0, static_cast<std::int64_t>(2 * strength.reach), strength.amount);
  std::vector<Tap> taps;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto way = static_cast<double>(i);
    taps.push_back({std::llround(way * std::sin(angle)), std::llround(way * std::cos(angle)), weights[i]});
  }
  filter(image, taps);
}

void turn(FloatImage& image, Strength strength, Random& random) {
  const double angle = (random.below(2) == 0 ? 1 : -1) * strength.amount * std::numbers::pi / 180;
  const double cosine = std::cos(angle), sine = std::sin(angle);
  const std::vector<float> source = image.values;
  const auto [channels, height, width] = image.shape;
  const double centre_y = static_cast<double>(height - 1) / 2, centre_x = static_cast<double>(width - 1) / 2;
  auto out = image.values.begin();
  for (std::int64_t plane = 0; plane < channels; ++plane) {
    for (std::int64_t row = 0; row < height; ++row) {
      for (std::int64_t column = 0; column < width; ++column) {
        const double y = static_cast<double>(row) - centre_y, x = static_cast<double>(column) - centre_x;
        *out++ = static_cast<float>(sample(source.data() + plane * height * width, height, width, sine * x + cosine * y + centre_y, cosine * x - sine * y + centre_x));
      }
    }
  }
}

// Colour as its three channels together, anything else plane by plane.
void compress_jpeg(FloatImage& image, Strength strength, Random&) {
  const auto [channels, height, width] = image.shape;
  const std::int64_t together = channels == 3 ? 3 : 1, plane = height * width;
  for (std::int64_t first = 0; first < channels; first += together) {
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(together * plane));
    float* values = image.values.data() + first * plane;
    for (std::int64_t i = 0; i < together * plane; ++i) {
      pixels[static_cast<std::size_t>(i % plane * together + i / plane)] = static_cast<std::uint8_t>(std::lround(255 * values[i]));
    }
    through_jpeg(pixels, width, height, together, static_cast<int>(strength.amount));
    for (std::int64_t i = 0; i < together * plane; ++i) values[i] = static_cast<float>(pixels[static_cast<std::size_t>(i % plane * together + i / plane)]) / 255.0f;
  }
}

}  // namespace dsc
