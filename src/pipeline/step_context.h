// The PassContext of a real run: data, evaluation, stages and checkpoints of one step.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/log.h"
#include "data/dataset.h"
#include "dscompress/pass.h"
#include "eval/metrics.h"
#include "pipeline/checkpoint.h"
#include "pipeline/open_model.h"
#include "pipeline/recipe.h"
#include "train/parallel.h"

namespace dsc {

// What all steps of a run share.
struct RunResources {
  std::map<Split, std::unique_ptr<Dataset>> data;
  std::map<std::string, std::unique_ptr<Dataset>> more;  // data.more
  std::vector<std::string> model_notes;      // how the model was brought into form
  std::vector<std::string> data_notes;       // what was cut, how much is padding
  std::vector<std::string> metrics;
  std::int64_t evaluation_batch = 250;
  std::optional<WindowOptions> windows;  // of evaluations
  std::string device = "cpu";
  Ranks* ranks = &alone();                   // which run this recipe together
  const Model* base = nullptr;               // before the first pass
  // See PassContext::latencies_ms; empty: the recipe has no evaluate.latency.
  std::function<std::vector<double>(const std::vector<const Model*>&)> latencies_ms;
  CheckpointPaths checkpoints;
  std::function<void()> after_save;  // a resumed run goes on from here
  Fingerprints fingerprints;

  // What a step with this `train_on` gets as `split`; null: nothing.
  Dataset* find_data(Split split, const std::string& train_on) const;
  // errors: data, when there is none.
  Dataset& get_data(Split split, const std::string& train_on) const;
};

class StepContext : public PassContext, public RankedContext {
 public:
  // `state` is the run's: finished stages are read from it, progress is written to it. resume: the models that go with it,
  // taken when their place is reached. title: for progress lines.
  StepContext(RunResources& resources, RunState& state, ResumePoint& resume, const PassStep& step, std::uint64_t seed, std::string title);

  std::uint64_t seed() const override { return seed_; }
  const std::string& device() const override { return resources_.device; }
  bool has_data(Split split) const override { return resources_.find_data(split, train_on_) != nullptr; }
  Dataset& data(Split split) override { return resources_.get_data(split, train_on_); }
  const Model& base() override { return *resources_.base; }
  Model load_model(const std::string& path, const std::string& weights) override;
  Metrics evaluate(const Model& model, Split split, std::int64_t limit) override;
  std::vector<double> latencies_ms(const std::vector<const Model*>& models) override;
  void note(std::string text) override;
  void curve(const CurvePoint& point) override;
  void progress(std::string_view what, std::int64_t done, std::int64_t total) override;
  void check_cancelled() override;
  std::string stage(std::string_view name, Model& model, const std::function<std::string()>& body) override;
  void save(const Model& model, const SavedState& saved) override;
  std::optional<SavedState> restore(Model& model) override;
  std::map<std::string, at::Tensor>& carried() override { return state_.carried; }
  Ranks& ranks() override { return *resources_.ranks; }
  std::int64_t processes() const override { return resources_.ranks->size(); }

 private:
  RunResources& resources_;
  RunState& state_;
  ResumePoint& resume_;
  std::size_t stages_to_skip_;
  std::string train_on_;
  std::uint64_t seed_;
  Progress progress_;
};

// A model on a data set, run by LibTorch. `reference`: the base model for `agreement`, may be null. disturb: see EvaluateOptions.
Evaluation evaluate_model(const Model& model, const Model* reference, const Dataset& dataset, const RunResources& resources,
                          std::int64_t limit, const std::function<void(std::int64_t, std::int64_t)>& progress, const Disturb& disturb = {});

std::string_view to_string(Split split);

}  // namespace dsc
