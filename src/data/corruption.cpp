#include "data/corruption.h"

#include <algorithm>
#include <cmath>

#include "core/names.h"
#include "data/float_image.h"
#include "dscompress/error.h"
#include "text/corrupt.h"

namespace dsc {
namespace {

std::string typos_of(const std::string& text, double share, const WordChoices&, Random& random) { return add_typos(text, share, random); }
std::string capitals_of(const std::string& text, double share, const WordChoices&, Random& random) { return write_in_capitals(text, share, random); }
std::string beginning_of(const std::string& text, double share, const WordChoices&, Random&) { return cut_words(text, share); }
std::string synonyms_of(const std::string& text, double share, const WordChoices& synonyms, Random& random) { return replace_words(text, synonyms, share, random); }

constexpr Strengths amounts(double one, double two, double three, double four, double five) { return {{{one}, {two}, {three}, {four}, {five}}}; }
constexpr CorruptionKind on_text(std::string_view name, std::string_view summary, decltype(CorruptionKind::of_text) change, const Strengths& shares) {
  return {name, summary, nullptr, change, shares, shares};
}

constexpr CorruptionKind kKinds[] = {
    {"gaussian_noise", "Noise of an amplifier in poor light.", add_gaussian_noise, nullptr, amounts(.04, .06, .08, .09, .1), amounts(.08, .12, .18, .26, .38)},
    {"shot_noise", "Noise of few photons.", add_shot_noise, nullptr, amounts(500, 250, 100, 75, 50), amounts(60, 25, 12, 5, 3)},
    {"impulse_noise", "Single values become black or white.", add_impulse_noise, nullptr, amounts(.01, .02, .03, .05, .07), amounts(.03, .06, .09, .17, .27)},
    {"gaussian_blur", "Out of focus.", blur, nullptr, amounts(.4, .6, .7, .8, 1), amounts(1, 2, 3, 4, 6)},
    {"motion_blur", "The camera moves.", blur_motion, nullptr, {{{1, 6}, {1.5, 6}, {2, 6}, {2, 8}, {2.5, 9}}}, {{{3, 10}, {5, 15}, {8, 15}, {12, 15}, {15, 20}}}},
    {"brightness", "Too much light.", brighten, nullptr, amounts(.05, .1, .15, .2, .3), amounts(.1, .2, .3, .4, .5)},
    {"contrast", "Fog, or a dirty lens.", lower_contrast, nullptr, amounts(.75, .5, .4, .3, .15), amounts(.4, .3, .2, .1, .05)},
    {"jpeg", "Compressed by JPEG.", compress_jpeg, nullptr, amounts(80, 65, 58, 50, 40), amounts(25, 18, 15, 10, 7)},
    {"rotation", "Turned to one side, black beyond the border.", turn, nullptr, amounts(5, 10, 15, 20, 30), amounts(5, 10, 15, 20, 30)},
    {"occlusion", "A grey square in front.", occlude, nullptr, amounts(.1, .2, .3, .4, .5), amounts(.1, .2, .3, .4, .5)},
    on_text("typos", "Letters swapped, left out, doubled, or taken from beside on the keyboard.", typos_of, amounts(.05, .1, .2, .3, .5)),
    on_text("case", "Words in capitals.", capitals_of, amounts(.1, .2, .3, .5, 1)),
    on_text("truncation", "Words are cut off at the end.", beginning_of, amounts(.1, .2, .3, .4, .5)),
    {"synonyms", "Words become others of similar meaning.", nullptr, synonyms_of, amounts(.1, .2, .3, .5, .8), amounts(.1, .2, .3, .5, .8), true},
};

Strength strength_of(const CorruptionKind& kind, std::int64_t severity, bool is_small) {
  return (is_small ? kind.small : kind.large).at(static_cast<std::size_t>(severity - 1));
}

}  // namespace

std::span<const CorruptionKind> corruption_kinds() { return kKinds; }

std::vector<std::string> corruption_names() {
  std::vector<std::string> names;
  for (const auto& kind : kKinds) names.emplace_back(kind.name);
  return names;
}

const CorruptionKind* find_corruption(const std::string& name) {
  const auto* found = std::ranges::find(kKinds, name, &CorruptionKind::name);
  return found == std::end(kKinds) ? nullptr : found;
}

const CorruptionKind& corruption_kind(const std::string& name) {
  if (const auto* found = find_corruption(name)) return *found;
  throw Error(ErrorCode::recipe, "there is no corruption `" + name + "`", {}, suggest(name, corruption_names()));
}

void corrupt_pixels(const CorruptionKind& kind, std::int64_t severity, const ImageShape& shape, Random& random, std::vector<std::uint8_t>& pixels) {
  constexpr std::int64_t kSmall = 64;
  FloatImage image{shape, std::vector<float>(pixels.size())};
  std::ranges::transform(pixels, image.values.begin(), [](std::uint8_t pixel) { return static_cast<float>(pixel) / 255.0f; });
  kind.of_image(image, strength_of(kind, severity, std::min(shape.height, shape.width) <= kSmall), random);
  std::ranges::transform(image.values, pixels.begin(), [](float value) { return static_cast<std::uint8_t>(std::lround(255.0f * std::clamp(value, 0.0f, 1.0f))); });
}

std::string corrupt_text(const CorruptionKind& kind, std::int64_t severity, const std::string& text, const WordChoices& synonyms, Random& random) {
  return kind.of_text(text, strength_of(kind, severity, true).amount, synonyms, random);
}

}  // namespace dsc
