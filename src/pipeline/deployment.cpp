#include "pipeline/deployment.h"

#include <filesystem>

#include "core/interrupt.h"
#include "core/log.h"
#include "deploy/generation_folder.h"
#include "deploy/language_model.h"
#include "pipeline/deployed_evaluation.h"
#include "pipeline/exit_deployment.h"
#include "pipeline/layer_records.h"
#include "pipeline/measure.h"
#include "pipeline/width_deployment.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

FileRecord to_record(const Artifact& artifact) {
  return {fs::path(artifact.path).filename().string(), artifact.format, artifact.size_bytes, 0, artifact.check};
}

void write_files(const Recipe& recipe, const Model& model, const Model& base, const RunFolder& folder, Report& report) {
  std::vector<std::string> names = {"model.pt2", "model.safetensors"};
  if (recipe.deploy.openvino) names.emplace_back("model.xml");
  names.insert(names.end(), recipe.deploy.exports.begin(), recipe.deploy.exports.end());
  for (const auto& name : names) {
    log_info("writing " + name);
    auto record = to_record(write_artifact(model, folder.file(name), {{"recipe", dump_recipe(recipe)}}));
    // What the base needs in the same format, written beside and removed again.
    const auto beside = folder.file(".base-" + name);
    const auto base_artifact = write_artifact(base, beside);
    record.base_size_bytes = base_artifact.size_bytes;
    fs::remove(beside);
    fs::remove(fs::path(beside).replace_extension(".bin"));
    report.files.push_back(std::move(record));
  }
}

void time_texts(const Recipe& recipe, const std::string& compressed, const std::string& base, Report& report) {
  const OpenVinoOptions options{.threads = latency_threads(recipe)};
  LanguageModel own(compressed, options), other(base, options);
  GenerationTiming timing{.tokens = 32, .rounds = 3};  // with prompts of as many: hardly a model reads fewer than 64
  Progress progress("generation");
  timing.progress = [&](std::int64_t done, std::int64_t total) {
    throw_if_interrupted();
    progress.update("texts", done, total);
  };
  const auto speeds = time_generation({&other, &own}, timing);
  report.generation.clear();
  for (std::size_t i = 0; i < speeds.size(); ++i) {
    const auto& s = speeds[i];
    report.generation.push_back({i == 0 ? "base" : "compressed", s.engine, s.prompt, s.tokens, s.rounds, s.first_token_ms, s.tokens_per_second, s.spread});
  }
}

// The language model that keeps keys and values; what the base needs in that form, and how fast both generate.
void write_generation(const Recipe& recipe, const Model& model, const Model& base, const RunFolder& folder, Report& report) {
  const OpenVinoDeploy& config = *recipe.deploy.openvino;
  if (!config.stateful) return;
  log_info("writing generation/" + std::string(kGenerationModel));
  auto record = to_record(write_generation_folder(model, folder.file("generation"), config.tokenizer.path));
  record.path = "generation/" + record.path;
  const auto beside = folder.file(".base-generation");
  const auto base_artifact = write_generation_folder(base, beside, {});
  record.base_size_bytes = base_artifact.size_bytes;
  time_texts(recipe, folder.file(record.path), base_artifact.path, report);
  fs::remove_all(beside);
  report.files.push_back(std::move(record));
}

void time_layers(const Recipe& recipe, const Model& model, DeployedRecord& record) {
  const auto engine = make_timing_engine(model, openvino_options(deployed_choice(*recipe.deploy.openvino), latency_threads(recipe)));
  record.timed_batch = recipe.evaluate.latency->batch.front();
  record.layers = executed_layers(*engine, model, record.timed_batch, recipe.evaluate.latency->size);
}

void evaluate_deployed(const Recipe& recipe, PreparedRun& run, const Model& base, Report& report, Predictions& predictions) {
  const auto engine = make_engine(run.model, deployed_choice(*recipe.deploy.openvino), static_cast<int>(recipe.threads));
  DeployedRecord record = describe_deployed(*engine);
  if (run.resources.find_data(Split::eval, "")) {
    auto evaluation = evaluate_deployed_form(*engine, base, recipe, run, "deployed model");
    record.metrics = evaluation.metrics;
    predictions.keep(kCompressedDeployed, std::move(evaluation));
  }
  if (recipe.evaluate.latency) time_layers(recipe, run.model, record);
  report.deployed.push_back(std::move(record));
}

void measure(const Recipe& recipe, const Model& model, const Model& base, Report& report) {
  const auto& config = *recipe.evaluate.latency;
  std::vector<Candidate> candidates = {{"base", &base, {.engine = "libtorch", .device = recipe.device}},
                                       {"compressed", &model, {.engine = "libtorch", .device = recipe.device}}};
  if (config.engine == "openvino") {
    const auto choice = latency_engine(recipe);
    candidates.push_back({"base", &base, choice});
    candidates.push_back({"compressed", &model, choice});
  }
  LatencyOptions options = latency_options(config);
  Progress progress("latency");
  options.progress = [&](std::int64_t done, std::int64_t total) {
    throw_if_interrupted();
    progress.update("rounds", done, total);
  };
  report.latency = measure_candidates(candidates, {config.batch, config.size}, latency_threads(recipe), options);
}

}  // namespace

void deploy_model(const Recipe& recipe, PreparedRun& run, const Model& base, const RunFolder& folder, Report& report,
                  Predictions& predictions) {
  report.files.clear();
  report.deployed.clear();
  write_files(recipe, run.model, base, folder, report);
  if (recipe.deploy.openvino) {
    write_generation(recipe, run.model, base, folder, report);
    evaluate_deployed(recipe, run, base, report, predictions);
  }
  deploy_exits(recipe, run, base, folder, report, predictions);
  deploy_widths(recipe, run, base, folder, report);
  if (!report.deployed.empty() && !predictions.examples.empty()) write_predictions(folder.file(kPredictionsFile), predictions);
  if (recipe.evaluate.latency) measure(recipe, run.model, base, report);
}

}  // namespace dsc
