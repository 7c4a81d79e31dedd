#include "data/text_variants.h"

#include <functional>
#include <set>

#include "core/random.h"
#include "dscompress/error.h"
#include "text/augment.h"

namespace dsc {
namespace {

// Changes a copy of one row.
using Change = std::function<void(TextVariant&, Random&)>;

Change replacing(WordChoices choices, double share) {
  return [choices = std::move(choices), share](TextVariant& variant, Random& random) {
    variant.text = replace_words(variant.text, choices, share, random);
    variant.pair = replace_words(variant.pair, choices, share, random);
  };
}

const CorruptionKind& kind_of_text(const std::string& name) {
  const auto& kind = corruption_kind(name);
  if (kind.of_text) return kind;
  throw Error(ErrorCode::data, "the corruption `" + name + "` is for images, and this is text", {}, "use typos, case, truncation or synonyms");
}

Change corrupting(const RandomCorruption& config) {
  for (const auto& name : config.kinds) kind_of_text(name);
  return [config](TextVariant& variant, Random& random) {
    if (random.uniform() >= config.probability) return;
    const auto& kind = corruption_kind(config.kinds[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(config.kinds.size())))]);
    const auto severity = 1 + random.below(config.severity);
    variant.text = corrupt_text(kind, severity, variant.text, {}, random);
    variant.pair = corrupt_text(kind, severity, variant.pair, {}, random);
  };
}

Change change_of(const Augmentation& augmentation, const TextTable& table) {
  if (const auto* synonyms = std::get_if<SynonymReplacement>(&augmentation)) return replacing(read_synonyms(synonyms->path.path), synonyms->share);
  if (const auto* neighbours = std::get_if<NeighbourReplacement>(&augmentation)) return replacing(read_neighbours(neighbours->path.path, neighbours->nearest), neighbours->share);
  if (const auto* translation = std::get_if<BackTranslation>(&augmentation)) {
    const auto& column = table.column(translation->column);
    return [&column](TextVariant& variant, Random&) {
      if (const auto& paraphrase = column[static_cast<std::size_t>(variant.row)]; !paraphrase.empty()) variant.text = paraphrase;
    };
  }
  if (const auto* corruption = std::get_if<RandomCorruption>(&augmentation)) return corrupting(*corruption);
  throw Error(ErrorCode::data, "random_crop, horizontal_flip, rand_augment, mixup and cutmix are for images, and this is text",
              {.pointer = "/augment"}, "use synonyms, neighbours, back_translation or corruption");
}

// Each text by itself, so that the same row is corrupted alike whatever else is read.
void corrupt_variants(const AppliedCorruption& corruption, std::vector<TextVariant>& variants) {
  const auto& kind = kind_of_text(corruption.name);
  const auto synonyms = kind.needs_synonyms ? read_synonyms(corruption.synonyms.path) : WordChoices{};
  const auto seed = derive_seed(corruption.seed, corruption.name, static_cast<std::uint64_t>(corruption.severity));
  for (auto& variant : variants) {
    Random random(derive_seed(seed, "row", static_cast<std::uint64_t>(variant.row)));
    variant.text = corrupt_text(kind, corruption.severity, variant.text, synonyms, random);
    variant.pair = corrupt_text(kind, corruption.severity, variant.pair, synonyms, random);
  }
}

}  // namespace

std::vector<TextVariant> text_variants(const TextTable& table, const std::vector<std::int64_t>& rows, const SplitConfig& split, std::vector<std::string>& notes) {
  const auto& columns = split.text.columns;
  const auto& texts = table.column(columns.text);
  std::vector<TextVariant> variants;
  for (const std::int64_t row : rows) {
    const auto at = static_cast<std::size_t>(row);
    variants.push_back({row, texts[at], columns.pair.empty() ? "" : table.column(columns.pair)[at]});
  }
  if (split.corruption) corrupt_variants(*split.corruption, variants);
  if (split.augment.empty()) return variants;
  std::vector<Change> changes;
  for (const auto& augmentation : split.augment) changes.push_back(change_of(augmentation, table));
  std::int64_t equal = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const TextVariant original = variants[i];
    std::set<std::pair<std::string, std::string>> seen{{original.text, original.pair}};
    for (std::int64_t copy = 0; copy < split.text.variants; ++copy) {
      Random random(derive_seed(derive_seed(static_cast<std::uint64_t>(split.text.variants_seed), "text", static_cast<std::uint64_t>(original.row)),
                                "copy", static_cast<std::uint64_t>(copy)));
      TextVariant variant = original;
      for (const auto& change : changes) change(variant, random);
      if (seen.insert({variant.text, variant.pair}).second) variants.push_back(std::move(variant));
      else ++equal;
    }
  }
  const auto added = static_cast<std::int64_t>(variants.size() - rows.size());
  notes.push_back(std::to_string(added) + " augmented copies of " + std::to_string(rows.size()) + " examples; " + std::to_string(equal) + " more were no different");
  return variants;
}

}  // namespace dsc
