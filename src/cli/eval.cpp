// dscompress eval RECIPE: the recipe's metrics of its model, without any pass; or of a finished run's model.
#include <CLI/CLI.hpp>
#include <chrono>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/recipe_options.h"
#include "core/file.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "eval/latency.h"
#include "eval/metrics.h"
#include "io/pt2.h"
#include "pipeline/measure.h"
#include "pipeline/prepare.h"
#include "pipeline/run_folder.h"
#include "report/report.h"

namespace dsc {
namespace {

struct EvalCommand {
  RecipeOptions recipe;
  std::string run, engine = "libtorch", precision = "f32";
};

// The recipe with the compressed model of a run in the place of its own.
Recipe recipe_of_run(Recipe recipe, const std::string& run) {
  recipe.model = {};
  recipe.model.path.path = absolute_path(run + "/model.pt2");
  return recipe;
}

// What agreement and kl compare with, as in a run: the run's baseline, or else the recipe's model; in LibTorch, in f32.
class Reference {
 public:
  Reference(const EvalCommand& command, const Recipe& recipe, const Model& model) {
    if (!compares_with_base(recipe.evaluate.metrics)) return;
    if (!command.run.empty()) baseline_ = read_pt2(RunFolder(absolute_path(command.run)).baseline_model());
    engine_ = make_engine(baseline_ ? *baseline_ : model, {.engine = "libtorch", .device = recipe.device}, static_cast<int>(recipe.threads));
  }
  Engine* engine() const { return engine_.get(); }

 private:
  std::optional<Model> baseline_;
  std::unique_ptr<Engine> engine_;
};

int evaluate_recipe(const Session& session, const EvalCommand& command) {
  auto recipe = load_recipe(command.recipe, session);
  if (!command.run.empty()) recipe = recipe_of_run(std::move(recipe), command.run);
  recipe.passes.steps.clear();
  const auto prepared = prepare_run(recipe);
  for (const auto& note : prepared.resources.model_notes) log_warning(note);
  for (const auto& note : prepared.resources.data_notes) log_info(note);
  const auto& data = prepared.resources.data;
  const auto found = data.find(Split::eval);
  if (found == data.end()) throw Error(ErrorCode::data, "the recipe has no data.eval to evaluate on", {.file = recipe.path, .pointer = "/data"}, "add `eval:` under `data:`");
  const std::string device = command.engine == "openvino" ? "CPU" : recipe.device;
  const auto engine = make_engine(prepared.model, {.engine = command.engine, .device = device, .precision = command.precision}, static_cast<int>(recipe.threads));
  Progress progress("eval");
  EvaluateOptions options;
  options.metrics = recipe.evaluate.metrics;
  options.batch = recipe.evaluate.batch;
  const Reference reference(command, recipe, prepared.model);
  options.reference = reference.engine();
  options.progress = [&](std::int64_t done, std::int64_t total) {
    throw_if_interrupted();
    progress.update("examples", done, total);
  };
  const auto start = std::chrono::steady_clock::now();
  const auto metrics = evaluate(*engine, *found->second, options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (session.json) {
    const nlohmann::ordered_json json{{"model", recipe.model.path.path}, {"engine", engine->name()}, {"data", found->second->info().description},
                                      {"metrics", metrics}, {"seconds", seconds}, {"peak_memory_bytes", peak_memory_bytes()}};
    std::cout << json.dump(2) << '\n';
    return 0;
  }
  std::cout << recipe.model.path.path << ", " << engine->name() << ", " << found->second->info().description << '\n';
  for (const auto& [metric, value] : metrics) std::cout << "  " << metric << "  " << format_metric(metric, value) << '\n';
  return 0;
}

}  // namespace

void add_eval_command(CLI::App& app, Session& session) {
  auto command = std::make_shared<EvalCommand>();
  auto* sub = app.add_subcommand("eval", "Evaluate a recipe's model without any pass, or a finished run's model");
  add_recipe_options(*sub, command->recipe);
  sub->add_option("--run", command->run, "Evaluate the compressed model of this run folder instead")->type_name("DIR");
  sub->add_option("--engine", command->engine, "libtorch or openvino")->check(CLI::IsMember({"libtorch", "openvino"}))->capture_default_str();
  sub->add_option("--precision", command->precision, "f32, bf16 or f16: of what is not quantised")->capture_default_str();
  sub->add_flag("--json", session.json, "Print JSON");
  sub->footer("Examples:\n  dscompress eval recipe.yaml\n  dscompress eval recipe.yaml --run out --engine openvino --json");
  sub->callback([&session, command] { session.run = [&session, command] { return evaluate_recipe(session, *command); }; });
}

}  // namespace dsc
