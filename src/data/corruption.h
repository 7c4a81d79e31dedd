// Common corruptions: what happens to pictures and texts where a model is used, in five severities.
//
// A corruption is a property of a split: the pictures' bytes, or the words, are changed before anything else is done with them, so
// that normalisation, tokens and metrics are those of the clean data. To add one is a row of the table, and its function.
//
// source: Hendrycks and Dietterich 2019, arXiv:1903.12261. Strengths of noise, blur, light and JPEG are theirs: those of CIFAR-10-C
// for pictures of up to 64 pixels, those of ImageNet-C for larger ones. Rotation, occlusion and the changes of text are ours.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/random.h"
#include "dscompress/fields.h"
#include "text/augment.h"

namespace dsc {

struct FloatImage;
struct ImageShape;

inline constexpr std::int64_t kSeverities = 5;

// How much is changed. `reach`: of what has a second measure.
struct Strength {
  double amount = 0, reach = 0;
};
using Strengths = std::array<Strength, kSeverities>;

// One row of the table: of pictures, or of text.
struct CorruptionKind {
  std::string_view name, summary;
  void (*of_image)(FloatImage& image, Strength strength, Random& random) = nullptr;
  std::string (*of_text)(const std::string& text, double share, const WordChoices& synonyms, Random& random) = nullptr;
  Strengths small, large;  // of pictures of up to 64 pixels on their shorter side, and of others; of text the same
  bool needs_synonyms = false;
};
std::span<const CorruptionKind> corruption_kinds();
std::vector<std::string> corruption_names();
const CorruptionKind* find_corruption(const std::string& name);
// errors: recipe, for a name that no row has.
const CorruptionKind& corruption_kind(const std::string& name);

// What is done to every example of a split; what is random depends on `seed` and the example alone.
struct AppliedCorruption {
  std::string name;           // of the table
  std::int64_t severity = 1;  // 1 to 5
  std::uint64_t seed = 0;
  FilePath synonyms;          // where the kind needs them (read_synonyms)
};

// Planes [C, H, W] of bytes, in place.
void corrupt_pixels(const CorruptionKind& kind, std::int64_t severity, const ImageShape& shape, Random& random, std::vector<std::uint8_t>& pixels);
std::string corrupt_text(const CorruptionKind& kind, std::int64_t severity, const std::string& text, const WordChoices& synonyms, Random& random);

}  // namespace dsc
