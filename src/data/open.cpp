#include "data/open.h"

#include <filesystem>

#include "data/coco.h"
#include "data/images.h"
#include "data/series.h"
#include "data/tensors.h"
#include "data/tokens.h"
#include "dscompress/error.h"

namespace dsc {

std::vector<std::string> ingredients(const SplitConfig& split) {
  std::vector<std::string> files;
  if (holds_text(split.format)) {
    const std::filesystem::path tokenizer = split.text.tokenizer.path;
    files = {tokenizer.string(), std::filesystem::path(tokenizer).replace_extension(".bin").string()};
  }
  if (const std::filesystem::path encoder = split.text.encoder.path; !encoder.empty()) {
    files.push_back(encoder.string());
    for (const char* end : {".tokenizer.xml", ".tokenizer.bin"}) files.push_back(std::filesystem::path(encoder).replace_extension(end).string());
  }
  for (const auto& augmentation : split.augment) {
    if (const auto* synonyms = std::get_if<SynonymReplacement>(&augmentation)) files.push_back(synonyms->path.path);
    if (const auto* neighbours = std::get_if<NeighbourReplacement>(&augmentation)) files.push_back(neighbours->path.path);
  }
  return files;
}

namespace {

// Spans of answers and blocks of text lie in the words as they are.
void refuse_corruption(const SplitConfig& split) {
  if (!split.corruption) return;
  throw Error(ErrorCode::data, "the corruption `" + split.corruption->name + "` cannot be had of format " + to_text(split.format), {}, "formats of images and `text` have corruptions");
}

}  // namespace

std::unique_ptr<Dataset> open_dataset(const SplitConfig& config, const std::optional<NormalizeConfig>& normalize,
                                      std::int64_t limit) {
  SplitConfig split = config;
  split.limit = limit;
  std::error_code code;
  if (!std::filesystem::exists(split.path.path, code)) {
    throw Error(ErrorCode::data, "no such file or folder: " + split.path.path, {.file = split.path.path},
                "`path` starts at the recipe's folder when it is relative; check it, or fetch the data");
  }
  switch (split.format) {
    case DataFormat::cifar10:
    case DataFormat::cifar100: return make_image_dataset(open_cifar(split), split, normalize);
    case DataFormat::mnist: return make_image_dataset(open_idx(split), split, normalize);
    case DataFormat::image_folder: return make_image_dataset(open_image_folder(split), split, normalize);
    case DataFormat::segmentation:
      return make_image_dataset(open_segmentation(split), split, normalize);
    case DataFormat::coco:
      return open_coco(split, normalize);
    case DataFormat::series:
      refuse_corruption(split);
      return open_series(split);
    case DataFormat::tensors: return open_tensors(split, normalize);
    case DataFormat::text: return open_text(split);
    case DataFormat::squad: refuse_corruption(split); return open_squad(split);
    case DataFormat::lm: refuse_corruption(split); return open_lm(split);
    case DataFormat::generation:
      refuse_corruption(split);
      return open_generation(split);
    case DataFormat::multiple_choice: refuse_corruption(split); return open_multiple_choice(split);
  }
  throw Error(ErrorCode::internal, "unknown data format");
}

}  // namespace dsc
