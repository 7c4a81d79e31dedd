// What the `data:` section of a recipe accepts.
#include <array>

#include "core/names.h"
#include "data/open.h"
#include "data/split.h"
#include "dscompress/error.h"

namespace dsc {

std::span<const std::string_view> enum_names(DataFormat) {
  static constexpr std::array<std::string_view, 13> kNames{"cifar10", "cifar100", "mnist",     "image_folder",    "tensors",
                                                           "text",    "squad",    "lm",        "multiple_choice", "segmentation",
                                                           "series",  "coco",     "generation"};
  return kNames;
}

void RandomCrop::fields(FieldVisitor& visit) {
  visit("padding", padding, {.text = "Black border on each side before the crop.", .unit = "pixels", .minimum = 1, .maximum = 1024});
}

void HorizontalFlip::fields(FieldVisitor& visit) {
  visit("probability", probability, {.text = "Share of the images that are mirrored.", .unit = "fraction", .minimum = 0, .maximum = 1});
}

void RandAugment::fields(FieldVisitor& visit) {
  visit("operations", operations, {.text = "Operations on each image, before it is cropped and mirrored.", .minimum = 1, .maximum = 10});
  visit("magnitude", magnitude, {.text = "Strength of each operation, of 30.", .minimum = 0, .maximum = 30});
}

void Mixup::fields(FieldVisitor& visit) {
  visit("alpha", alpha, {.text = "Shares of the two images are drawn from Beta(alpha, alpha).", .minimum = 1e-3, .maximum = 100});
}

void CutMix::fields(FieldVisitor& visit) {
  visit("alpha", alpha, {.text = "The rectangle's share is drawn from Beta(alpha, alpha).", .minimum = 1e-3, .maximum = 100});
}

void SynonymReplacement::fields(FieldVisitor& visit) {
  visit("path", path, {.text = "Pairs of words (`word synonym` a line) or WordNet's table (.tsv: word, part of speech, synonyms).", .required = true});
  visit("share", share, {.text = "Share of the words with synonyms that are replaced.", .unit = "fraction", .minimum = 0, .maximum = 1});
}

void NeighbourReplacement::fields(FieldVisitor& visit) {
  visit("path", path, {.text = "Word vectors: JSON of word to list of numbers.", .required = true});
  visit("share", share, {.text = "Share of the words with vectors that are replaced.", .unit = "fraction", .minimum = 0, .maximum = 1});
  visit("nearest", nearest, {.text = "How many neighbours are drawn from.", .minimum = 1, .maximum = 1000});
}

void BackTranslation::fields(FieldVisitor& visit) {
  visit("column", column, {.text = "The column with the paraphrase.", .required = true});
}

void RandomCorruption::fields(FieldVisitor& visit) {
  visit("kinds", kinds, {.text = "Names of corruptions, as in evaluate.robustness, of which one is drawn for each example."});
  visit("severity", severity, {.text = "The largest severity; each up to it is drawn as often.", .minimum = 1, .maximum = kSeverities});
  visit("probability", probability, {.text = "Share of the examples that are corrupted.", .unit = "fraction", .minimum = 0, .maximum = 1});
  visit.check(kinds.empty() ? "kinds is empty: name a corruption" : "");
  for (const auto& name : kinds) {
    const auto* kind = find_corruption(name);
    visit.check(kind ? "" : "kinds: there is no corruption `" + name + "`; " + suggest(name, corruption_names()));
    visit.check(kind && kind->needs_synonyms ? "kinds: `" + name + "` needs a file; it is an augmentation of its own" : "");
  }
}

namespace {

// Reports call a metric of a label top1(label=NAME).
std::string problem_with_label(const SplitConfig& split, const std::string& name) {
  if (name.empty() || name.find_first_of(" ()=") != std::string::npos)
    return "labels: `" + name + "` cannot be a label's name in reports; rename the column, without blanks, ( ) and =";
  if (name == (split.format == DataFormat::text ? split.text.columns.label : split.label)) return "labels: `" + name + "` is the label already";
  for (const Augmentation& augmentation : split.augment) {
    const bool mixes = std::holds_alternative<Mixup>(augmentation) || std::holds_alternative<CutMix>(augmentation);
    if (mixes) return "labels: mixup and cutmix mix one label, and this data has several";
  }
  return {};
}

}  // namespace

void SplitConfig::fields(FieldVisitor& visit) {
  visit("format", format, {.text = "How the files are laid out.", .required = true});
  visit("path", path, {.text = "The folder (or file) that holds the data.", .required = true});
  visit("split", split,
        {.text = "Which examples: a name and perhaps a slice, e.g. train[:-5000] or test[10%:20%]; "
                 "`all` is the whole path of an image_folder, of a segmentation or of tensors, and a text file needs no name."});
  visit("subset", subset, {.text = "At most so many examples, drawn at random; 0: all.", .unit = "examples", .minimum = 0});
  visit("subset_seed", subset_seed, {.text = "Seed of the subset's draw.", .minimum = 0});
  visit("augment", augment, {.text = "Random changes of training images or text, in this order."});
  visit("image_size", image_size,
        {.text = "image_folder, segmentation: side of the centre crop; coco: of the square that images are stretched to. 0: the images' own size.",
         .unit = "pixels",
         .minimum = 0,
         .maximum = 16384});
  visit("resize", resize,
        {.text = "image_folder, segmentation: shorter side before the crop; 0: image_size.", .unit = "pixels", .minimum = 0, .maximum = 16384});
  visit("channels", channels, {.text = "image_folder, segmentation, coco: 3 for colour, 1 for grey.", .minimum = 1, .maximum = 3});
  visit("ignore_index", ignore_index,
        {.text = "segmentation: value of a mask's pixels that have no class; -1: all have one.", .minimum = -1, .maximum = 255});
  visit("inputs", inputs,
        {.text = "tensors: the input columns in the model's order; empty: all but the label, found by the model's names. Text: input_ids, attention_mask, token_type_ids in the "
                 "model's order, where it calls them otherwise."});
  visit("label", label, {.text = "tensors: the label column, used where there is one; empty: unlabelled."});
  visit("labels", labels,
        {.text = "tensors, text: further label columns, each with the output that it belongs to, by name or number from 0; \"\": the output of the "
                 "column's name. "
                 "Whole numbers are classes, others real numbers."});
  visit(
      "multi_label", multi_label,
      {.text = "tensors: examples may have several classes; the label column is [N, classes], 1 for each that an example has and 0 for the others."});
  visit("detection", detection, {.text = "coco: how the model gives what it finds."});
  series.fields(visit);
  text.fields(visit);
  const bool has_columns = format == DataFormat::tensors || format == DataFormat::text;
  visit.check(labels.empty() || has_columns ? "" : "labels: only tensors and text have further label columns");
  for (const auto& [name, output] : labels) visit.check(problem_with_label(*this, name));
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
  visit("more", more, {.text = "Further training data by name, for steps with `train_on`: unlabelled text, augmented copies."});
  visit("normalize", normalize, {.text = "Normalisation of image channels; absent: pixels in [0, 1]."});
}

}  // namespace dsc
