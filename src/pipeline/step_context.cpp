#include "pipeline/step_context.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/interrupt.h"
#include "exec/executor.h"

namespace dsc {

std::string_view to_string(Split split) {
  switch (split) {
    case Split::train: return "train";
    case Split::valid: return "valid";
    case Split::eval: return "eval";
    case Split::calibration: return "calibration";
  }
  return "";
}

Evaluation evaluate_model(const Model& model, const Model* reference, const Dataset& dataset, const RunResources& resources,
                          std::int64_t limit, const std::function<void(std::int64_t, std::int64_t)>& progress, const Disturb& disturb) {
  Executor executor(model, {.device = resources.device});
  std::unique_ptr<Executor> base;
  if (compares_with_base(resources.metrics) && reference) base = std::make_unique<Executor>(*reference, ExecutorOptions{.device = resources.device});
  EvaluateOptions options;
  options.metrics = resources.metrics;
  options.batch = resources.evaluation_batch;
  options.windows = resources.windows;
  options.limit = limit;
  options.progress = progress;
  options.reference = base.get();
  options.disturb = disturb;
  options.ranks = resources.ranks;
  return evaluate_examples(executor, dataset, options);
}

Dataset* RunResources::find_data(Split split, const std::string& train_on) const {
  if (split == Split::train && !train_on.empty()) return more.at(train_on).get();
  const auto found = data.find(split);
  return found == data.end() ? nullptr : found->second.get();
}

Dataset& RunResources::get_data(Split split, const std::string& train_on) const {
  if (Dataset* found = find_data(split, train_on)) return *found;
  const std::string name(to_string(split));
  throw Error(ErrorCode::data, "this step needs data." + name + ", and the recipe has none", {},
              "add a `" + name + ":` section under `data:`");
}

StepContext::StepContext(RunResources& resources, RunState& state, ResumePoint& resume, const PassStep& step, std::uint64_t seed, std::string title)
    : resources_(resources),
      state_(state),
      resume_(resume),
      stages_to_skip_(state.finished_stages.size()),
      train_on_(step.train_on),
      seed_(seed),
      progress_(std::move(title)) {}

Metrics StepContext::evaluate(const Model& model, Split split, std::int64_t limit) {
  const std::string what = "evaluate on " + std::string(to_string(split));
  return evaluate_model(model, resources_.base, data(split), resources_, limit, [&](std::int64_t done, std::int64_t total) {
    check_cancelled();
    progress(what, done, total);
  }).metrics;
}

Model StepContext::load_model(const std::string& path, const std::string& weights) {
  Model model = open_model(path, weights);
  for (const auto& text : bring_into_form(model, false)) note(path + ": " + text);
  return model;
}

std::vector<double> StepContext::latencies_ms(const std::vector<const Model*>& models) {
  if (!resources_.latencies_ms) throw Error(ErrorCode::recipe, "this step measures latency, and the recipe does not say how", {}, "add evaluate.latency");
  // One process measures, while the others wait: what is decided by it must be decided by all alike.
  const auto measured = from_first(ranks(), [&] { return nlohmann::json(resources_.latencies_ms(models)).dump(); });
  return nlohmann::json::parse(measured).get<std::vector<double>>();
}

// A resumed step says again what it had said before its last checkpoint.
void StepContext::note(std::string text) {
  auto& notes = state_.record.notes;
  if (std::find(notes.begin(), notes.end(), text) == notes.end()) notes.push_back(std::move(text));
}

void StepContext::curve(const CurvePoint& point) {
  auto& curves = state_.record.curves;
  auto found = std::find_if(curves.begin(), curves.end(), [&](const CurveRecord& curve) { return curve.name == point.curve; });
  if (found == curves.end()) found = curves.insert(curves.end(), CurveRecord{.name = point.curve, .epochs = {}, .values = {}});
  while (!found->epochs.empty() && found->epochs.back() >= point.epoch) {  // said again by a resumed step
    found->epochs.pop_back();
    found->values.pop_back();
    found->seconds.pop_back();
  }
  found->epochs.push_back(point.epoch);
  found->values.push_back(point.value);
  found->seconds.push_back(state_.step_time.seconds());
}

void StepContext::progress(std::string_view what, std::int64_t done, std::int64_t total) { progress_.update(what, done, total); }

void StepContext::check_cancelled() { throw_if_interrupted(); }

std::string StepContext::stage(std::string_view name, Model& model, const std::function<std::string()>& body) {
  const std::string key(name);
  if (const auto found = state_.finished_stages.find(key); found != state_.finished_stages.end()) {
    if (--stages_to_skip_ == 0) model = std::move(resume_.after_stages.value());
    return found->second;
  }
  if (state_.stage != key) {
    state_.stage = key;
    state_.saved.reset();
  }
  auto text = body();
  state_.finished_stages[key] = text;
  state_.stage.clear();
  state_.saved.reset();
  if (!resources_.checkpoints.stage.empty()) write_checkpoint(resources_.checkpoints.stage, state_, model, resources_.fingerprints);
  return text;
}

void StepContext::save(const Model& model, const SavedState& saved) {
  state_.saved = saved;
  if (!resources_.checkpoints.progress.empty()) write_checkpoint(resources_.checkpoints.progress, state_, model, resources_.fingerprints);
  if (resources_.after_save) resources_.after_save();
}

std::optional<SavedState> StepContext::restore(Model& model) {
  if (!state_.saved || !resume_.in_stage) return std::nullopt;
  model = std::move(*resume_.in_stage);
  resume_.in_stage.reset();
  return state_.saved;
}

}  // namespace dsc
