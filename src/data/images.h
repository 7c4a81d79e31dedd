// Pictures as bytes, and the Dataset that turns them into normalised float batches.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/open.h"

namespace dsc {

struct ImageShape {
  std::int64_t channels = 0, height = 0, width = 0;
  std::int64_t bytes() const { return channels * height * width; }
};

// The selected examples of a split. Reading is safe from several threads.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  virtual ImageShape shape() const = 0;
  virtual std::int64_t size() const = 0;
  virtual bool has_labels() const { return true; }
  virtual std::int64_t label(std::int64_t index) const = 0;
  // Of examples that may have several classes: how many there are, and 1 for each that an example has. 0: one label each.
  virtual std::int64_t label_count() const { return 0; }
  virtual void read_labels(std::int64_t, float*) const {}
  // Of segmentation: a class for each pixel in place of the label, [H, W], kNoLabel where there is none.
  virtual bool has_masks() const { return false; }
  virtual bool has_places() const { return has_masks(); }  // whether what is to be found has a place in the picture, which must not be turned
  virtual void read_classes(std::int64_t, std::vector<std::int64_t>& classes) const { classes.clear(); }
  virtual std::optional<std::int64_t> classes() const = 0;
  virtual std::vector<std::string> class_names() const { return {}; }
  virtual std::vector<std::string> notes() const { return {}; }  // DatasetInfo::notes
  // The picture in planes [C, H, W]: a pointer into the source's memory, or into `scratch`, which it may resize.
  virtual const std::uint8_t* pixels(std::int64_t index, std::vector<std::uint8_t>& scratch) const = 0;
};

// Pictures that are all in memory.
class MemoryImages : public ImageSource {
 public:
  MemoryImages(ImageShape shape, std::int64_t classes) : shape_(shape), classes_(classes) {}
  void reserve(std::size_t count);
  // Appends one example, its picture to be filled in by the caller. The pointer is valid until the next call.
  std::uint8_t* add(std::int64_t label);
  void set_classes(std::int64_t classes) { classes_ = classes; }

  ImageShape shape() const override { return shape_; }
  std::int64_t size() const override { return static_cast<std::int64_t>(labels_.size()); }
  std::int64_t label(std::int64_t index) const override { return labels_[static_cast<std::size_t>(index)]; }
  std::optional<std::int64_t> classes() const override { return classes_; }
  const std::uint8_t* pixels(std::int64_t index, std::vector<std::uint8_t>&) const override {
    return bytes_.data() + index * shape_.bytes();
  }

 private:
  ImageShape shape_;
  std::int64_t classes_;
  std::vector<std::uint8_t> bytes_;
  std::vector<std::int64_t> labels_;
};

// errors: data, when mean and std do not fit the channels.
std::unique_ptr<Dataset> make_image_dataset(std::unique_ptr<ImageSource> source, const SplitConfig& split,
                                            const std::optional<NormalizeConfig>& normalize);

// One function per format; each reads what `split` selects. errors: data, naming file, offset and remedy.
std::unique_ptr<ImageSource> open_cifar(const SplitConfig& split);
std::unique_ptr<ImageSource> open_idx(const SplitConfig& split);
std::unique_ptr<ImageSource> open_image_folder(const SplitConfig& split);
std::unique_ptr<ImageSource> open_segmentation(const SplitConfig& split);
// Pictures without labels, brought to one size as `split` says.
std::unique_ptr<ImageSource> open_image_files(std::vector<std::string> files, std::vector<std::string> notes, const SplitConfig& split);

}  // namespace dsc
