// What report.json says of single layers, classes and examples.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dscompress/fields.h"

namespace dsc {

// Of a step's model and the base, timed in turn for a short while when the step ended.
struct StepLatencyRecord {
  std::string engine;
  std::int64_t batch = 1;
  double p50_ms = 0, base_p50_ms = 0;
  void fields(FieldVisitor& visit);
};

// A layer with weights in the base and in the compressed model. 0 channels: it is not there.
struct LayerRecord {
  std::string name, type;  // module path; operator, "conv2d"
  std::int64_t channels_before = 0, channels = 0;  // that it makes
  double macs_before = 0, macs = 0;                // of one example
  std::int64_t parameters_before = 0, parameters = 0;
  std::int64_t weight_bits = 32;
  double low = 0, high = 0;              // ends of the weight's values
  std::vector<std::int64_t> histogram;   // of the weight's values, between low and high; empty: it is not quantised
  void fields(FieldVisitor& visit);
};

// A layer as the deployed engine ran it.
struct ExecutedLayerRecord {
  std::string name, type, precision, kernel;  // name: the graph's nodes that it stands for
  double time_ms = 0;  // of one run
  double macs = 0;     // of one run
  double bytes = 0;    // of activations and weights that it has to move for one run
  void fields(FieldVisitor& visit);
};

// How often one class was taken for another.
struct ConfusedRecord {
  std::int64_t label = 0, predicted = 0;
  std::int64_t base = 0, compressed = 0;  // examples
  void fields(FieldVisitor& visit);
};
inline constexpr std::size_t kMostMatrixClasses = 20;

struct ClassesRecord {
  std::vector<std::string> names;                            // by class
  std::vector<std::vector<std::int64_t>> base, compressed;   // [label][predicted]; empty: more than kMostMatrixClasses classes
  std::vector<ConfusedRecord> confused;                      // the most frequent ones of the compressed model
  void fields(FieldVisitor& visit);
};

// One of the examples that went most wrong.
struct ExampleRecord {
  std::string of;      // "turned wrong" (by compression), "compressed", "base": whose worst it is
  std::int64_t index = 0;  // in data.eval
  std::string label, base, compressed;            // classes
  double base_loss = 0, compressed_loss = 0;      // cross entropy
  std::string text;      // of text
  std::string picture;   // of pictures: a small PNG as a data URI
  void fields(FieldVisitor& visit);
};

}  // namespace dsc
