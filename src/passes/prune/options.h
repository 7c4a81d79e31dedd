// What a recipe can say about pruning.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "dscompress/pass.h"
#include "passes/prune/choose/importance.h"
#include "passes/prune/choose/search.h"
#include "passes/prune/choose/select.h"
#include "passes/prune/choose/sensitivity.h"
#include "passes/prune/sparsify.h"
#include "train/distill/distillation.h"
#include "train/train.h"

namespace dsc::prune {

enum class Pace : std::uint8_t { linear, cubic };
std::span<const std::string_view> enum_names(Pace);

// What `reduce` is a share of: the model as the step finds it, or the base that the run is compared with.
enum class Of : std::uint8_t { current, base };
std::span<const std::string_view> enum_names(Of);

// How much goes: a share of the model's cost, or of each group's channels. Exactly one is set.
struct Reduce {
  std::optional<double> channels, macs, parameters, bytes, latency;
  void fields(FieldVisitor& visit);
  double share() const;
};

struct Options {
  Reduce reduce;
  Of of = Of::current;
  ImportanceOptions importance;
  Scope scope = Scope::layer;
  std::vector<Kind> kinds = {Kind::channels, Kind::blocks, Kind::within_blocks};
  std::map<std::string, double> layers;  // module glob -> share of channels
  std::vector<std::string> ignore;
  Limits limits{.max_share = 0.95};
  std::int64_t steps = 1;
  Pace schedule = Pace::linear;
  SensitivityOptions sensitivity;
  std::optional<SearchOptions> search;
  std::optional<Sparsify> sparsify;
  std::optional<TrainOptions> finetune_each;
  std::optional<DistillOptions> distill_each;
  std::int64_t recalibrate_batches = 0;
  std::optional<Quantity> max_drop;
  bool allow_empty = false;
  void fields(FieldVisitor& visit);
  void fields_but_importance(FieldVisitor& visit);  // of dscompress/prune.h

 private:
  void target_fields(FieldVisitor& visit);
  void further_fields(FieldVisitor& visit);
  void check_together(FieldVisitor& visit) const;
};

std::vector<Need> needs_of(const Options& options);
// The pass. errors: recipe, data, numeric, cancelled.
PassResult prune_channels(Model& model, const Options& options, PassContext& context);

// The share of the whole cut that is done after step `step` of `steps` (counted from 1).
double progress_after(Pace pace, std::int64_t step, std::int64_t steps);

}  // namespace dsc::prune
