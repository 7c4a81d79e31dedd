// Pictures in files, decoded when a batch needs them; those of class folders.
#include "core/random.h"
#include "data/class_folders.h"
#include "data/image_file.h"
#include "data/images.h"
#include "data/split.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

// Shuffled with a fixed seed, so that a slice holds all classes.
std::vector<Picture> shuffled(const std::vector<Picture>& sorted) {
  std::vector<Picture> pictures;
  for (const std::int64_t i : permutation(static_cast<std::int64_t>(sorted.size()), derive_seed(0, "image_folder"))) {
    pictures.push_back(sorted[static_cast<std::size_t>(i)]);
  }
  return pictures;
}

class FolderImages : public ImageSource {
 public:
  FolderImages(std::vector<Picture> pictures, std::vector<std::string> classes, std::vector<std::string> notes, const SplitConfig& split)
      : pictures_(std::move(pictures)),
        classes_(std::move(classes)),
        notes_(std::move(notes)),
        resize_(split.resize ? split.resize : split.image_size),
        crop_(split.image_size) {
    const ImageHeader first = read_image_header(pictures_.front().path);
    shape_ = {split.channels, crop_ ? crop_ : first.height, crop_ ? crop_ : first.width};
    if (!crop_ && resize_) {
      std::vector<std::uint8_t> planes;
      shape_ = read_image(pictures_.front().path, split.channels, resize_, 0, planes);
    }
    // Reading headers is cheap beside training on the pictures; broken files and odd sizes show before it.
    std::int64_t deep = 0;
    for (const Picture& picture : pictures_) {
      const ImageHeader found = read_image_header(picture.path);
      if (!crop_ && !resize_) expect_shape(picture.path, {split.channels, found.height, found.width}, shape_);
      deep += found.is_deep;
    }
    if (deep > 0) notes_.push_back(std::to_string(deep) + " pictures have 16 bits a channel, of which the upper 8 are read");
  }

  ImageShape shape() const override { return shape_; }
  std::int64_t size() const override { return static_cast<std::int64_t>(pictures_.size()); }
  std::int64_t label(std::int64_t index) const override { return pictures_[static_cast<std::size_t>(index)].label; }
  std::optional<std::int64_t> classes() const override { return static_cast<std::int64_t>(classes_.size()); }
  std::vector<std::string> class_names() const override { return classes_; }
  std::vector<std::string> notes() const override { return notes_; }
  const std::uint8_t* pixels(std::int64_t index, std::vector<std::uint8_t>& scratch) const override {
    const Picture& picture = pictures_[static_cast<std::size_t>(index)];
    expect_shape(picture.path, read_image(picture.path, shape_.channels, resize_, crop_, scratch), shape_);
    return scratch.data();
  }

 private:
  std::vector<Picture> pictures_;
  std::vector<std::string> classes_, notes_;
  std::int64_t resize_, crop_;
  ImageShape shape_;
};

}  // namespace

std::unique_ptr<ImageSource> open_image_files(std::vector<std::string> files, std::vector<std::string> notes, const SplitConfig& split) {
  std::vector<Picture> pictures;
  for (auto& file : files) pictures.push_back({std::move(file), 0});
  return std::make_unique<FolderImages>(std::move(pictures), std::vector<std::string>{}, std::move(notes), split);
}

std::unique_ptr<ImageSource> open_image_folder(const SplitConfig& split) {
  ClassFolders folders = read_class_folders(split);
  const std::vector<Picture> pictures = shuffled(folders.pictures);
  std::vector<Picture> selected;
  for (const std::int64_t i : select_examples(split, static_cast<std::int64_t>(pictures.size()))) {
    selected.push_back(pictures[static_cast<std::size_t>(i)]);
  }
  return std::make_unique<FolderImages>(std::move(selected), std::move(folders.classes), std::move(folders.notes), split);
}

}  // namespace dsc
