// PATH/SPLIT/CLASS/...: classes are the sub-folders in alphabetical order; pictures are decoded when a batch needs them.
#include <algorithm>
#include <filesystem>

#include "core/random.h"
#include "data/image_file.h"
#include "data/images.h"
#include "data/split.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

struct Picture {
  std::string path;
  std::int64_t label = 0;
};

bool is_image(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(), [](unsigned char c) { return std::tolower(c); });
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png" || extension == ".bmp";
}

std::vector<fs::path> sub_folders(const fs::path& folder) {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory() && !entry.path().filename().string().starts_with('.')) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

fs::path locate(const SplitConfig& split) {
  const std::string name = parse_split(split.split).name;
  const fs::path path = split.path.path;
  if (!fs::is_directory(path)) {
    throw Error(ErrorCode::data, path.string() + " is not a folder", {.file = path.string()}, "give a folder of class folders");
  }
  if (name == "all") return path;
  if (fs::is_directory(path / name)) return path / name;
  std::string found;
  for (const fs::path& folder : sub_folders(path)) found += (found.empty() ? "" : ", ") + folder.filename().string();
  throw Error(ErrorCode::data, "split `" + split.split + "`: " + path.string() + " has no folder `" + name + "`",
              {.file = path.string()},
              "it has: " + (found.empty() ? "no folders" : found) + "; write split: all if these are the classes");
}

// All pictures, shuffled with a fixed seed.
std::vector<Picture> list_pictures(const std::vector<fs::path>& classes) {
  std::vector<Picture> sorted;
  for (std::size_t label = 0; label < classes.size(); ++label) {
    const auto before = static_cast<std::ptrdiff_t>(sorted.size());
    for (const auto& entry : fs::recursive_directory_iterator(classes[label])) {
      if (entry.is_regular_file() && is_image(entry.path())) sorted.push_back({entry.path().string(), static_cast<std::int64_t>(label)});
    }
    if (before == static_cast<std::ptrdiff_t>(sorted.size())) {
      throw Error(ErrorCode::data, "class folder " + classes[label].string() + " holds no images",
                  {.file = classes[label].string()}, "JPEG, PNG and BMP are read; remove the folder if it is not a class");
    }
    std::sort(sorted.begin() + before, sorted.end(), [](const Picture& a, const Picture& b) { return a.path < b.path; });
  }
  std::vector<Picture> shuffled;
  for (const std::int64_t i : permutation(static_cast<std::int64_t>(sorted.size()), derive_seed(0, "image_folder"))) {
    shuffled.push_back(sorted[static_cast<std::size_t>(i)]);
  }
  return shuffled;
}

class FolderImages : public ImageSource {
 public:
  FolderImages(std::vector<Picture> pictures, std::int64_t classes, const SplitConfig& split)
      : pictures_(std::move(pictures)),
        classes_(classes),
        resize_(split.resize ? split.resize : split.image_size),
        crop_(split.image_size) {
    const ImageShape first = read_image_header(pictures_.front().path);
    shape_ = {split.channels, crop_ ? crop_ : first.height, crop_ ? crop_ : first.width};
    if (!crop_ && resize_) {
      std::vector<std::uint8_t> planes;
      shape_ = read_image(pictures_.front().path, split.channels, resize_, 0, planes);
    }
    // Reading headers is cheap beside training on the pictures; broken files and odd sizes show before it.
    for (const Picture& picture : pictures_) {
      const ImageShape found = read_image_header(picture.path);
      if (!crop_ && !resize_) expect_shape(picture, {split.channels, found.height, found.width});
    }
  }

  ImageShape shape() const override { return shape_; }
  std::int64_t size() const override { return static_cast<std::int64_t>(pictures_.size()); }
  std::int64_t label(std::int64_t index) const override { return pictures_[static_cast<std::size_t>(index)].label; }
  std::optional<std::int64_t> classes() const override { return classes_; }
  const std::uint8_t* pixels(std::int64_t index, std::vector<std::uint8_t>& scratch) const override {
    const Picture& picture = pictures_[static_cast<std::size_t>(index)];
    expect_shape(picture, read_image(picture.path, shape_.channels, resize_, crop_, scratch));
    return scratch.data();
  }

 private:
  void expect_shape(const Picture& picture, const ImageShape& found) const {
    if (found.height == shape_.height && found.width == shape_.width) return;
    throw Error(ErrorCode::data,
                picture.path + " has " + std::to_string(found.width) + "x" + std::to_string(found.height) + " pixels, others have " +
                    std::to_string(shape_.width) + "x" + std::to_string(shape_.height),
                {.file = picture.path}, "set image_size to bring all images to one size");
  }

  std::vector<Picture> pictures_;
  std::int64_t classes_, resize_, crop_;
  ImageShape shape_;
};

}  // namespace

std::unique_ptr<ImageSource> open_image_folder(const SplitConfig& split) {
  const fs::path folder = locate(split);
  const std::vector<fs::path> classes = sub_folders(folder);
  if (classes.empty()) {
    throw Error(ErrorCode::data, folder.string() + " has no class folders", {.file = folder.string()},
                "put the images of each class into a sub-folder of its name");
  }
  const std::vector<Picture> pictures = list_pictures(classes);
  std::vector<Picture> selected;
  for (const std::int64_t i : select_examples(split, static_cast<std::int64_t>(pictures.size()))) {
    selected.push_back(pictures[static_cast<std::size_t>(i)]);
  }
  return std::make_unique<FolderImages>(std::move(selected), static_cast<std::int64_t>(classes.size()), split);
}

}  // namespace dsc
