// Pictures with a class for each pixel: SPLIT/images/*.jpg and SPLIT/masks/*.png of the same names.
#include <algorithm>
#include <filesystem>
#include <set>

#include "data/class_dimension.h"
#include "data/image_file.h"
#include "data/images.h"
#include "data/match_columns.h"
#include "data/split.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

struct MaskedPicture {
  std::string image, mask;
};

fs::path folder_of(const SplitConfig& split) {
  const std::string name = parse_split(split.split).name;
  const fs::path path = split.path.path, folder = name == "all" ? path : path / name;
  for (const char* part : {"images", "masks"}) {
    if (fs::is_directory(folder / part)) continue;
    throw Error(ErrorCode::data, "split `" + split.split + "`: " + folder.string() + " has no folder `" + part + "`", {.file = folder.string()},
                "put pictures into images/ and a PNG of the same name for each into masks/; write split: all if `path` itself holds them");
  }
  return folder;
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && !entry.path().filename().string().starts_with('.') && is_image_name(entry.path().string()))
      files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

[[noreturn]] void fail_without_masks(const std::vector<std::string>& without, std::size_t pictures, const fs::path& masks) {
  constexpr std::size_t kShown = 3;
  std::vector<std::string> shown(without.begin(), without.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, without.size())));
  throw Error(ErrorCode::data,
              std::to_string(without.size()) + " of " + std::to_string(pictures) + " pictures have no mask in " + masks.string() + ": " +
                  joined(shown) + (without.size() > kShown ? ", ..." : ""),
              {.file = masks.string()}, "a picture's mask is the PNG file of the same name; remove pictures that have none");
}

std::vector<MaskedPicture> read_folder(const fs::path& folder, std::vector<std::string>& notes) {
  std::vector<MaskedPicture> pictures;
  std::vector<std::string> without;
  std::set<fs::path> used;
  const auto images = files_in(folder / "images");
  for (const auto& image : images) {
    const fs::path mask = folder / "masks" / (image.stem().string() + ".png");
    if (fs::is_regular_file(mask))
      pictures.push_back({image.string(), mask.string()});
    else
      without.push_back(image.filename().string());
    if (!used.insert(mask).second)
      throw Error(ErrorCode::data, "two pictures have the mask " + mask.string(), {.file = image.string()}, "remove one, or rename it and its mask");
  }
  if (images.empty())
    throw Error(ErrorCode::data, (folder / "images").string() + " holds no images", {.file = folder.string()},
                std::string(kImageFormats) + " are read");
  if (!without.empty()) fail_without_masks(without, images.size(), folder / "masks");
  const auto masks = files_in(folder / "masks");
  const auto alone = std::ranges::count_if(masks, [&](const fs::path& mask) { return !used.contains(mask); });
  if (alone > 0) notes.push_back(std::to_string(alone) + " masks have no picture");
  return pictures;
}

std::string size_text(std::int64_t width, std::int64_t height) { return std::to_string(width) + "x" + std::to_string(height); }

class MaskedImages final : public ImageSource {
 public:
  MaskedImages(std::vector<MaskedPicture> pictures, std::vector<std::string> notes, const SplitConfig& split)
      : masks_(masks_of(pictures)),
        names_(split.text.classes),
        resize_(split.resize ? split.resize : split.image_size),
        crop_(split.image_size),
        ignored_(split.ignore_index) {
    for (const auto& picture : pictures) expect_same_size(picture);
    std::vector<std::string> images;
    for (auto& picture : pictures) images.push_back(std::move(picture.image));
    images_ = open_image_files(std::move(images), std::move(notes), split);
  }

  ImageShape shape() const override { return images_->shape(); }
  std::int64_t size() const override { return images_->size(); }
  bool has_labels() const override { return false; }
  std::int64_t label(std::int64_t) const override { return kNoLabel; }
  std::optional<std::int64_t> classes() const override {
    return names_.empty() ? std::nullopt : std::optional(static_cast<std::int64_t>(names_.size()));
  }
  std::vector<std::string> class_names() const override { return names_; }
  std::vector<std::string> notes() const override { return images_->notes(); }
  const std::uint8_t* pixels(std::int64_t index, std::vector<std::uint8_t>& scratch) const override { return images_->pixels(index, scratch); }
  bool has_masks() const override { return true; }
  void read_classes(std::int64_t index, std::vector<std::int64_t>& classes) const override {
    const std::string& path = masks_[static_cast<std::size_t>(index)];
    std::vector<std::uint8_t> samples;
    read_mask(path, resize_, crop_, samples);
    classes.clear();
    for (const std::uint8_t sample : samples) classes.push_back(sample == ignored_ ? kNoLabel : sample);
    if (!names_.empty()) check_classes(path, classes);
  }

 private:
  static std::vector<std::string> masks_of(const std::vector<MaskedPicture>& pictures) {
    std::vector<std::string> masks;
    for (const auto& picture : pictures) masks.push_back(picture.mask);
    return masks;
  }

  static void expect_same_size(const MaskedPicture& picture) {
    const ImageHeader image = read_image_header(picture.image), mask = read_image_header(picture.mask);
    if (image.width == mask.width && image.height == mask.height) return;
    throw Error(ErrorCode::data,
                picture.mask + " has " + size_text(mask.width, mask.height) + " pixels, its picture " + size_text(image.width, image.height),
                {.file = picture.mask}, "a mask has the size of its picture " + picture.image);
  }

  void check_classes(const std::string& path, const std::vector<std::int64_t>& classes) const {
    const auto largest = std::ranges::max_element(classes);
    if (*largest < static_cast<std::int64_t>(names_.size())) return;
    const auto place = largest - classes.begin();
    throw Error(ErrorCode::data,
                path + " has the value " + std::to_string(*largest) + " at row " + std::to_string(place / shape().width) + ", column " +
                    std::to_string(place % shape().width) + ", and there are " + std::to_string(names_.size()) + " classes",
                {.file = path}, "`classes` names the values from 0; `ignore_index` is the one that counts as none");
  }

  std::vector<std::string> masks_, names_;
  std::int64_t resize_, crop_, ignored_;
  std::unique_ptr<ImageSource> images_;
};

}  // namespace

std::unique_ptr<ImageSource> open_segmentation(const SplitConfig& split) {
  std::vector<std::string> notes;
  const auto pictures = read_folder(folder_of(split), notes);
  std::vector<MaskedPicture> selected;
  for (const std::int64_t i : select_examples(split, static_cast<std::int64_t>(pictures.size())))
    selected.push_back(pictures[static_cast<std::size_t>(i)]);
  return std::make_unique<MaskedImages>(std::move(selected), std::move(notes), split);
}

}  // namespace dsc
