// Examples by index, and batches of them. Every format (CIFAR-10, IDX, image folder, tensors, text) is a Dataset; splits,
// subsets, augmentation and normalisation are settings of it, so that a batch is made in one go.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dscompress/fields.h"
#include "dscompress/model.h"

namespace dsc {

// A further label column: of an output of its own, where the model has several.
struct LabelColumn {
  std::string name;         // in the data
  std::int64_t output = 0;  // of the model's, from 0
  at::Tensor target;        // as Batch::target
};

struct Batch {
  std::vector<at::Tensor> inputs;     // in the order of the model's user inputs, dim 0 = examples
  std::vector<at::Tensor> others;     // what the data holds besides, for a teacher: DatasetInfo::other_names
  at::Tensor target;                  // [N] i64 class numbers, or [N, ...] f32; undefined for unlabelled data
  bool soft_target = false;           // target is [N, classes] f32, shares that sum to 1 (mixed pictures)
  bool multi_label = false;           // target is [N, classes] f32, 1 for each class that an example has and 0 for others
  std::vector<LabelColumn> labels;    // besides the target: SplitConfig::labels
  std::vector<std::int64_t> indices;  // which examples
  std::int64_t filler = 0;            // rows of `inputs` and `others` beyond those examples, which fill up a fixed batch
};

// How pixels become numbers: (pixel / 255 - mean) / std, for each channel.
struct PixelScale {
  std::vector<float> mean, std;
};

// What a data set's examples look like, for the checks before a run.
struct DatasetInfo {
  std::string description;                        // "cifar10 train[:-5000], 45000 examples"
  std::vector<TensorType> inputs;                 // without dim 0
  std::vector<std::string> input_names;           // empty: by position
  bool listed = false;                            // the recipe lists input_names, in the model's order
  std::vector<std::string> other_names;           // of Batch::others
  std::vector<std::string> label_names;           // of Batch::labels
  std::int64_t fixed_batch = 0;                   // the only batch size that the model takes; 0: any
  bool named = false;                             // input_names are the model's own: a model takes any of them, in any order
  std::optional<std::int64_t> classes;            // largest label + 1, or as the format says
  std::string largest_label_at;                   // "train.tsv:17", where known
  bool per_pixel = false;                         // targets are a class for each pixel: [N, H, W]
  std::vector<std::string> class_names;           // where the recipe gives them
  std::optional<PixelScale> pixels;               // of pictures given as floating-point numbers
  std::optional<std::int64_t> vocabulary;         // of text: token ids in `input_ids` are below it
  std::int64_t longest = 0;                       // of text: tokens of the longest example
  std::vector<std::string> notes;                 // worth reporting: "31 of 67349 examples are cut to 48 tokens"
};

class AnswerKey;       // data/answers.h
struct DetectionKey;   // data/detections.h
struct GenerationKey;  // data/generation.h

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::int64_t size() const = 0;
  virtual const DatasetInfo& info() const = 0;
  // Makes one batch; safe to call from several threads. augment_seed: none for evaluation, else the epoch's seed; an
  // example's augmentation depends only on that seed and the example's index, unless examples of a batch are mixed.
  virtual Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t> augment_seed) const = 0;

  // Gives an input in another type from now on, in which its values can be had: integers exactly, real numbers rounded,
  // pictures as pixels from 0 to 255 where the type is an integer. returns: false where there is no such form.
  // errors: data, when a value does not fit, naming the example, or when the type alone does not say what is meant.
  virtual bool set_input_type(std::size_t, ScalarType) { return false; }
  // Finds the outputs that the further labels belong to among the model's. errors: data, for one that the model has not.
  virtual void set_label_outputs(const std::vector<std::string>& /*output_names*/) {}

  // Tokens of each example, where they differ: batches are then made of examples of similar length.
  virtual std::span<const std::int64_t> lengths() const { return {}; }
  // Of question answering: what the predicted spans are compared with.
  virtual const AnswerKey* answers() const { return nullptr; }
  // Of detection: what the found boxes are compared with.
  virtual const DetectionKey* detections() const { return nullptr; }
  // Of prompts: what the generated texts are compared with.
  virtual const GenerationKey* generation() const { return nullptr; }
  // An example as its file has it, for people; empty where it is no text.
  virtual std::string show(std::int64_t index) const { return {}; }
};

struct LoaderOptions {
  std::int64_t batch = 128;
  bool shuffle = false;
  bool drop_last = false;
  std::uint64_t seed = 0;       // of order and augmentation; give each epoch its own
  bool augment = false;
  std::int64_t limit = 0;       // at most so many examples; 0: all
  int workers = 4;              // threads that make batches ahead; 0: in the caller's
  bool channels_last = false;   // inputs of rank 4 in NHWC memory
  bool fill_last = false;       // of a fixed batch (DatasetInfo): a last smaller batch is filled up, not left out
};

// Examples in each batch: `wanted`, or as many as the model was exported for.
std::int64_t batch_size(const Dataset& dataset, std::int64_t wanted);
// errors: data, for data without one whole batch of a fixed size.
void check_fixed_batch(const Dataset& dataset);

// One pass over a data set. Batches come in the same order whatever the number of workers. Examples of different lengths
// are grouped: sorted by length when not shuffled, else within pools of many batches, the batches shuffled again.
// Batches of a fixed size (DatasetInfo) are all whole, whatever the options say; errors: data, when there is none.
class BatchLoader {
 public:
  BatchLoader(const Dataset& dataset, LoaderOptions options);
  ~BatchLoader();
  std::int64_t batch_count() const;
  std::optional<Batch> next();  // errors: data, from the worker that met them
  // Share of this pass's tokens that only fill batches up to their longest example; 0 where all are alike.
  double padding_share() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dsc
