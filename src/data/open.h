// The `data:` section of a recipe, and opening what it names.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "data/dataset.h"
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
using Augmentation = std::variant<RandomCrop, HorizontalFlip>;

enum class DataFormat : std::uint8_t {
  cifar10,       // folder with data_batch_1..5.bin and test_batch.bin
  cifar100,      // folder with train.bin and test.bin
  mnist,         // folder with IDX files, plain or .gz
  image_folder,  // PATH/SPLIT/CLASS/*.{jpg,jpeg,png,bmp}
  tensors        // .safetensors, .npy, or a folder of .npy columns
};
std::span<const std::string_view> enum_names(DataFormat);

struct SplitConfig {
  DataFormat format = DataFormat::cifar10;
  FilePath path;
  // "train", "test", "train[:-5000]", "train[10%:20%]", "test[::2]". For image_folder and tensors the name is a
  // sub-folder or file below `path`, and "all" is `path` itself. The pictures of an image_folder are shuffled once with a
  // fixed seed, so that a slice holds all classes.
  std::string split = "train";
  std::int64_t subset = 0;     // at most so many examples, drawn with `subset_seed`; 0: all
  std::int64_t subset_seed = 0;
  std::vector<Augmentation> augment;
  std::int64_t image_size = 0;      // image_folder: centre crop to this square; 0: as they are (all alike)
  std::int64_t resize = 0;          // image_folder: the shorter side before the crop; 0: image_size
  std::int64_t channels = 3;        // image_folder: 3 colour, 1 grey
  std::vector<std::string> inputs;  // tensors: names of the input columns, in the model's order; empty: all but the label
  std::string label = "label";      // tensors: name of the label column, used where there is one; empty: unlabelled
  std::int64_t limit = 0;           // no recipe key: at most so many of the examples, at even distances; 0: all
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

// limit: for smoke runs, at most so many of the examples, taken at even distances; 0: all.
// errors: data (missing or damaged files, empty split, labels out of range), with the file and the remedy.
std::unique_ptr<Dataset> open_dataset(const SplitConfig& split, const std::optional<NormalizeConfig>& normalize,
                                      std::int64_t limit = 0);

// Problems that would stop a run: number of inputs, shapes, dtypes against the model's user inputs and classes against
// the model's output; empty when all fits.
std::vector<Problem> check_against_model(const Dataset& dataset, const Model& model);

}  // namespace dsc
