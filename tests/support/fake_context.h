// A PassContext in memory, for tests of passes: seed, data sets, teacher, everything a pass reported, and saved states
// that survive a simulated kill.
//
//   test::FakeContext context(model, {.train = &train, .valid = &valid});
//   context.kill_after_saves = 2;
//   EXPECT_THROW(pass.run(killed, &options, context), test::Killed);
//   context.restart();                        // a new process: stages are entered again from the start
//   pass.run(resumed, &options, context);     // `resumed`: the model as it was before the step
#pragma once

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/dataset.h"
#include "dscompress/pass.h"
#include "exec/executor.h"
#include "support/program.h"

namespace dsc::test {

// Thrown by FakeContext::save in place of a kill; not an Error, so that nothing can take it for an outcome.
struct Killed {};

// Share of right classes and mean cross-entropy of a classifier, run by LibTorch in eval mode.
inline Metrics evaluate_classifier(const Model& model, const Dataset& dataset, std::int64_t limit = 0) {
  const auto size = limit > 0 ? std::min(limit, dataset.size()) : dataset.size();
  std::vector<std::int64_t> indices(static_cast<std::size_t>(size));
  for (std::int64_t i = 0; i < size; ++i) indices[static_cast<std::size_t>(i)] = i;
  const auto batch = dataset.batch(indices, std::nullopt);
  c10::NoGradGuard no_grad;
  Executor executor(model, {});
  const auto logits = executor.run(batch.inputs).at(0);
  const auto right = logits.argmax(-1).eq(batch.target).to(at::kDouble).mean().item<double>();
  return {{"top1", right}, {"loss", at::cross_entropy_loss(logits, batch.target).item<double>()}};
}

// The recipe's data sets, borrowed; null: it names none for this split.
struct FakeData {
  Dataset* train = nullptr;
  Dataset* valid = nullptr;
  Dataset* eval = nullptr;
};

class FakeContext : public PassContext {
 public:
  // `model` becomes the teacher (a copy), as the model before the first pass does in a run.
  explicit FakeContext(const Model& model, FakeData data = {}, std::uint64_t seed = 1)
      : teacher_model(std::make_unique<Model>(model.clone())), data_(data), seed_(seed) {}

  // --- settings, free to change before a run ---
  std::unique_ptr<Model> teacher_model;
  std::map<std::string, std::reference_wrapper<const Model>> files;  // what load_model finds, by file name
  int kill_after_saves = 0;      // throw Killed from the n-th save, once its state is kept; 0: never
  int cancel_after_checks = 0;   // throw Error cancelled from the n-th check_cancelled; 0: never
  bool rehearsal = false;        // what dry_run says
  std::string device_name = "cpu";
  const TempFolder own_folder;
  std::string cache = own_folder.path();
  std::function<Metrics(const Model&, const Dataset&, std::int64_t)> metrics = evaluate_classifier;

  std::function<double(const Model&)> latency = [](const Model&) { return 1.0; };  // milliseconds

  // --- what the pass did ---
  std::vector<std::string> notes;
  std::vector<CurvePoint> curves;
  std::vector<std::pair<std::int64_t, std::int64_t>> progress_calls;
  std::vector<std::string> stages;  // entered or skipped, in order
  int saves = 0, restores = 0, evaluations = 0, cancel_checks = 0;

  // The values of one curve in order.
  std::vector<double> curve_values(std::string_view name) const {
    std::vector<double> values;
    for (const auto& point : curves) {
      if (point.curve == name) values.push_back(point.value);
    }
    return values;
  }
  // The state saved last in a stage ("" outside any), or null.
  const SavedState* saved_state(const std::string& stage = "") const {
    const auto found = saved_.find(stage);
    return found == saved_.end() ? nullptr : &found->second.state;
  }
  // Begins a new process with the states saved so far, curves included; other reports start empty, nothing is killed.
  void restart() {
    kill_after_saves = cancel_after_checks = 0;
    saves = restores = evaluations = cancel_checks = 0;
    stage_.clear();
    notes.clear();
    curves = saved_curves_;
    carried_ = copies(saved_carried_);
    progress_calls.clear();
    stages.clear();
  }

  // --- PassContext ---
  std::uint64_t seed() const override { return seed_; }
  const std::string& device() const override { return device_name; }
  bool dry_run() const override { return rehearsal; }
  bool has_data(Split split) const override { return find(split) != nullptr; }
  Dataset& data(Split split) override {
    if (auto* found = find(split)) return *found;
    throw Error(ErrorCode::data, "the recipe names no data for this split");
  }
  const Model& base() override { return *teacher_model; }
  Model load_model(const std::string& path, const std::string&) override { return files.at(std::filesystem::path(path).filename()).get().clone(); }
  std::string cache_folder() const override { return cache; }
  Metrics evaluate(const Model& model, Split split, std::int64_t limit = 0) override {
    ++evaluations;
    return metrics(model, data(split), limit);
  }
  std::vector<double> latencies_ms(const std::vector<const Model*>& models) override {
    std::vector<double> milliseconds;
    for (const Model* model : models) milliseconds.push_back(latency(*model));
    return milliseconds;
  }
  void note(std::string text) override { notes.push_back(std::move(text)); }
  void curve(const CurvePoint& point) override { curves.push_back(point); }
  void progress(std::string_view, std::int64_t done, std::int64_t total) override { progress_calls.push_back({done, total}); }
  void check_cancelled() override {
    if (++cancel_checks == cancel_after_checks) throw Error(ErrorCode::cancelled, "cancelled");
  }

  std::string stage(std::string_view name, Model& model, const std::function<std::string()>& body) override {
    const std::string key(name);
    if (std::count(stages.begin(), stages.end(), key)) throw Error(ErrorCode::internal, "stage `" + key + "` runs twice");
    stages.push_back(key);
    if (const auto done = finished_.find(key); done != finished_.end()) {
      model = done->second.model->clone();
      return done->second.text;
    }
    stage_ = key;
    auto text = body();
    stage_.clear();
    finished_[key] = {std::make_unique<Model>(model.clone()), text};
    saved_curves_ = curves;
    saved_carried_ = copies(carried_);
    return text;
  }
  std::map<std::string, at::Tensor>& carried() override { return carried_; }
  void save(const Model& model, const SavedState& state) override {
    Saved saved{std::make_unique<Model>(model.clone()), state};
    for (auto& [name, tensor] : saved.state.tensors) tensor = tensor.detach().clone();
    saved_[stage_] = std::move(saved);
    saved_curves_ = curves;
    if (++saves == kill_after_saves) throw Killed{};
  }
  std::optional<SavedState> restore(Model& model) override {
    const auto found = saved_.find(stage_);
    if (found == saved_.end()) return std::nullopt;
    ++restores;
    model = found->second.model->clone();
    auto state = found->second.state;
    for (auto& [name, tensor] : state.tensors) tensor = tensor.clone();
    return state;
  }

 private:
  static std::map<std::string, at::Tensor> copies(const std::map<std::string, at::Tensor>& tensors) {
    std::map<std::string, at::Tensor> made;
    for (const auto& [name, tensor] : tensors) made[name] = tensor.clone();
    return made;
  }
  struct Saved {
    std::unique_ptr<Model> model;
    SavedState state;
  };
  struct Finished {
    std::unique_ptr<Model> model;
    std::string text;
  };
  Dataset* find(Split split) const {
    return split == Split::train ? data_.train : split == Split::valid ? data_.valid : data_.eval;
  }

  FakeData data_;
  std::uint64_t seed_;
  std::string stage_;
  std::map<std::string, Saved> saved_;
  std::map<std::string, Finished> finished_;
  std::vector<CurvePoint> saved_curves_;
  std::map<std::string, at::Tensor> carried_, saved_carried_;
};

// Whether two models hold the same tensors, bit for bit.
inline bool equal_weights(const Model& a, const Model& b) {
  if (a.weights.names() != b.weights.names()) return false;
  for (const auto& name : a.weights.names()) {
    const auto &x = a.weights.get(name), &y = b.weights.get(name);
    if (x.scalar_type() != y.scalar_type() || !x.equal(y)) return false;
  }
  return true;
}

}  // namespace dsc::test
