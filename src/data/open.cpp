#include "data/open.h"

#include <filesystem>

#include "data/images.h"
#include "data/tensors.h"
#include "dscompress/error.h"

namespace dsc {

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
    case DataFormat::tensors: return open_tensors(split, normalize);
  }
  throw Error(ErrorCode::internal, "unknown data format");
}

}  // namespace dsc
