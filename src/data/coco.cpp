#include "data/coco.h"

#include <array>
#include <filesystem>

#include "data/image_file.h"
#include "data/images.h"
#include "data/resize.h"
#include "data/split.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

// The file of annotations, and folders that may hold the pictures.
struct CocoPlace {
  fs::path annotations;
  std::vector<fs::path> folders;
};

CocoPlace locate_coco(const SplitConfig& split) {
  const fs::path path = split.path.path;
  const std::string name = parse_split(split.split).name;
  if (fs::is_regular_file(path)) {
    if (name == "all")
      return {path,
              {path.parent_path(), path.parent_path() / "images", path.parent_path().parent_path(), path.parent_path().parent_path() / "images"}};
    throw Error(ErrorCode::data, "split `" + split.split + "`: " + path.filename().string() + " is one file, it has no splits",
                {.file = path.string()}, "write split: all, or give its folder");
  }
  const std::array<fs::path, 3> places{path / "annotations" / ("instances_" + name + ".json"), path / name / "_annotations.coco.json",
                                       path / (name + ".json")};
  for (const fs::path& place : places) {
    if (fs::is_regular_file(place)) return {place, {path / name, path / "images" / name, path / "images", path}};
  }
  throw Error(ErrorCode::data,
              "split `" + split.split + "`: " + path.string() + " has no annotations/instances_" + name + ".json, " + name +
                  "/_annotations.coco.json or " + name + ".json",
              {.file = path.string()}, "name the file itself as `path`, with split: all");
}

std::string find_picture(const CocoPlace& place, const std::string& file) {
  for (const fs::path& folder : place.folders) {
    if (fs::is_regular_file(folder / file)) return (folder / file).string();
  }
  throw Error(ErrorCode::data, "the image " + file + " of " + place.annotations.filename().string() + " is not in " + place.folders.front().string(),
              {.file = place.annotations.string()}, "put the images there, into images/ beside the file, or beside the file itself");
}

// Pictures stretched to one size, so that boxes only scale.
class StretchedImages final : public ImageSource {
 public:
  StretchedImages(std::vector<std::string> files, std::vector<std::string> notes, const SplitConfig& split)
      : files_(std::move(files)), notes_(std::move(notes)), side_(split.image_size) {
    const ImageHeader first = read_image_header(files_.front());
    shape_ = {split.channels, side_ ? side_ : first.height, side_ ? side_ : first.width};
  }
  ImageShape shape() const override { return shape_; }
  std::int64_t size() const override { return static_cast<std::int64_t>(files_.size()); }
  bool has_labels() const override { return false; }
  std::int64_t label(std::int64_t) const override { return 0; }
  std::optional<std::int64_t> classes() const override { return std::nullopt; }
  std::vector<std::string> notes() const override { return notes_; }
  bool has_places() const override { return true; }
  const std::uint8_t* pixels(std::int64_t index, std::vector<std::uint8_t>& scratch) const override {
    const std::string& file = files_[static_cast<std::size_t>(index)];
    const ImageShape found = read_image(file, shape_.channels, 0, 0, scratch);
    if (found.height == shape_.height && found.width == shape_.width) return scratch.data();
    if (!side_) expect_shape(file, found, shape_);
    std::vector<std::uint8_t> stretched;
    for (std::int64_t c = 0; c < shape_.channels; ++c) {
      const Raster plane = resize_bilinear(scratch.data() + c * found.height * found.width, found.width, found.height, 1, side_, side_);
      stretched.insert(stretched.end(), plane.bytes.begin(), plane.bytes.end());
    }
    scratch = std::move(stretched);
    return scratch.data();
  }

 private:
  std::vector<std::string> files_, notes_;
  std::int64_t side_;
  ImageShape shape_;
};

class DetectionDataset final : public Dataset {
 public:
  DetectionDataset(std::unique_ptr<Dataset> pictures, DetectionKey key, std::vector<std::string> files)
      : pictures_(std::move(pictures)), key_(std::move(key)), files_(std::move(files)) {}
  std::int64_t size() const override { return pictures_->size(); }
  const DatasetInfo& info() const override { return pictures_->info(); }
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t> augment_seed) const override {
    return pictures_->batch(indices, augment_seed);
  }
  bool set_input_type(std::size_t input, ScalarType type) override { return pictures_->set_input_type(input, type); }
  const DetectionKey* detections() const override { return &key_; }
  std::string show(std::int64_t index) const override {
    const auto i = static_cast<std::size_t>(index);
    return files_[i] + ", " + std::to_string(key_.pictures[i].boxes.size()) + " boxes";
  }

 private:
  std::unique_ptr<Dataset> pictures_;
  DetectionKey key_;
  std::vector<std::string> files_;
};

}  // namespace

std::span<const std::string_view> enum_names(BoxForm) {
  static constexpr std::array<std::string_view, 3> kNames{"xyxy", "xywh", "cxcywh"};
  return kNames;
}
std::span<const std::string_view> enum_names(ScoreForm) {
  static constexpr std::array<std::string_view, 3> kNames{"plain", "sigmoid", "softmax"};
  return kNames;
}
std::span<const std::string_view> enum_names(ClassForm) {
  static constexpr std::array<std::string_view, 2> kNames{"index", "category_id"};
  return kNames;
}

void DetectionConfig::fields(FieldVisitor& visit) {
  visit("boxes", boxes, {.text = "Two corners, a corner with width and height, or the centre with width and height."});
  visit("relative", relative, {.text = "Boxes are shares of the picture; otherwise pixels of the model's input."});
  visit("scores", scores, {.text = "What scores are made from: they are scores, logits of each class, or logits with a last class for no object."});
  visit("classes", classes, {.text = "What numbers of classes are: places among the categories in the order of their ids, or the ids."});
}

std::unique_ptr<Dataset> open_coco(const SplitConfig& split, const std::optional<NormalizeConfig>& normalize) {
  if (!split.augment.empty()) throw Error(ErrorCode::data, "augment would leave the boxes as they are", {.pointer = "/augment"}, "remove augment");
  const CocoPlace place = locate_coco(split);
  CocoFile file = read_coco(place.annotations.string());
  DetectionKey key{.pictures = {}, .category_ids = std::move(file.category_ids), .form = split.detection};
  std::vector<std::string> files;
  for (const std::int64_t i : select_examples(split, static_cast<std::int64_t>(file.pictures.size()))) {
    CocoFile::Picture& picture = file.pictures[static_cast<std::size_t>(i)];
    files.push_back(find_picture(place, picture.file));
    key.pictures.push_back(std::move(picture.boxes));
  }
  std::vector<std::string> notes;
  if (file.flat > 0) notes.push_back(std::to_string(file.flat) + " boxes without any area are left out");
  auto pictures = make_image_dataset(std::make_unique<StretchedImages>(files, std::move(notes), split), split, normalize);
  return std::make_unique<DetectionDataset>(std::move(pictures), std::move(key), std::move(files));
}

}  // namespace dsc
