// A tiny model, tiny data and a recipe on disk, for tests that run the program.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "io/pt2.h"
#include "io/safetensors.h"
#include "support/program.h"
#include "support/tiny_models.h"

namespace dsc::test {

inline void write_split(const std::string& path, const MemoryDataset& data) {
  write_safetensors(path, {.tensors = {{"x", data.inputs()}, {"label", data.target()}}, .metadata = {}});
}

// model.pt2, train/valid/eval.safetensors in `folder`.
inline void write_tiny_files(const TempFolder& folder) {
  write_pt2(tiny_residual_cnn(), folder.file("model.pt2"));
  write_split(folder.file("train.safetensors"), synthetic_images(256, 0));
  write_split(folder.file("valid.safetensors"), synthetic_images(64, 1));
  write_split(folder.file("eval.safetensors"), synthetic_images(128, 2));
}

inline std::string tiny_recipe_head() {
  return R"(version: 1
model: {path: model.pt2}
data:
  train: {format: tensors, path: train.safetensors, split: all, inputs: [x]}
  valid: {format: tensors, path: valid.safetensors, split: all, inputs: [x]}
  eval: {format: tensors, path: eval.safetensors, split: all, inputs: [x]}
)";
}

// Trains, prunes in steps, trains quantised: every kind of stage in a second or two.
inline std::string tiny_recipe() {
  return tiny_recipe_head() + R"(evaluate: {metrics: [top1, loss], baseline: train}
passes:
  - finetune: {name: train, epochs: 12, batch: 32, optimizer: {sgd: {lr: 0.05}}}
  - prune: {importance: l1, reduce: {macs: 0.4}, steps: 2, finetune_each: {epochs: 1, batch: 32, optimizer: {sgd: {lr: 0.02}}}}
  - quantize: {mode: qat, epochs: 2, batch: 32, optimizer: {sgd: {lr: 0.01}}}
)";
}

// A folder with all of it; `recipe` goes to recipe.yaml.
class TinyRun {
 public:
  explicit TinyRun(const std::string& recipe = tiny_recipe()) {
    write_tiny_files(folder_);
    spit(file("recipe.yaml"), recipe);
  }
  std::string file(const std::string& name) const { return folder_.file(name); }
  ProgramResult run(const std::string& out, const std::string& more = {}) const {
    return run_program("-q run " + file("recipe.yaml") + " --output-dir " + file(out) + " --threads 1 " + more);
  }

 private:
  TempFolder folder_;
};

// --- mistakes in the options of passes ---

// Passes after a training that would take minutes; they start at line 10 of the recipe.
inline std::string recipe_with(const std::string& passes) {
  return tiny_recipe_head() + "evaluate: {metrics: [top1]}\npasses:\n  - finetune: {epochs: 500, batch: 32}\n" + passes;
}

struct Mistake {
  const char* passes;
  const char* message;
};

inline void expect_named_before_training(const Mistake& mistake) {
  const TinyRun run(recipe_with(mistake.passes));
  for (const auto& result : {run.run("out"), run_program("validate " + run.file("recipe.yaml"))}) {
    EXPECT_EQ(result.status, 2) << result.err;
    EXPECT_TRUE(contains(result.err, mistake.message)) << result.err;
    EXPECT_TRUE(contains(result.err, "recipe.yaml:10:")) << result.err;
    EXPECT_TRUE(contains(result.err, "(/passes/1/")) << result.err;
  }
  EXPECT_FALSE(std::filesystem::exists(run.file("out")));
}

}  // namespace dsc::test
