// The `data:` section of a recipe, and opening what it names.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "data/corruption.h"
#include "data/dataset.h"
#include "data/detections.h"
#include "data/series_config.h"
#include "data/text_config.h"
#include "dscompress/error.h"

namespace dsc {

struct RandomCrop {
  static constexpr const char* kName = "random_crop";
  std::int64_t padding = 4;  // pixels of black on each side, put on before normalisation; the crop has the image's size
  void fields(FieldVisitor& visit);
};
struct HorizontalFlip {
  static constexpr const char* kName = "horizontal_flip";
  double probability = 0.5;
  void fields(FieldVisitor& visit);
};
// Random operations one after the other, each of the same strength.
// source: Cubuk et al. 2019, arXiv:1909.13719.
struct RandAugment {
  static constexpr const char* kName = "rand_augment";
  std::int64_t operations = 2;
  std::int64_t magnitude = 9;  // of 30
  void fields(FieldVisitor& visit);
};
// Pictures become weighted means of two of the batch, and labels likewise. source: Zhang et al. 2017, arXiv:1710.09412.
struct Mixup {
  static constexpr const char* kName = "mixup";
  double alpha = 0.2;  // both parameters of the weight's beta distribution
  void fields(FieldVisitor& visit);
};
// A rectangle is replaced by that of another picture of the batch. source: Yun et al. 2019, arXiv:1905.04899.
struct CutMix {
  static constexpr const char* kName = "cutmix";
  double alpha = 1.0;
  void fields(FieldVisitor& visit);
};
// Of text, see text/augment.h.
struct SynonymReplacement {
  static constexpr const char* kName = "synonyms";
  FilePath path;
  double share = 0.15;
  void fields(FieldVisitor& visit);
};
struct NeighbourReplacement {
  static constexpr const char* kName = "neighbours";
  FilePath path;
  double share = 0.15;
  std::int64_t nearest = 10;
  void fields(FieldVisitor& visit);
};
struct BackTranslation {
  static constexpr const char* kName = "back_translation";
  std::string column;
  void fields(FieldVisitor& visit);
};
// One of the corruptions that need no file, of a severity up to the largest (data/corruption.h).
struct RandomCorruption {
  static constexpr const char* kName = "corruption";
  std::vector<std::string> kinds = {"gaussian_noise", "shot_noise", "impulse_noise"};
  std::int64_t severity = 3;  // the largest
  double probability = 0.5;
  void fields(FieldVisitor& visit);
};
using Augmentation =
    std::variant<RandomCrop, HorizontalFlip, RandAugment, Mixup, CutMix, SynonymReplacement, NeighbourReplacement, BackTranslation, RandomCorruption>;

enum class DataFormat : std::uint8_t {
  cifar10,          // folder with data_batch_1..5.bin and test_batch.bin
  cifar100,         // folder with train.bin and test.bin
  mnist,            // folder with IDX files, plain or .gz
  image_folder,     // PATH/SPLIT/CLASS/*.{jpg,jpeg,png,bmp,gif,webp,tif,tiff}
  tensors,          // .safetensors, .npy, or a folder of .npy columns
  text,             // .tsv, .csv, .jsonl, .txt: sentences or pairs, with classes or numbers
  squad,            // SQuAD's JSON: questions, contexts, answers
  lm,               // plain text in blocks
  multiple_choice,  // .jsonl: questions, each with choices that a language model finds more or less likely
  segmentation,     // PATH/SPLIT/images/*.jpg, ... and PATH/SPLIT/masks/*.png of the same names
  series,           // time series: .ts, .arff, and .tsv, .csv, .txt with the label first
  coco,             // COCO's JSON: pictures with boxes
  generation        // .jsonl, .tsv, .csv: prompts for a language model, and references
};
std::span<const std::string_view> enum_names(DataFormat);
inline bool holds_text(DataFormat format) {
  return format == DataFormat::text || format == DataFormat::squad || format == DataFormat::lm || format == DataFormat::multiple_choice ||
         format == DataFormat::generation;
}

struct SplitConfig {
  DataFormat format = DataFormat::cifar10;
  FilePath path;
  // "train", "test", "train[:-5000]", "train[10%:20%]", "test[::2]". For image_folder and tensors the name is a
  // sub-folder or file below `path`, and "all" is `path` itself; text files given as `path` need none. The pictures of an image_folder are shuffled once with a
  // fixed seed, so that a slice holds all classes.
  std::string split = "train";
  std::int64_t subset = 0;     // at most so many examples, drawn with `subset_seed`; 0: all
  std::int64_t subset_seed = 0;
  std::vector<Augmentation> augment;
  std::int64_t image_size = 0;      // image_folder, segmentation: centre crop to this square, of coco stretched to it; 0: as they are (all alike)
  std::int64_t resize = 0;          // image_folder, segmentation: the shorter side before the crop; 0: image_size
  std::int64_t channels = 3;        // image_folder, segmentation, coco: 3 colour, 1 grey
  std::int64_t ignore_index = 255;  // segmentation: value of a mask's pixels that have no class; -1: none
  // tensors: names of the input columns, in the model's order; empty: all but the label, by the model's names. text, squad, lm: of input_ids,
  // attention_mask and token_type_ids, for models that call them otherwise; empty: by the model's names.
  std::vector<std::string> inputs;
  std::string label = "label";      // tensors: name of the label column, used where there is one; empty: unlabelled
  // tensors, text: further label columns, each with the output that it belongs to: a name or a number from 0; empty: the one of its own name.
  std::map<std::string, std::string> labels;
  bool multi_label = false;         // tensors: the label column is [N, classes], 1 for each class that an example has
  DetectionConfig detection;        // coco
  SeriesConfig series;              // series; `classes` and `regression` below are its own, too
  TextConfig text;                  // text, squad, lm, multiple_choice; its `classes` also image_folder and segmentation
  std::int64_t limit = 0;           // no recipe key: at most so many of the examples, at even distances; 0: all
  std::optional<AppliedCorruption> corruption;  // no recipe key: what is done to every example
  void fields(FieldVisitor& visit);
};

struct NormalizeConfig {
  std::vector<double> mean, std;  // one per channel, of pixels in [0, 1]; empty: x/255 only
  void fields(FieldVisitor& visit);
};

struct DataConfig {
  std::optional<SplitConfig> train, valid, eval, calibration;
  std::map<std::string, SplitConfig> more;  // further training data, for steps with `train_on`
  std::optional<NormalizeConfig> normalize;
  void fields(FieldVisitor& visit);
};

// Files that the examples are made from beside the data itself: tokenizer, words.
std::vector<std::string> ingredients(const SplitConfig& split);

// limit: for smoke runs, at most so many of the examples, taken at even distances; 0: all.
// errors: data (missing or damaged files, empty split, labels out of range), with the file and the remedy.
std::unique_ptr<Dataset> open_dataset(const SplitConfig& split, const std::optional<NormalizeConfig>& normalize,
                                      std::int64_t limit = 0);

// The classes of an image_folder split in the order of their numbers: `classes`, or its folders; empty for other formats.
// errors: data.
std::vector<std::string> class_names_of(const SplitConfig& split);

// The data set with the inputs that the model's graph takes, in its order, its types and its batch size, the rest as `others`;
// unchanged where columns and inputs do not match (match_columns). Further labels know their outputs from then on.
// errors: data, for values that a type cannot hold, and for a label's output that the model has not.
std::unique_ptr<Dataset> bind_inputs(std::unique_ptr<Dataset> dataset, const Model& model);

// Problems that would stop a run: inputs without a column, shapes, dtypes against the model's user inputs and classes against
// the model's output; empty when all fits.
std::vector<Problem> check_against_model(const DatasetInfo& info, const Model& model);
std::vector<Problem> check_against_model(const Dataset& dataset, const Model& model);

}  // namespace dsc
