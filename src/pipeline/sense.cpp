#include "pipeline/sense.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "core/hash.h"
#include "core/names.h"
#include "ir/fingerprint.h"
#include "pipeline/prepare.h"
#include "pipeline/step_context.h"

namespace dsc {
namespace {

// The context of a step that only measures, with a memory on disk.
class SenseContext final : public StepContext {
 public:
  SenseContext(RunResources& resources, RunState& state, ResumePoint& resume, const PassStep& step, std::uint64_t seed, std::string cache, std::string data)
      : StepContext(resources, state, resume, step, seed, "sense " + step.name), cache_(std::move(cache)), data_(std::move(data)) {
    for (const auto& metric : resources.metrics) data_ += " " + metric;
  }

  Metrics evaluate(const Model& model, Split split, std::int64_t limit) override {
    if (cache_.empty()) return StepContext::evaluate(model, split, limit);
    const auto key = fingerprint(fingerprint_of(model) + data_ + " " + std::string(to_string(split)) + " " + std::to_string(limit));
    const auto path = cache_ + "/" + key + ".json";
    if (std::filesystem::exists(path)) return nlohmann::json::parse(read_file(path)).get<Metrics>();
    const auto metrics = StepContext::evaluate(model, split, limit);
    make_folders(cache_);
    write_file_atomically(path, nlohmann::json(metrics).dump() + "\n");
    return metrics;
  }

 private:
  std::string cache_, data_;
};

// How data.valid is read: split, columns, normalisation, limit.
std::string valid_section(const Recipe& recipe) {
  const auto json = nlohmann::json::parse(dump_recipe_json(recipe));
  return json.at("data").at("valid").dump() + json.at("data").value("normalize", nlohmann::json()).dump() + std::to_string(recipe.limit);
}

std::size_t find_step(const Recipe& recipe, const std::string& what) {
  std::vector<std::size_t> found;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < recipe.passes.steps.size(); ++i) {
    const auto& step = recipe.passes.steps[i];
    if (!step.info->sense) continue;
    names.push_back(step.name);
    if (what.empty() || step.name == what || step.info->id == what) found.push_back(i);
  }
  if (found.size() == 1) return found.front();
  std::string list;
  for (const auto& name : names) list += (list.empty() ? "" : ", ") + name;
  if (names.empty()) throw Error(ErrorCode::usage, "the recipe has no step whose sensitivity can be measured", {.file = recipe.path}, "add a `prune` step");
  if (found.empty()) throw Error(ErrorCode::usage, "no step `" + what + "` whose sensitivity can be measured", {.file = recipe.path}, suggest(what, names));
  throw Error(ErrorCode::usage, "several steps can be measured: " + list, {.file = recipe.path}, "choose one with --what " + names.front());
}

}  // namespace

SenseResult sense_recipe(const Recipe& recipe, const SenseOptions& options) {
  const auto index = find_step(recipe, options.what);
  const auto& step = recipe.passes.steps[index];
  if (!recipe.data.valid) {
    throw Error(ErrorCode::recipe, "sensitivity is measured on data.valid, and the recipe has none", {.file = recipe.path, .pointer = "/data"},
                "add data.valid, for example the last part of the training data: split: \"train[-5000:]\"");
  }
  auto run = prepare_run(recipe);
  check_step(recipe, index, run.model);
  const Model base = run.model.clone();
  run.resources.base = &base;
  RunState state;
  ResumePoint resume;
  const auto seed = step_seed(recipe, index);
  const auto data = fingerprint_path(recipe.data.valid->path.path) + valid_section(recipe);
  SenseContext context(run.resources, state, resume, step, seed, options.cache, data);
  return {step.name, step.info->id, step.info->sense(run.model, step.options.get(), context)};
}

}  // namespace dsc
