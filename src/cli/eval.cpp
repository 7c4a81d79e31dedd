// dscompress eval RECIPE: the recipe's metrics of its model, without any pass; or of a finished run's model.
#include <chrono>
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "cli/recipe_options.h"
#include "core/file.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/printed.h"
#include "data/model_inputs.h"
#include "deploy/openvino_engine.h"
#include "eval/latency.h"
#include "eval/metrics.h"
#include "io/pt2.h"
#include "pipeline/measure.h"
#include "pipeline/open_model.h"
#include "pipeline/prepare.h"
#include "pipeline/robustness.h"
#include "pipeline/run_folder.h"
#include "report/report.h"

namespace dsc {
namespace {

struct EvalCommand {
  RecipeOptions recipe;
  std::string run, model, engine, precision = "f32";  // engine: empty where none is named
};

// The recipe with a file in the place of its model: the compressed one of a run, or any.
Recipe recipe_for(Recipe recipe, const EvalCommand& command) {
  if (command.run.empty() && command.model.empty()) return recipe;
  recipe.model = {};
  recipe.model.path.path = absolute_path(command.model.empty() ? command.run + "/model.pt2" : command.model);
  return recipe;
}

// What agreement and kl compare with, as in a run: the run's baseline, or else the recipe's own model; in LibTorch, in f32. Both get the
// same inputs in the same order.
class Reference {
 public:
  Reference(const EvalCommand& command, const Recipe& own, const Model& model) {
    if (!compares_with_base(own.evaluate.metrics)) return;
    if (!command.run.empty()) baseline_ = read_pt2(RunFolder(absolute_path(command.run)).baseline_model());
    else if (!command.model.empty())
      baseline_ = open_model(own.model.path.path, own.model.weights.path, own.model.inputs);
    const auto wanted = names_of(model_inputs(model.graph));
    if (baseline_ && names_of(model_inputs(baseline_->graph)) != wanted) {
      throw Error(ErrorCode::usage, "agreement and kl compare models of the same inputs, and those of this one and of the recipe's differ",
                  {.file = command.model}, "leave them out: --set evaluate.metrics=[top1]");
    }
    engine_ = make_engine(baseline_ ? *baseline_ : model, {.engine = "libtorch", .device = own.device}, static_cast<int>(own.threads));
  }
  Engine* engine() const { return engine_.get(); }

 private:
  std::optional<Model> baseline_;
  std::unique_ptr<Engine> engine_;
};

std::unique_ptr<Engine> engine_for(const EvalCommand& command, const Recipe& recipe, const Model& model) {
  const std::string file = is_deployed_file(recipe.model.path.path) ? recipe.model.path.path : "";
  const std::string engine = !command.engine.empty() ? command.engine : file.empty() ? "libtorch" : engine_of_file(file);
  const std::string device = engine == "openvino" ? "CPU" : recipe.device;
  return make_engine(Candidate{.model = &model, .choice = {.engine = engine, .device = device, .precision = command.precision}, .file = file},
                     static_cast<int>(recipe.threads));
}

// evaluate.robustness, which LibTorch alone can attack; nothing on another engine.
std::vector<RobustnessRecord> try_tests(const Recipe& recipe, const EvalCommand& command, const PreparedRun& prepared, Progress& progress) {
  if (recipe.evaluate.robustness.empty()) return {};
  const bool is_libtorch = command.engine == "libtorch" || (command.engine.empty() && !is_deployed_file(recipe.model.path.path));
  if (!is_libtorch || command.precision != "f32") {
    log_warning("evaluate.robustness is measured by LibTorch in f32 alone, and left out here");
    return {};
  }
  const auto base = command.run.empty() ? std::optional<Model>() : std::optional(read_pt2(RunFolder(absolute_path(command.run)).baseline_model()));
  return try_robustness(recipe, prepared.model, base ? *base : prepared.model, prepared.resources, [&](const std::string& test, std::int64_t done, std::int64_t total) {
    throw_if_interrupted();
    progress.update(test, done, total);
  });
}

// Where examples left a chain with early exits; empty for other engines.
std::vector<std::pair<std::string, double>> exit_shares(const Engine& engine) {
  const auto* chain = dynamic_cast<const ExitChain*>(&engine);
  std::vector<std::pair<std::string, double>> shares;
  if (!chain) return shares;
  const auto& counts = chain->counts();
  const double all = std::accumulate(counts.begin(), counts.end(), 0.0);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::string& block = chain->plan().stages[i].block;
    shares.emplace_back(block.empty() ? "the end" : block, static_cast<double>(counts[i]) / all);
  }
  return shares;
}

int evaluate_recipe(const Session& session, const EvalCommand& command) {
  const auto own = load_recipe(command.recipe, session);
  auto recipe = recipe_for(own, command);
  recipe.passes.steps.clear();
  const auto& file = recipe.model.path.path;
  const auto prepared = is_deployed_file(file) ? prepare_deployed_file(recipe, file) : prepare_run(recipe);
  for (const auto& note : prepared.resources.model_notes) log_warning(note);
  for (const auto& note : prepared.resources.data_notes) log_info(note);
  const auto& data = prepared.resources.data;
  const auto found = data.find(Split::eval);
  if (found == data.end()) throw Error(ErrorCode::data, "the recipe has no data.eval to evaluate on", {.file = recipe.path, .pointer = "/data"}, "add `eval:` under `data:`");
  const auto engine = engine_for(command, recipe, prepared.model);
  Progress progress("eval");
  EvaluateOptions options{.metrics = recipe.evaluate.metrics, .batch = recipe.evaluate.batch};
  options.windows = recipe.evaluate.windows;
  const Reference reference(command, own, prepared.model);
  options.reference = reference.engine();
  options.progress = [&](std::int64_t done, std::int64_t total) {
    throw_if_interrupted();
    progress.update("examples", done, total);
  };
  const auto start = std::chrono::steady_clock::now();
  const auto metrics = evaluate(*engine, *found->second, options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto tried = try_tests(recipe, command, prepared, progress);
  if (session.json) {
    nlohmann::ordered_json json{{"model", recipe.model.path.path}, {"engine", engine->name()}, {"data", found->second->info().description},
                                      {"metrics", metrics}, {"seconds", seconds}, {"peak_memory_bytes", peak_memory_bytes()}};
    for (const auto& figure : figures_of(tried)) json["robustness"][figure.name] = figure.value;
    for (const auto& [exit, share] : exit_shares(*engine)) json["exits"].push_back({{"behind", exit}, {"share", share}});
    std::cout << json.dump(2) << '\n';
    return 0;
  }
  std::cout << recipe.model.path.path << ", " << engine->name() << ", " << found->second->info().description << '\n';
  for (const auto& [metric, value] : metrics) std::cout << "  " << metric << "  " << format_metric(metric, value) << '\n';
  for (const auto& figure : figures_of(tried)) std::cout << "  " << figure.name << "  " << format_metric(figure.metric, figure.value) << '\n';
  for (const auto& [exit, share] : exit_shares(*engine)) std::cout << printed("  %.1f %% leave at %s\n", 100 * share, exit.c_str());
  return 0;
}

}  // namespace

void add_eval_command(CLI::App& app, Session& session) {
  auto command = std::make_shared<EvalCommand>();
  auto* sub = app.add_subcommand("eval", "Evaluate a recipe's model without any pass, a finished run's model, or a file that is deployed");
  add_recipe_options(*sub, command->recipe);
  auto* run = sub->add_option("--run", command->run, "Evaluate the compressed model of this run folder instead")->type_name("DIR");
  sub->add_option("--model", command->model,
                  "Evaluate this file instead: .pt2, .xml and .onnx, which OpenVINO runs, or chain.json of a run with early exits")
      ->type_name("FILE")
      ->excludes(run);
  sub->add_option("--engine", command->engine, "libtorch or openvino; default: the one that runs the file")
      ->check(CLI::IsMember({"libtorch", "openvino"}));
  sub->add_option("--precision", command->precision, "f32, bf16 or f16: of what is not quantised")->capture_default_str();
  sub->add_flag("--json", session.json, "Print JSON");
  sub->footer(
      "Examples:\n  dscompress eval recipe.yaml\n  dscompress eval recipe.yaml --run out --engine openvino --json\n"
      "  dscompress eval recipe.yaml --model out/model.xml\n"
      "  dscompress eval recipe.yaml --model out/exits/chain.json");
  sub->callback([&session, command] { session.run = [&session, command] { return evaluate_recipe(session, *command); }; });
}

}  // namespace dsc
