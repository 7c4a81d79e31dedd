#include "pipeline/step_cache.h"

#include <ATen/Version.h>
#include <torch/headeronly/version.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/fields_write.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "deploy/openvino_engine.h"
#include "pipeline/cache_folder.h"
#include "pipeline/predictions.h"
#include "pipeline/step_files.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kCacheFormat = "dscompress-step-cache-1";
constexpr const char* kState = "state.safetensors";
constexpr const char* kOutcomes = "state";  // the one model of an entry's predictions

// Kernels are chosen by what the processor has, and by variables that hide some of it.
std::string instruction_set() {
  std::ifstream file("/proc/cpuinfo");
  std::string text = at::get_cpu_capability();
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("flags") && !line.starts_with("Features")) continue;
    text += line;
    break;
  }
  for (const auto* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_CBWR"}) {
    const char* value = std::getenv(name);
    text += std::string("\n") + name + "=" + (value ? value : "");
  }
  return text;
}

std::string engines() {
  return std::string(TORCH_VERSION) + "\n" + at::show_config() + "\n" + (openvino_available() ? openvino_version() : "");
}

// What all states of a run depend on. What a step does not see is left out: names, gates, reports, the form of deployment
// unless steps measure latency.
std::string recipe_base(const Recipe& recipe) {
  auto tree = write_fields(recipe);
  std::vector<std::string> unseen = {"name", "passes", "gates", "report", "output_dir"};
  if (!recipe.evaluate.latency) unseen.emplace_back("deploy");
  std::erase_if(tree.entries, [&](const TreeEntry& entry) { return std::ranges::find(unseen, entry.key) != unseen.end(); });
  return to_json(tree);
}

// The resolved options of each step, its name among them.
std::vector<std::string> step_texts(const Recipe& recipe) {
  const auto tree = write_fields(recipe);
  std::vector<std::string> texts;
  for (const auto& step : tree.find("passes")->items) texts.push_back(to_json(step));
  return texts;
}

}  // namespace

std::vector<std::string> recipe_prefixes(const Recipe& recipe) {
  std::vector<std::string> prefixes = {fingerprint(recipe_base(recipe))};
  for (const auto& text : step_texts(recipe)) prefixes.push_back(fingerprint(prefixes.back() + text));
  return prefixes;
}

std::vector<std::string> state_keys(const Recipe& recipe, const Fingerprints& fingerprints) {
  std::string base = std::string(kCacheFormat) + "\n" + engines() + "\n" + instruction_set() + "\n" + recipe_base(recipe);
  for (const auto& [what, value] : fingerprints) {
    const bool of_step = what == "recipe" || what.starts_with("file ");
    if (!of_step) base += "\n" + what + "=" + value;
  }
  std::vector<std::string> keys = {fingerprint(base)};
  const auto texts = step_texts(recipe);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::string step = keys.back() + texts[i];
    for (const auto& path : files_of(recipe.passes.steps[i])) step += "\n" + path + "=" + fingerprints.at("file " + path);
    keys.push_back(fingerprint(step));
  }
  return keys;
}

StepCache::StepCache(std::string folder) : folder_(std::move(folder)), leases_(folder_ + "/leases") { make_folders(folder_ + "/leases"); }

bool StepCache::has_leases() const { return !fs::is_empty(folder_ + "/leases"); }

bool StepCache::has(const std::string& key) const { return fs::exists(path_of(key) + "/entry.json"); }

std::optional<CachedState> StepCache::find(const std::string& key, Model& model) {
  if (!has(key)) return std::nullopt;
  const auto path = path_of(key);
  try {
    if (const auto damage = damage_of(path); !damage.empty()) throw Error(ErrorCode::model_file, damage, {.file = path});
    CheckpointPaths paths;
    paths.step = path + "/" + kState;
    ResumePoint nowhere;
    auto state = read_checkpoints(paths, model, nowhere, {{"key", key}});
    CachedState found{.record = std::move(state.report.steps.at(0)), .evaluation = {}};
    found.evaluation.metrics = found.record.metrics;
    if (fs::exists(path + "/" + kPredictionsFile)) {
      auto predictions = read_predictions(path + "/" + kPredictionsFile);
      found.evaluation.examples = std::move(predictions.examples);
      found.evaluation.outcomes = std::move(predictions.models.at(kOutcomes));
    }
    touch_entry(path);
    return found;
  } catch (const std::exception& error) {
    if (!has(key)) return std::nullopt;  // another process has just removed it
    log_warning("an entry of the step cache is damaged, and is computed again (" + path + "): " + error.what());
    fs::remove_all(path);
    return std::nullopt;
  }
}

void StepCache::put(const std::string& key, const StepRecord& record, const Model& model, const Evaluation& evaluation) {
  const auto path = path_of(key), beside = folder_ + "/.new-" + key + "-" + std::to_string(::getpid());
  make_folders(beside);
  RunState state;
  state.report.steps.push_back(record);
  write_checkpoint(beside + "/" + kState, state, model, {{"key", key}});
  ordered_json files{{kState, fingerprint_path(beside + "/" + kState)}};
  if (!evaluation.examples.empty()) {
    Predictions predictions;
    predictions.keep(kOutcomes, Evaluation(evaluation));
    write_predictions(beside + "/" + kPredictionsFile, predictions);
    files[kPredictionsFile] = fingerprint_path(beside + "/" + kPredictionsFile);
  }
  write_file_atomically(beside + "/entry.json", ordered_json{{"step", record.name}, {"files", files}}.dump(2) + "\n");
  make_folders(folder_ + "/" + key.substr(0, 2));
  std::error_code taken;  // another process was faster, with the same content
  fs::rename(beside, path, taken);
  if (taken) fs::remove_all(beside);
  keep_limit(key);
}

void StepCache::keep_limit(const std::string& key) const {
  const auto limit = cache_limit(folder_);
  if (!limit) return;
  for (const auto& entry : prune_cache(folder_, *limit)) {
    log_debug("removed from the step cache: what step " + entry.step + " left (" + format_bytes(static_cast<double>(entry.bytes)) + ")");
    if (entry.key == key) log_warning("the step cache is limited to less than this step leaves (" + format_bytes(static_cast<double>(entry.bytes)) + "): it is not kept");
  }
}

std::unique_ptr<Claim> StepCache::lease(const std::string& key) {
  bool said = false;
  for (;;) {
    if (has(key)) return nullptr;
    if (auto claim = leases_.take(key, false)) {
      if (!has(key)) return claim;
      return nullptr;
    }
    if (!said) log_info("waiting for another process that computes this step");
    said = true;
    throw_if_interrupted();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

}  // namespace dsc
