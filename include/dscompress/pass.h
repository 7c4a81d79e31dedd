// What a pass is: a function over a Model, its options struct, and a row of facts.
//
// A pass never prints, reads files, parses options, times itself or seeds a global generator; the runner does all that
// around it, and PassContext offers the rest. JSON Pointers in its problems and errors lead into its options ("/losses/0").
// Passes also come from shared libraries: see `dscompress_plugin` below. They cut by importances of their own with prune.h, and train with
// losses of their own with train.h; what else the program is made of is not for them: no header of src is installed.
// Tensors are shared with the base model and files that are mapped: a pass puts new ones into Model::weights, and changes none in place.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "dscompress/error.h"
#include "dscompress/fields.h"
#include "dscompress/model.h"

namespace dsc {

class Dataset;  // src/data/dataset.h; opaque to plugins

enum class Split : std::uint8_t { train, valid, eval, calibration };
enum class Need : std::uint8_t { train_data, calibration_data, teacher, latency };
enum class Change : std::uint8_t { weights, shapes, structure, precision };

// A figure with its unit, for the report.
struct Statistic {
  std::string name;
  double value = 0;
  std::string unit;
};
// A table for the report, e.g. one row per pruned group.
struct Table {
  std::string name;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};
// A point of a training curve.
struct CurvePoint {
  std::string curve;   // "train_loss", "valid_top1", "lr"
  double epoch = 0;
  double value = 0;
};

struct PassResult {
  bool changed = false;
  std::vector<Statistic> statistics;
  std::vector<std::string> notes;
  std::vector<Table> tables;
};

// How much the model loses when a pass is applied to one part of it alone.
struct SensePoint {
  std::string part;    // "layer1.0.conv1"
  double setting = 0;  // what was done to it, in the table's terms
  double value = 0;    // of the metric
};
struct SenseTable {
  std::string setting;  // "share cut", "bits"
  std::string metric;   // "top1"
  double base = 0;      // the metric of the model as it is
  std::vector<SensePoint> points;
};
// As JSON text, and back. errors: data, for a text of another form.
std::string to_text(const SenseTable& table);
SenseTable parse_sense_table(const std::string& text);

// Metric name -> value, as in `evaluate.metrics`; accuracies are fractions in [0, 1].
using Metrics = std::map<std::string, double>;

// What a long pass saves inside a stage, besides the model, so that a killed run goes on where it was.
struct SavedState {
  std::int64_t position = 0;                  // e.g. finished epochs
  std::map<std::string, at::Tensor> tensors;  // e.g. optimiser state
  std::string text;                           // anything else, as JSON
  SavedState();
  ~SavedState();
  SavedState(const SavedState&);
  SavedState(SavedState&&) noexcept;
  SavedState& operator=(SavedState);
};

// What the runner offers a pass.
class PassContext {
 public:
  virtual ~PassContext() = default;

  virtual std::uint64_t seed() const = 0;           // of this step; stages derive theirs from it (core/random.h; in a plugin, any function of it and the name)
  virtual const std::string& device() const = 0;    // "cpu", "cuda", "cuda:1"
  // Whether this is the rehearsal before a run: the pass changes the model as it would, but trains and measures nothing.
  virtual bool dry_run() const { return false; }
  virtual bool has_data(Split split) const = 0;
  virtual Dataset& data(Split split) = 0;           // errors: data, when the recipe names none for this split
  // What everything is compared with, and the teacher unless a step names others: the model as it was before the first pass, or after the step `evaluate.baseline`.
  virtual const Model& base() = 0;
  // Another model that a step's options name, such as a teacher's; `weights`: swapped in by name, unless empty.
  // errors: model_file.
  virtual Model load_model(const std::string& path, const std::string& weights) = 0;
  // Folder for what may be kept between runs, named by content.
  virtual std::string cache_folder() const { return "runs/cache"; }
  // The recipe's metrics of `model` on a split, at most `limit` examples (0: all), run by LibTorch.
  virtual Metrics evaluate(const Model& model, Split split, std::int64_t limit = 0) = 0;

  // Median latencies of models in milliseconds, timed in turn by the engine and with the first batch size of the recipe's
  // `evaluate.latency`. errors: recipe, when the recipe has none.
  virtual std::vector<double> latencies_ms(const std::vector<const Model*>& models) = 0;

  virtual void note(std::string text) = 0;
  virtual void curve(const CurvePoint& point) = 0;
  virtual void progress(std::string_view what, std::int64_t done, std::int64_t total) = 0;
  virtual void check_cancelled() = 0;               // errors: cancelled

  // Runs `body` unless an interrupted run had finished it already; then `model` is as it was after it. Stages of one
  // step run in order, have distinct names, and hand results on only through the model and the returned text. A resumed
  // pass runs again from the start of its step, so whatever changes the model at length belongs into a stage; between
  // stages a pass should not look at the model.
  virtual std::string stage(std::string_view name, Model& model, const std::function<std::string()>& body) = 0;
  // Inside a stage: saves model and state; after a kill, `restore` gives the last state and puts the model back.
  virtual void save(const Model& model, const SavedState& state) = 0;
  virtual std::optional<SavedState> restore(Model& model) = 0;
  // Tensors that stages of one step hand on to later ones, such as optimiser state. Change it inside stages only.
  virtual std::map<std::string, at::Tensor>& carried() = 0;
};

// A pass: id (the key in recipes), facts for the checker, options, function.
struct PassInfo {
  std::string id;                  // "prune", "quantize", "my.pass"
  std::string summary;             // one sentence
  std::vector<Change> changes;
  std::vector<Need> needs;
  std::function<std::shared_ptr<void>()> make_options;
  std::function<void(void*, FieldVisitor&)> fields;
  // Further needs that follow from options, e.g. calibration data for `mode: ptq`.
  std::function<std::vector<Need>(const void*)> needs_of;
  // Checks against the model before anything is trained: reasons why it cannot work, empty when it can.
  std::function<std::vector<Problem>(const Model&, const void*)> check;
  std::function<PassResult(Model&, const void*, PassContext&)> run;
  // Sensitivity of a model's parts to this pass, measured with context.evaluate on Split::valid; null: not offered.
  std::function<SenseTable(const Model&, const void*, PassContext&)> sense;
};

// Row of facts for make_pass, without the functions.
template <class Options>
struct PassFacts {
  std::string id;
  std::string summary;
  std::vector<Change> changes = {};
  std::vector<Need> needs = {};
  std::function<std::vector<Need>(const Options&)> needs_of = {};
  std::function<std::vector<Problem>(const Model&, const Options&)> check = {};
  std::function<SenseTable(const Model&, const Options&, PassContext&)> sense = {};
};

template <HasFields Options, class Run>
PassInfo make_pass(PassFacts<Options> facts, Run run) {
  static_assert(std::is_invocable_r_v<PassResult, Run, Model&, const Options&, PassContext&>);
  PassInfo info;
  info.id = std::move(facts.id);
  info.summary = std::move(facts.summary);
  info.changes = std::move(facts.changes);
  info.needs = std::move(facts.needs);
  info.make_options = [] { return std::shared_ptr<void>(std::make_shared<Options>()); };
  info.fields = [](void* options, FieldVisitor& visit) { static_cast<Options*>(options)->fields(visit); };
  if (facts.needs_of) info.needs_of = [f = std::move(facts.needs_of)](const void* o) { return f(*static_cast<const Options*>(o)); };
  if (facts.check) {
    info.check = [f = std::move(facts.check)](const Model& m, const void* o) { return f(m, *static_cast<const Options*>(o)); };
  }
  if (facts.sense) {
    info.sense = [f = std::move(facts.sense)](const Model& m, const void* o, PassContext& c) { return f(m, *static_cast<const Options*>(o), c); };
  }
  info.run = [run](Model& model, const void* options, PassContext& context) {
    return run(model, *static_cast<const Options*>(options), context);
  };
  return info;
}

// All passes of a run: built in, and from plugins.
class PassTable {
 public:
  void add(PassInfo info);                          // errors: usage, for an id that is taken
  const PassInfo* find(std::string_view id) const;  // null: none
  const std::vector<std::unique_ptr<PassInfo>>& all() const { return passes_; }

 private:
  std::vector<std::unique_ptr<PassInfo>> passes_;  // ordered by id
};

// Changes when PassInfo or PassContext change; a plugin made for another number is refused.
inline constexpr int kPluginInterface = 3;

}  // namespace dsc

// A plugin is a shared library that defines both; `dscompress --plugin libx.so` calls them.
#define DSCOMPRESS_PLUGIN(table)                                                        \
  extern "C" int dscompress_plugin_interface() { return ::dsc::kPluginInterface; }      \
  extern "C" void dscompress_plugin(::dsc::PassTable& table)
