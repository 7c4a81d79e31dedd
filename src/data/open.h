// The `data:` section of a recipe, and opening what it names.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "data/dataset.h"

namespace dsc {

struct RandomCrop {
  static constexpr const char* kName = "random_crop";
  std::int64_t padding = 4;  // pixels of zero (after normalisation: of the mean's complement) on each side
  void fields(FieldVisitor& visit);
};
struct HorizontalFlip {
  static constexpr const char* kName = "horizontal_flip";
  double probability = 0.5;
  void fields(FieldVisitor& visit);
};
using Augmentation = std::variant<RandomCrop, HorizontalFlip>;

struct SplitConfig {
  std::string format;          // cifar10, mnist, image_folder, tensors
  FilePath path;
  std::string split = "train"; // "train", "test", "train[:-5000]", "train[10%:20%]", "test[:1000]"
  std::int64_t subset = 0;     // at most so many examples, drawn with `subset_seed`; 0: all
  std::int64_t subset_seed = 0;
  std::vector<Augmentation> augment;
  std::int64_t image_size = 0;      // image_folder: resize and centre-crop to this; 0: as they are
  std::vector<std::string> inputs;  // tensors: names of the input columns, in the model's order
  std::string label = "label";      // tensors: name of the label column; empty: unlabelled
  void fields(FieldVisitor& visit);
};

struct NormalizeConfig {
  std::vector<double> mean, std;  // one per channel, of pixels in [0, 1]; empty: x/255 only
  void fields(FieldVisitor& visit);
};

struct DataConfig {
  std::optional<SplitConfig> train, valid, eval, calibration;
  std::optional<NormalizeConfig> normalize;
  void fields(FieldVisitor& visit);
};

// errors: data (missing or damaged files, empty split, labels out of range), with the file and the remedy.
std::unique_ptr<Dataset> open_dataset(const SplitConfig& split, const std::optional<NormalizeConfig>& normalize);

// Problems that would stop a run: number of inputs, shapes, dtypes against the model's user inputs and classes against
// the model's output; empty when all fits.
std::vector<Problem> check_against_model(const Dataset& dataset, const Model& model);

}  // namespace dsc
