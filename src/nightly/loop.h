// LOOP.yaml: what the command `nightly` looks after.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/fields.h"

namespace dsc {

// Why a new model is made.
enum class Trigger : std::uint8_t {
  checkpoint,  // training left new weights
  accuracy,    // accuracy, calibration or drift of what is deployed is over its budget
  latency      // its latency or size is
};
std::span<const std::string_view> enum_names(Trigger);

enum class LabelsCome : std::uint8_t { late, complete };
std::span<const std::string_view> enum_names(LabelsCome);

struct LoopModel {
  FilePath registry;  // models/NAME: a folder for each version
  void fields(FieldVisitor& visit);
};
struct LoopCheckpoint {
  FilePath weights;  // a pattern; the newest file wins
  FilePath graph;    // empty: the recipe's own
  void fields(FieldVisitor& visit);
};
struct LoopReplay {
  FilePath path;
  double share = 0.5;
  void fields(FieldVisitor& visit);
};
struct LoopTraffic {
  std::string format = "tensors";
  FilePath path;  // a pattern
  Quantity window{7, "d"};
  LabelsCome labels = LabelsCome::late;
  std::string label = "label";
  std::optional<LoopReplay> replay;
  void fields(FieldVisitor& visit);
  double window_seconds() const;
};
struct LoopBudget {
  std::optional<Quantity> min, max;
  void fields(FieldVisitor& visit);
};
using LoopBudgets = std::map<std::string, LoopBudget>;
struct LoopWhen {
  FilePath accuracy, latency, checkpoint;  // recipes; empty: nothing is done
  const FilePath& recipe(Trigger trigger) const;
  void fields(FieldVisitor& visit);
};
struct LoopTrial {
  std::string metric = "top1";
  std::string split = "traffic[-50%:]";
  Quantity margin{0.5, "pp"};
  double confidence = 0.95;
  std::int64_t minimum = 100;
  void fields(FieldVisitor& visit);
  double margin_value() const;  // in the metric's unit
};
struct LoopKeep {
  std::int64_t versions = 5;
  void fields(FieldVisitor& visit);
};

struct Loop {
  std::int64_t version = 1;
  LoopModel model;
  std::optional<LoopCheckpoint> checkpoint;
  std::optional<LoopTraffic> traffic;
  LoopBudgets budgets;  // of what is deployed
  LoopWhen when;
  LoopTrial trial;
  LoopKeep keep;
  void fields(FieldVisitor& visit);

  std::string path;  // of the file
  std::string name() const;  // of the model: its registry's last part
};

// errors: recipe, with all independent problems.
Loop load_loop(const std::string& path);
std::string loop_schema();

}  // namespace dsc
