#include "pipeline/plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/interrupt.h"
#include "core/log.h"
#include "core/printed.h"
#include "deploy/artifact.h"
#include "deploy/cached_decoder.h"
#include "exec/foreign_error.h"
#include "ir/shared_copy.h"
#include "ir/verify.h"
#include "ops/cost.h"
#include "pipeline/exit_deployment.h"
#include "pipeline/measure.h"
#include "pipeline/open_model.h"
#include "pipeline/prepare.h"
#include "pipeline/robustness.h"
#include "pipeline/width_deployment.h"
#include "train/forecast.h"

namespace dsc {
namespace {

// The rehearsal's context: data is there, nothing is evaluated or saved, and trainings only tell how long they would take.
class RehearsalContext final : public PassContext, public ForecastListener, public RankedContext {
 public:
  RehearsalContext(const Recipe& recipe, RunResources& resources, const PassStep& step, std::uint64_t seed, PlanStep& plan)
      : processes_(recipe.processes), resources_(resources), train_on_(step.train_on), seed_(seed), plan_(plan) {}
  Ranks& ranks() override { return alone(); }
  std::int64_t processes() const override { return processes_; }
  std::uint64_t seed() const override { return seed_; }
  const std::string& device() const override { return resources_.device; }
  bool dry_run() const override { return true; }
  bool has_data(Split split) const override { return resources_.find_data(split, train_on_) != nullptr; }
  Dataset& data(Split split) override { return resources_.get_data(split, train_on_); }
  const Model& base() override { return *resources_.base; }
  Model load_model(const std::string& path, const std::string& weights) override {
    Model model = open_model(path, weights);
    for (const auto& text : bring_into_form(model, false)) note(path + ": " + text);
    return model;
  }
  // Every metric of the recipe, as zero: which of them decides is known before anything is measured.
  Metrics evaluate(const Model&, Split, std::int64_t) override {
    Metrics names;
    for (const auto& name : resources_.metrics) names[name] = 0;
    return names;
  }
  std::vector<double> latencies_ms(const std::vector<const Model*>& models) override { return std::vector<double>(models.size(), 1); }
  void note(std::string text) override { plan_.notes.push_back(std::move(text)); }
  void forecast(const TrainingForecast& training) override {
    plan_.training_steps += training.steps;
    plan_.training_seconds += training.seconds();
    if (training.seconds_per_f32_step <= 0 || !plan_.warnings.empty()) return;
    plan_.warnings.push_back(printed("bf16 is emulated on this %s: a training step takes %.3g s, and in f32 %.3g s (%.2f times); write bf16: auto, or leave it out",
                                     resources_.device == "cpu" ? "processor" : "device", training.seconds_per_step, training.seconds_per_f32_step,
                                     training.seconds_per_step / training.seconds_per_f32_step));
  }
  void curve(const CurvePoint&) override {}
  void progress(std::string_view, std::int64_t, std::int64_t) override {}
  void check_cancelled() override { throw_if_interrupted(); }
  std::string stage(std::string_view, Model&, const std::function<std::string()>& body) override { return body(); }
  void save(const Model&, const SavedState&) override {}
  std::optional<SavedState> restore(Model&) override { return std::nullopt; }
  std::map<std::string, at::Tensor>& carried() override { return carried_; }

 private:
  std::int64_t processes_;
  RunResources& resources_;
  std::string train_on_;
  std::uint64_t seed_;
  PlanStep& plan_;
  std::map<std::string, at::Tensor> carried_;
};

// The value of an integer field called `batch`, if the struct has one.
class BatchReader final : public FieldVisitor {
 public:
  std::int64_t batch = 0;
  void field(std::string_view name, const Doc&, const std::function<void(ValueVisitor&)>& value) override {
    if (name != "batch") return;
    IntegerReader reader;
    value(reader);
    batch = std::max(batch, reader.found);
  }
  void check(std::string) override {}

 private:
  struct IntegerReader final : ValueVisitor {
    std::int64_t found = 0;
    void integer(std::int64_t& value) override { found = value; }
    void boolean(bool&) override {}
    void number(double&) override {}
    void text(std::string&) override {}
    void path(FilePath&) override {}
    void quantity(Quantity&) override {}
    void choice(std::span<const std::string_view>, std::size_t&) override {}
    void object(const std::function<void(FieldVisitor&)>&) override {}
    void list(ListAccess) override {}
    void map(MapAccess) override {}
    void optional(OptionalAccess) override {}
    void variant(VariantAccess) override {}
  };
};

// Bytes of all tensors that one example produces on its way through the graph.
double activation_bytes(const Model& model) {
  double bytes = 0;
  for (const auto* node : model.graph.nodes()) {
    for (const auto* output : node->outputs()) {
      if (!output->is_tensor()) continue;
      double elements = 1;
      const auto& sizes = output->tensor().sizes;
      for (std::size_t i = 0; i < sizes.size(); ++i) elements *= i == 0 && !sizes[i].is_fixed() ? 1.0 : static_cast<double>(std::max<std::int64_t>(sizes[i].size, 1));
      bytes += elements * static_cast<double>(byte_size(output->tensor().dtype));
    }
  }
  return bytes;
}

void measure_model(const Model& model, PlanStep& step) {
  step.macs = model_cost(model).macs;
  step.parameters = parameter_count(model);
  step.size_bytes = stored_file_bytes(model);
}

PlanStep rehearse(const Recipe& recipe, std::size_t index, PreparedRun& run) {
  const auto& step = recipe.passes.steps[index];
  PlanStep plan{.name = step.name, .pass = step.info->id, .summary = step.info->summary};
  RehearsalContext context(recipe, run.resources, step, step_seed(recipe, index), plan);
  try {
    check_step(recipe, index, run.model);
    auto result = step.info->run(run.model, step.options.get(), context);
    plan.notes.insert(plan.notes.end(), result.notes.begin(), result.notes.end());
    verify_or_throw(run.model, "the rehearsal of step " + step.name);
  } catch (const std::exception&) {
    throw place_below(recipe, step_pointer(recipe, index), to_error(std::current_exception()));
  }
  measure_model(run.model, plan);
  return plan;
}

}  // namespace

Plan make_plan(const Recipe& recipe) {
  auto run = prepare_run(recipe);
  Model base = shared_copy(run.model);
  run.resources.base = &base;
  Plan plan;
  plan.notes = run.resources.model_notes;
  plan.notes.insert(plan.notes.end(), run.resources.data_notes.begin(), run.resources.data_notes.end());
  plan.steps.push_back({.name = "base", .pass = "", .summary = "the model as it is"});
  measure_model(run.model, plan.steps.back());
  const double weights = static_cast<double>(weight_bytes(base)), activations = activation_bytes(base);
  plan.memory_bytes = static_cast<std::int64_t>(weights + activations * static_cast<double>(recipe.evaluate.batch));
  rehearse_attacks(recipe, base, run.resources);
  for (std::size_t i = 0; i < recipe.passes.steps.size(); ++i) {
    const auto& step = recipe.passes.steps[i];
    plan.steps.push_back(rehearse(recipe, i, run));
    if (static_cast<std::int64_t>(i) + 1 == baseline_index(recipe)) base = shared_copy(run.model);
    BatchReader reader;
    step.info->fields(step.options.get(), reader);
    // Weights, gradients, two moments, and every activation kept for the backward pass.
    const double training = 4 * weights + activations * static_cast<double>(reader.batch);
    plan.memory_bytes = std::max(plan.memory_bytes, static_cast<std::int64_t>(training));
  }
  if (!recipe.passes.steps.empty()) rehearse_attacks(recipe, run.model, run.resources);
  rehearse_exits(recipe, run.model);
  rehearse_widths(recipe, run.model);
  plan.disk_bytes = static_cast<std::int64_t>(8 * weights);  // checkpoint with optimiser state, baseline, exports
  if (recipe.deploy.openvino) {
    make_engine(run.model, deployed_choice(*recipe.deploy.openvino), static_cast<int>(recipe.threads));
    if (recipe.deploy.openvino->stateful) to_cached_decoder(run.model);
    plan.notes.push_back("the final form converts for OpenVINO " + recipe.deploy.openvino->device);
  }
  return plan;
}

std::string training_text(const PlanStep& step) {
  if (step.training_steps == 0) return {};
  return std::to_string(step.training_steps) + " training steps, about " + format_duration(step.training_seconds);
}

std::string plan_text(const Plan& plan) {
  std::string text;
  double seconds = 0;
  const auto& base = plan.steps.front();
  const auto ratio = [](double from, double to) { return to > 0 ? printed(" (%.2fx)", from / to) : std::string(); };
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const auto& step = plan.steps[i];
    text += std::to_string(i) + "  " + step.name + ": " + step.summary + "\n     " + format_count(step.macs) + " MACs" + ratio(base.macs, step.macs) + ", " +
            format_count(static_cast<double>(step.parameters)) + " parameters, " + format_bytes(static_cast<double>(step.size_bytes)) +
            ratio(static_cast<double>(base.size_bytes), static_cast<double>(step.size_bytes)) + "\n";
    if (step.training_steps > 0) text += "     " + training_text(step) + "\n";
    seconds += step.training_seconds;
    for (const auto& warning : step.warnings) text += "     warning: " + warning + "\n";
    for (const auto& note : step.notes) text += "     " + note + "\n";
  }
  if (seconds > 0) text += "training about " + format_duration(seconds) + " in all, without validation\n";
  text += "memory about " + format_bytes(static_cast<double>(plan.memory_bytes)) + ", disk about " + format_bytes(static_cast<double>(plan.disk_bytes)) + "\n";
  for (const auto& note : plan.notes) text += note + "\n";
  return text;
}

std::string plan_json(const Plan& plan) {
  nlohmann::ordered_json json;
  for (const auto& step : plan.steps) {
    json["steps"].push_back({{"name", step.name}, {"pass", step.pass}, {"macs", step.macs}, {"parameters", step.parameters},
                             {"size_bytes", step.size_bytes}, {"training_steps", step.training_steps}, {"training_seconds", step.training_seconds},
                             {"warnings", step.warnings}, {"notes", step.notes}});
  }
  json["memory_bytes"] = plan.memory_bytes;
  json["disk_bytes"] = plan.disk_bytes;
  json["notes"] = plan.notes;
  return json.dump(2) + "\n";
}

}  // namespace dsc
