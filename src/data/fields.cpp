// What the `data:` section of a recipe accepts.
#include <array>

#include "data/open.h"
#include "data/split.h"
#include "dscompress/error.h"

namespace dsc {

std::span<const std::string_view> enum_names(DataFormat) {
  static constexpr std::array<std::string_view, 5> kNames{"cifar10", "cifar100", "mnist", "image_folder", "tensors"};
  return kNames;
}

void RandomCrop::fields(FieldVisitor& visit) {
  visit("padding", padding, {.text = "Black border on each side before the crop.", .unit = "pixels", .minimum = 1, .maximum = 1024});
}

void HorizontalFlip::fields(FieldVisitor& visit) {
  visit("probability", probability, {.text = "Share of the images that are mirrored.", .unit = "fraction", .minimum = 0, .maximum = 1});
}

void SplitConfig::fields(FieldVisitor& visit) {
  visit("format", format, {.text = "How the files are laid out.", .required = true});
  visit("path", path, {.text = "The folder (or file) that holds the data.", .required = true});
  visit("split", split, {.text = "Which examples: a name and perhaps a slice, e.g. train[:-5000] or test[10%:20%]; "
                                  "`all` is the whole path of an image_folder or of tensors."});
  visit("subset", subset, {.text = "At most so many examples, drawn at random; 0: all.", .unit = "examples", .minimum = 0});
  visit("subset_seed", subset_seed, {.text = "Seed of the subset's draw.", .minimum = 0});
  visit("augment", augment, {.text = "Random changes of training images, in this order."});
  visit("image_size", image_size, {.text = "image_folder: side of the centre crop; 0: the images' own size.",
                                    .unit = "pixels", .minimum = 0, .maximum = 16384});
  visit("resize", resize, {.text = "image_folder: shorter side before the crop; 0: image_size.", .unit = "pixels", .minimum = 0, .maximum = 16384});
  visit("channels", channels, {.text = "image_folder: 3 for colour, 1 for grey.", .minimum = 1, .maximum = 3});
  visit("inputs", inputs, {.text = "tensors: the input columns in the model's order; empty: all but the label."});
  visit("label", label, {.text = "tensors: the label column, used where there is one; empty: unlabelled."});
  visit.check(channels == 2 ? "channels must be 3 or 1" : "");
  visit.check(resize != 0 && resize < image_size ? "resize is smaller than image_size: the crop would not fit" : "");
  std::string problem;
  try {
    parse_split(split);
  } catch (const Error& error) {
    problem = error.problems().front().message + "; " + error.problems().front().hint;
  }
  visit.check(problem);
}

void NormalizeConfig::fields(FieldVisitor& visit) {
  visit("mean", mean, {.text = "Mean of each channel, of pixels in [0, 1]."});
  visit("std", std, {.text = "Standard deviation of each channel, of pixels in [0, 1].", .minimum = 1e-6});
  visit.check(mean.size() != std.size() ? "mean has " + std::to_string(mean.size()) + " numbers and std has " +
                                              std::to_string(std.size()) + ": one of each per channel is expected"
                                        : "");
}

void DataConfig::fields(FieldVisitor& visit) {
  visit("train", train, {.text = "Examples to train on."});
  visit("valid", valid, {.text = "Examples for early stopping, roll-back and choosing the best epoch."});
  visit("eval", eval, {.text = "Examples that the reported metrics are measured on."});
  visit("calibration", calibration, {.text = "Examples for calibration; absent: `train` without augmentation."});
  visit("normalize", normalize, {.text = "Normalisation of image channels; absent: pixels in [0, 1]."});
}

}  // namespace dsc
