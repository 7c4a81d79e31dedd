#include "data/augment.h"

#include <algorithm>

#include "data/class_dimension.h"
#include "dscompress/error.h"

namespace dsc {

void AxisMap::shift(std::int64_t by) {
  // What lay outside the picture before the shift stays black, also when an earlier crop had moved it there.
  const std::int64_t low = std::min(offset, offset + direction * (size_ - 1));
  first = std::max(first, low);
  last = std::min(last, low + size_ - 1);
  offset += direction * by;
}

void AxisMap::mirror() {
  offset += direction * (size_ - 1);
  direction = -direction;
}

PixelMap draw_augmentation(const std::vector<Augmentation>& augmentations, const ImageShape& shape, Random random) {
  PixelMap map(shape);
  for (const Augmentation& augmentation : augmentations) {
    if (const auto* crop = std::get_if<RandomCrop>(&augmentation)) {
      map.y.shift(random.below(2 * crop->padding + 1) - crop->padding);
      map.x.shift(random.below(2 * crop->padding + 1) - crop->padding);
    } else if (const auto* flip = std::get_if<HorizontalFlip>(&augmentation)) {
      if (random.uniform() < flip->probability) map.x.mirror();
    }
  }
  return map;
}

PixelScale pixel_scale(const ImageShape& shape, const std::optional<NormalizeConfig>& normalize) {
  const auto channels = static_cast<std::size_t>(shape.channels);
  if (normalize && normalize->mean.size() != normalize->std.size()) {
    throw Error(ErrorCode::data, "normalize has " + std::to_string(normalize->mean.size()) + " means and " +
                                     std::to_string(normalize->std.size()) + " standard deviations",
                {}, "give one of each per channel");
  }
  if (!normalize || normalize->mean.empty()) return {std::vector<float>(channels, 0), std::vector<float>(channels, 1)};
  if (normalize->mean.size() != channels) {
    throw Error(ErrorCode::data, "normalize has " + std::to_string(normalize->mean.size()) + " means, the images have " +
                                     std::to_string(channels) + (channels == 1 ? " channel" : " channels"),
                {}, "give one mean and one std per channel");
  }
  return {std::vector<float>(normalize->mean.begin(), normalize->mean.end()), std::vector<float>(normalize->std.begin(), normalize->std.end())};
}

std::vector<float> normalisation_table(const ImageShape& shape, const std::optional<NormalizeConfig>& normalize) {
  const auto scale = pixel_scale(shape, normalize);
  std::vector<float> table(scale.mean.size() * 256);
  for (std::size_t c = 0; c < scale.mean.size(); ++c) {
    for (std::size_t v = 0; v < 256; ++v) table[c * 256 + v] = (static_cast<float>(v) / 255.0f - scale.mean[c]) / scale.std[c];
  }
  return table;
}

void render(const std::uint8_t* pixels, const ImageShape& shape, const PixelMap& map, const std::vector<float>& table,
            float* out) {
  const std::int64_t height = shape.height, width = shape.width;
  // Output columns [begin, end) read inside the picture.
  const AxisMap& x = map.x;
  const std::int64_t at_first = (x.first - x.offset) * x.direction, at_last = (x.last - x.offset) * x.direction;
  const std::int64_t begin = std::clamp<std::int64_t>(std::min(at_first, at_last), 0, width);
  const std::int64_t end = std::clamp<std::int64_t>(std::max(at_first, at_last) + 1, begin, width);
  for (std::int64_t c = 0; c < shape.channels; ++c) {
    const float* values = table.data() + c * 256;
    const float black = values[0];
    for (std::int64_t row = 0; row < height; ++row, out += width) {
      const std::int64_t source_row = map.y.direction * row + map.y.offset;
      if (source_row < map.y.first || source_row > map.y.last || x.first > x.last) {
        std::fill_n(out, width, black);
        continue;
      }
      const std::uint8_t* source = pixels + (c * height + source_row) * width + x.offset;
      std::fill_n(out, begin, black);
      if (x.direction > 0) {
        for (std::int64_t i = begin; i < end; ++i) out[i] = values[source[i]];
      } else {
        for (std::int64_t i = begin; i < end; ++i) out[i] = values[source[-i]];
      }
      std::fill_n(out + end, width - end, black);
    }
  }
}

void move_classes(const std::int64_t* classes, const ImageShape& shape, const PixelMap& map, std::int64_t* out) {
  const auto source = [](const AxisMap& axis, std::int64_t i) {
    const std::int64_t at = axis.direction * i + axis.offset;
    return at < axis.first || at > axis.last ? -1 : at;
  };
  for (std::int64_t row = 0; row < shape.height; ++row) {
    const std::int64_t y = source(map.y, row);
    for (std::int64_t column = 0; column < shape.width; ++column) {
      const std::int64_t x = source(map.x, column);
      *out++ = y < 0 || x < 0 ? kNoLabel : classes[y * shape.width + x];
    }
  }
}

}  // namespace dsc
