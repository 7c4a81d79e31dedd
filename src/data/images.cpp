#include "data/images.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "core/random.h"
#include "data/augment.h"
#include "data/column.h"
#include "data/corruption.h"
#include "data/mix.h"
#include "data/rand_augment.h"
#include "dscompress/error.h"
#include "io/pt2_schema.h"

namespace dsc {
namespace {

// Pictures as a corruption leaves them.
class CorruptedImages final : public ImageSource {
 public:
  CorruptedImages(std::unique_ptr<ImageSource> source, const AppliedCorruption& corruption)
      : source_(std::move(source)), shape_(source_->shape()), corruption_(corruption), kind_(corruption_kind(corruption.name)) {}
  ImageShape shape() const override { return shape_; }
  std::int64_t size() const override { return source_->size(); }
  bool has_labels() const override { return source_->has_labels(); }
  std::int64_t label(std::int64_t index) const override { return source_->label(index); }
  std::int64_t label_count() const override { return source_->label_count(); }
  void read_labels(std::int64_t index, float* labels) const override { source_->read_labels(index, labels); }
  bool has_masks() const override { return source_->has_masks(); }
  bool has_places() const override { return source_->has_places(); }
  void read_classes(std::int64_t index, std::vector<std::int64_t>& classes) const override { source_->read_classes(index, classes); }
  std::optional<std::int64_t> classes() const override { return source_->classes(); }
  std::vector<std::string> class_names() const override { return source_->class_names(); }
  std::vector<std::string> notes() const override { return source_->notes(); }
  const std::uint8_t* pixels(std::int64_t index, std::vector<std::uint8_t>& scratch) const override {
    std::vector<std::uint8_t> read;
    const std::uint8_t* clean = source_->pixels(index, read);
    scratch.assign(clean, clean + shape_.bytes());
    Random random(derive_seed(derive_seed(corruption_.seed, corruption_.name, static_cast<std::uint64_t>(corruption_.severity)), "example", static_cast<std::uint64_t>(index)));
    corrupt_pixels(kind_, corruption_.severity, shape_, random, scratch);
    return scratch.data();
  }

 private:
  std::unique_ptr<ImageSource> source_;
  ImageShape shape_;
  AppliedCorruption corruption_;
  const CorruptionKind& kind_;
};

void refuse_kind_of_text(const std::string& name) {
  if (corruption_kind(name).of_image) return;
  throw Error(ErrorCode::data, "the corruption `" + name + "` is for text, and these are images", {}, "use gaussian_noise, gaussian_blur, jpeg or another one of images");
}

void refuse_turning(const std::string& name) {
  if (name != "rotation") return;
  throw Error(ErrorCode::data, "the corruption `rotation` would leave masks and boxes as they are", {},
              "use one that moves no pixels, such as gaussian_noise or brightness");
}

void refuse_unless_image(const Augmentation& augmentation) {
  if (const auto* corruption = std::get_if<RandomCorruption>(&augmentation)) {
    for (const auto& kind : corruption->kinds) refuse_kind_of_text(kind);
  }
  const bool text = std::holds_alternative<SynonymReplacement>(augmentation) || std::holds_alternative<NeighbourReplacement>(augmentation) ||
                    std::holds_alternative<BackTranslation>(augmentation);
  if (text)
    throw Error(ErrorCode::data, "synonyms, neighbours and back_translation are for text, and these are images", {.pointer = "/augment"},
                "use random_crop, horizontal_flip, rand_augment, mixup or cutmix");
}

// What the source calls its classes, or else the recipe.
std::vector<std::string> names_of_classes(const ImageSource& source, const std::vector<std::string>& given) {
  if (auto names = source.class_names(); !names.empty()) return names;
  const std::int64_t count = source.classes().value_or(0);
  if (!given.empty() && static_cast<std::int64_t>(given.size()) < count) {
    throw Error(ErrorCode::data, "`classes` has " + std::to_string(given.size()) + " names, the data has " + std::to_string(count) + " classes", {},
                "name every class, in the order of their numbers");
  }
  return given;
}

void refuse_mixing(const Augmentation& augmentation) {
  if (!std::holds_alternative<Mixup>(augmentation) && !std::holds_alternative<CutMix>(augmentation)) return;
  throw Error(ErrorCode::data, "mixup and cutmix mix one class with another, and examples have several", {.pointer = "/augment"},
              "use random_crop, horizontal_flip, rand_augment or corruption");
}

// Masks go through crops and flips with their pictures, and through nothing else.
void refuse_moving(const Augmentation& augmentation) {
  const bool mixes = std::holds_alternative<Mixup>(augmentation) || std::holds_alternative<CutMix>(augmentation);
  if (mixes || std::holds_alternative<RandAugment>(augmentation)) {
    throw Error(ErrorCode::data, "mixup, cutmix and rand_augment would leave the masks of a segmentation as they are", {.pointer = "/augment"},
                "use random_crop, horizontal_flip or corruption");
  }
  if (const auto* corruption = std::get_if<RandomCorruption>(&augmentation)) {
    for (const auto& kind : corruption->kinds) refuse_turning(kind);
  }
}

// What a batch's pictures are to be: a class each, several classes, or a class for each pixel, as the source has them.
class ImageTargets {
 public:
  // Sets `batch.target` to room for `count` pictures.
  ImageTargets(const ImageSource& source, const ImageShape& shape, std::int64_t count, Batch& batch) : source_(source), shape_(shape) {
    batch.multi_label = source.label_count() > 0;
    if (source.has_masks()) {
      batch.target = at::empty({count, shape.height, shape.width}, at::kLong);
      classes_ = batch.target.mutable_data_ptr<std::int64_t>();
    } else if (batch.multi_label) {
      batch.target = at::empty({count, source.label_count()}, at::kFloat);
      shares_ = batch.target.mutable_data_ptr<float>();
    } else if (source.has_labels()) {
      batch.target = at::empty({count}, at::kLong);
      label_ = batch.target.mutable_data_ptr<std::int64_t>();
    }
  }

  // Writes those of the next picture, whose pixels moved as `map` says.
  void add(std::int64_t index, const PixelMap& map) {
    if (classes_) {
      source_.read_classes(index, mask_);
      move_classes(mask_.data(), shape_, map, classes_);
      classes_ += shape_.height * shape_.width;
    }
    if (shares_) {
      source_.read_labels(index, shares_);
      shares_ += source_.label_count();
    }
    if (label_) *label_++ = source_.label(index);
  }

 private:
  const ImageSource& source_;
  const ImageShape& shape_;
  std::int64_t *label_ = nullptr, *classes_ = nullptr;
  float* shares_ = nullptr;
  std::vector<std::int64_t> mask_;
};

class ImageDataset : public Dataset {
 public:
  ImageDataset(std::unique_ptr<ImageSource> source, const SplitConfig& split,
               const std::optional<NormalizeConfig>& normalize)
      : source_(std::move(source)),
        shape_(source_->shape()),
        augment_(split.augment),
        table_(normalisation_table(shape_, normalize)) {
    for (const auto& augmentation : augment_) {
      changes_pixels_ = changes_pixels_ || std::holds_alternative<RandAugment>(augmentation) || std::holds_alternative<RandomCorruption>(augmentation);
      refuse_unless_image(augmentation);
      if (source_->has_masks()) refuse_moving(augmentation);
      if (source_->label_count() > 0) refuse_mixing(augmentation);
    }
    info_.description = std::string(enum_names(split.format)[static_cast<std::size_t>(split.format)]) + " " +
                        split.split + ", " + std::to_string(source_->size()) + " examples";
    info_.inputs = {TensorType{.dtype = ScalarType::f32,
                               .sizes = {Dim{shape_.channels}, Dim{shape_.height}, Dim{shape_.width}}}};
    info_.classes = source_->classes();
    info_.per_pixel = source_->has_masks();
    info_.class_names = names_of_classes(*source_, split.text.classes);
    info_.notes = source_->notes();
    normalized_ = normalize && !normalize->mean.empty();
    info_.pixels = pixel_scale(shape_, normalize);
  }

  std::int64_t size() const override { return source_->size(); }
  const DatasetInfo& info() const override { return info_; }
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t> augment_seed) const override;
  bool set_input_type(std::size_t, ScalarType type) override;

 private:
  void give_pixels(ScalarType type);

  std::unique_ptr<ImageSource> source_;
  ImageShape shape_;
  std::vector<Augmentation> augment_;
  bool changes_pixels_ = false;
  std::vector<float> table_;
  bool normalized_ = false;
  DatasetInfo info_;
};

bool ImageDataset::set_input_type(std::size_t, ScalarType type) {
  if (type == ScalarType::boolean || !is_readable(pt2::to_aten(type))) return false;
  if (!is_floating(type)) give_pixels(type);
  if (!is_floating(type)) info_.pixels.reset();
  info_.inputs.front().dtype = type;
  return true;
}

// A model of whole numbers scales and normalises by itself.
void ImageDataset::give_pixels(ScalarType type) {
  const std::string takes = "the model takes pixels from 0 to 255 as " + std::string(to_string(type));
  if (type == ScalarType::i8) throw Error(ErrorCode::data, "the model takes i8, which cannot hold pixels above 127", {}, "give the pixels as the model expects them in a tensors file");
  if (normalized_) throw Error(ErrorCode::data, takes + ", and normalize is for floating-point inputs", {}, "remove normalize: such a model does it by itself");
  for (const auto& augmentation : augment_) {
    if (!std::holds_alternative<Mixup>(augmentation) && !std::holds_alternative<CutMix>(augmentation)) continue;
    throw Error(ErrorCode::data, takes + ", and mixed pictures are no whole numbers", {.pointer = "/augment"}, "remove mixup and cutmix");
  }
  for (std::size_t i = 0; i < table_.size(); ++i) table_[i] = static_cast<float>(i % 256);
}

// RandAugment and corruptions, in the order of the recipe, before crops and flips.
void change_pixels(const std::vector<Augmentation>& augmentations, const ImageShape& shape, std::uint64_t seed, std::uint64_t example, std::vector<std::uint8_t>& pixels) {
  for (const auto& augmentation : augmentations) {
    if (const auto* operations = std::get_if<RandAugment>(&augmentation)) {
      Random random(derive_seed(seed, "rand_augment", example));
      rand_augment(*operations, shape, random, pixels);
    } else if (const auto* corruption = std::get_if<RandomCorruption>(&augmentation)) {
      Random random(derive_seed(seed, "corruption", example));
      if (random.uniform() >= corruption->probability) continue;
      const auto& name = corruption->kinds[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(corruption->kinds.size())))];
      corrupt_pixels(corruption_kind(name), 1 + random.below(corruption->severity), shape, random, pixels);
    }
  }
}

// Plain loops, so that a loader's thread does not start threads of its own.
Batch ImageDataset::batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t> augment_seed) const {
  const auto count = static_cast<std::int64_t>(indices.size());
  Batch batch;
  batch.indices.assign(indices.begin(), indices.end());
  batch.inputs.push_back(at::empty({count, shape_.channels, shape_.height, shape_.width}, at::kFloat));
  float* out = batch.inputs[0].mutable_data_ptr<float>();
  ImageTargets targets(*source_, shape_, count, batch);
  std::vector<std::uint8_t> scratch, changed;
  const PixelMap unchanged(shape_);
  const bool augmented = augment_seed && !augment_.empty();
  for (const std::int64_t index : indices) {
    const std::uint8_t* pixels = source_->pixels(index, scratch);
    const auto number = static_cast<std::uint64_t>(index);
    if (augmented && changes_pixels_) {
      changed.assign(pixels, pixels + shape_.bytes());
      change_pixels(augment_, shape_, *augment_seed, number, changed);
      pixels = changed.data();
    }
    const PixelMap map = augmented ? draw_augmentation(augment_, shape_, Random(derive_seed(*augment_seed, "augment", number))) : unchanged;
    render(pixels, shape_, map, table_, out);
    out += shape_.bytes();
    targets.add(index, map);
  }
  if (augmented && source_->has_labels() && info_.classes && !indices.empty()) {
    mix_batch(augment_, *info_.classes, Random(derive_seed(*augment_seed, "mix", static_cast<std::uint64_t>(indices[0]))), batch);
  }
  if (const auto type = info_.inputs.front().dtype; type != ScalarType::f32) batch.inputs[0] = as_type(batch.inputs[0], pt2::to_aten(type));
  return batch;
}

}  // namespace

void MemoryImages::reserve(std::size_t count) {
  bytes_.reserve(count * static_cast<std::size_t>(shape_.bytes()));
  labels_.reserve(count);
}

std::uint8_t* MemoryImages::add(std::int64_t label) {
  labels_.push_back(label);
  bytes_.resize(bytes_.size() + static_cast<std::size_t>(shape_.bytes()));
  return bytes_.data() + bytes_.size() - shape_.bytes();
}

std::unique_ptr<Dataset> make_image_dataset(std::unique_ptr<ImageSource> source, const SplitConfig& split,
                                            const std::optional<NormalizeConfig>& normalize) {
  if (split.corruption) {
    refuse_kind_of_text(split.corruption->name);
    if (source->has_places()) refuse_turning(split.corruption->name);
    source = std::make_unique<CorruptedImages>(std::move(source), *split.corruption);
  }
  return std::make_unique<ImageDataset>(std::move(source), split, normalize);
}

}  // namespace dsc
