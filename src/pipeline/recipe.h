// A recipe: the whole experiment, as it was written, substituted and checked.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/compose.h"
#include "core/tree.h"
#include "data/open.h"
#include "dscompress/fields.h"
#include "dscompress/pass.h"
#include "exec/windowed_engine.h"
#include "pipeline/baseline_rules.h"
#include "pipeline/robustness_config.h"

namespace dsc {

inline constexpr std::int64_t kRecipeVersion = 1;

struct ModelConfig {
  FilePath path;
  FilePath weights;  // empty: those in the model file
  std::vector<std::string> inputs;  // of TorchScript: "image=batch,3,224,224", see io/torchscript.h
  void fields(FieldVisitor& visit);
};

struct LatencyConfig {
  std::string engine = "openvino";  // openvino, libtorch
  std::vector<std::int64_t> batch = {1};
  std::int64_t size = 0;     // of the other open dimensions; 0: as exported
  std::int64_t threads = 0;  // 0: the run's
  std::int64_t warmup = 5;
  std::int64_t iterations = 50;
  double min_seconds = 1, max_seconds = 20;
  void fields(FieldVisitor& visit);
};

struct EvaluateConfig {
  std::vector<std::string> metrics = {"top1"};  // empty without data.eval, unless the recipe names some
  std::int64_t batch = 250;
  std::string baseline;  // a step's name; empty: the model as it was loaded
  std::optional<WindowOptions> windows;
  std::optional<LatencyConfig> latency;
  std::vector<RobustnessTest> robustness;
  RobustnessSteps robustness_steps = RobustnessSteps::all;
  void fields(FieldVisitor& visit);
};

struct OpenVinoDeploy {
  std::string device = "CPU";
  std::string precision = "f32";        // f32, bf16, f16: of what is not quantised
  std::string performance = "latency";  // latency, throughput
  bool require_device = false;
  bool stateful = false;                // a language model's folder for generation, besides
  FilePath tokenizer;                   // of that folder: where its files come from; empty: none
  void fields(FieldVisitor& visit);
};

struct DeployConfig {
  std::optional<OpenVinoDeploy> openvino;
  std::vector<std::string> exports;  // file names in the run folder besides model.pt2 and model.safetensors
  void fields(FieldVisitor& visit);
};

struct GateConfig {
  std::optional<Quantity> max_drop;
  std::optional<double> min, max, min_ratio, max_ratio, min_speedup;
  void fields(FieldVisitor& visit);
};

struct ReportConfig {
  std::string title;                                                 // empty: the recipe's name
  std::vector<std::string> formats = {"markdown", "html", "junit", "prometheus"};  // besides report.json
  std::int64_t examples = 6;                                         // of each kind that went wrong
  void fields(FieldVisitor& visit);
};

// One entry of `passes`: `prune` or `prune: {options}`. `name` and `allow_empty` are options of every pass, `train_on` of
// those that may use training data.
struct PassStep {
  std::string name;  // unique in the recipe; the pass id unless given
  const PassInfo* info = nullptr;
  std::shared_ptr<void> options;  // never null
  bool allow_empty = false;       // a pass that changes nothing is no error
  std::string train_on;           // a name of data.more; empty: data.train
  const PassTable* table = nullptr;
  void describe(ValueVisitor& visit);

 private:
  void fields(FieldVisitor& visit);
};

struct PassList {
  std::vector<PassStep> steps;
  const PassTable* table = nullptr;
  void describe(ValueVisitor& visit);
};

struct Recipe {
  std::int64_t version = kRecipeVersion;
  std::string name;  // the file's name unless given
  ModelConfig model;
  DataConfig data;
  EvaluateConfig evaluate;
  PassList passes;
  DeployConfig deploy;
  std::map<std::string, GateConfig> gates;  // besides `baseline`
  BaselineRules baseline_gates;             // gates.baseline
  ReportConfig report;
  std::int64_t seed = 0;
  std::int64_t threads = 0;  // 0: all cores; of each process
  std::int64_t processes = 1;
  std::string device = "cpu";
  std::int64_t limit = 0;  // examples per split; 0: all
  FilePath output_dir;     // empty: a new folder below runs/
  void fields(FieldVisitor& visit);

  // Not part of the text:
  std::string path;                    // of the recipe file
  std::vector<std::string> files;      // all files it was made from
  std::vector<Override> overrides;     // what was set from outside
  std::vector<std::string> notes;      // worth a look, no mistakes
  std::shared_ptr<const Tree> source;  // where each value stands

  // Where the value at a JSON Pointer, or the nearest one around it, is written.
  Place place_of(const std::string& pointer) const;
};

using RecipeInput = ComposeInput;

// Reads, composes and checks a recipe. The table must outlive it.
// errors: recipe, with all independent problems.
Recipe load_recipe(const RecipeInput& input, const PassTable& table);

// Replaces `bf16: auto` in all passes by what it means on the recipe's device, with a note: the resolved recipe says what is computed.
void resolve_bf16(Recipe& recipe);

// What a step needs, as its options are set.
std::set<Need> needs_of(const PassStep& step);

// What can be checked without opening model or data: names of metrics, data for the passes' needs, order of passes, gates
// on what is measured. Places are filled in from the recipe's source.
std::vector<Problem> check_recipe(const Recipe& recipe);

// JSON Pointer of a step's options: "/passes/1/distill".
std::string step_pointer(const Recipe& recipe, std::size_t index);

// Fills in file, line and column of problems that only know a JSON Pointer into the recipe.
void add_places(const Recipe& recipe, std::vector<Problem>& problems);

// An error of a part of the recipe that knows nothing of what is around it, such as a step or a data split: its pointers lead
// into that part, which lies at `pointer`, and become pointers into the recipe. Places in files and graphs stay.
Error place_below(const Recipe& recipe, const std::string& pointer, const Error& error);

// The resolved recipe: every default written, nothing left to substitute. Loading it gives the same text again.
std::string dump_recipe(const Recipe& recipe);
std::string dump_recipe_json(const Recipe& recipe);

// JSON Schema of recipes with these passes.
std::string recipe_schema(const PassTable& table);

// A first recipe with comments, for `init`: every pass of the table with its main options.
struct StarterOptions {
  std::string model = "model.pt2";
  std::string data = "data";
  std::string format = "cifar10";
};
std::string starter_recipe(const PassTable& table, const StarterOptions& options = {});

}  // namespace dsc
