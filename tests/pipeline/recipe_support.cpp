#include "pipeline/recipe_support.h"

#include <array>

namespace dsc::test {
namespace {

struct Sgd {
  static constexpr const char* kName = "sgd";
  double lr = 0.1, momentum = 0.9;
  void fields(FieldVisitor& visit) {
    visit("lr", lr, {.text = "Learning rate.", .minimum = 0});
    visit("momentum", momentum, {.text = "Momentum.", .minimum = 0, .maximum = 1});
  }
};
struct AdamW {
  static constexpr const char* kName = "adamw";
  double lr = 1e-3;
  void fields(FieldVisitor& visit) { visit("lr", lr, {.text = "Learning rate.", .minimum = 0}); }
};

enum class Schedule : std::uint8_t { linear, cubic };
std::span<const std::string_view> enum_names(Schedule) {
  static constexpr std::array<std::string_view, 2> kNames{"linear", "cubic"};
  return kNames;
}
enum class Importance : std::uint8_t { l1, l2, random };
std::span<const std::string_view> enum_names(Importance) {
  static constexpr std::array<std::string_view, 3> kNames{"l1", "l2", "random"};
  return kNames;
}
enum class Mode : std::uint8_t { ptq, qat };
std::span<const std::string_view> enum_names(Mode) {
  static constexpr std::array<std::string_view, 2> kNames{"ptq", "qat"};
  return kNames;
}

struct Finetune {
  double epochs = 1;
  std::variant<Sgd, AdamW> optimizer;
  bool bf16 = false;
  std::vector<std::string> freeze;
  void fields(FieldVisitor& visit) {
    visit("epochs", epochs, {.text = "Length of the training.", .unit = "epochs", .minimum = 0});
    visit("optimizer", optimizer, {.text = "Optimiser."});
    visit("bf16", bf16, {.text = "Compute in bfloat16."});
    visit("freeze", freeze, {.text = "Module globs to leave as they are."});
  }
};

struct Reduce {
  std::optional<double> channels, macs;
  void fields(FieldVisitor& visit) {
    visit("channels", channels, {.text = "Share of channels.", .unit = "fraction", .minimum = 0, .maximum = 0.99});
    visit("macs", macs, {.text = "Share of operations.", .unit = "fraction", .minimum = 0, .maximum = 0.99});
    visit.check(channels.has_value() == macs.has_value() ? "give exactly one of channels, macs" : "");
  }
};
struct Prune {
  Importance importance = Importance::l1;
  Reduce reduce;
  std::int64_t steps = 1;
  Schedule schedule = Schedule::linear;
  std::optional<Finetune> finetune_each;
  std::vector<std::string> skip;
  std::map<std::string, double> layers;
  void fields(FieldVisitor& visit) {
    visit("importance", importance, {.text = "What makes a channel matter."});
    visit("reduce", reduce, {.text = "How much goes.", .required = true});
    visit("steps", steps, {.text = "Cuts to do it in.", .minimum = 1, .maximum = 1000});
    visit("schedule", schedule, {.text = "How the cut grows."});
    visit("finetune_each", finetune_each, {.text = "Training after each step."});
    visit("skip", skip, {.text = "Module globs to leave alone."});
    visit("layers", layers, {.text = "Share for single layers.", .unit = "fraction", .minimum = 0, .maximum = 0.99});
  }
};

struct Range {
  std::int64_t bits = 8;
  bool per_channel = true;
  double momentum = 0.99;
  void fields(FieldVisitor& visit) {
    visit("bits", bits, {.text = "Width.", .unit = "bits", .minimum = 2, .maximum = 8});
    visit("per_channel", per_channel, {.text = "One scale for each output channel."});
    visit("momentum", momentum, {.text = "Weight of the past.", .minimum = 0, .maximum = 1});
  }
};
struct Quantize {
  Mode mode = Mode::ptq;
  double epochs = 5;
  Range weights, activations;
  void fields(FieldVisitor& visit) {
    visit("mode", mode, {.text = "With or without training."});
    visit("epochs", epochs, {.text = "Length of the training.", .unit = "epochs", .minimum = 0});
    visit("weights", weights, {.text = "Weights."});
    visit("activations", activations, {.text = "Activations."});
  }
};

struct Fuse {
  bool allow_empty = false;
  void fields(FieldVisitor& visit) { visit("allow_empty", allow_empty, {.text = "Accept that nothing changes."}); }
};
struct Import {
  FilePath path;
  std::string label = "none";
  void fields(FieldVisitor& visit) {
    visit("path", path, {.text = "The file to import.", .required = true});
    visit("label", label, {.text = "A label."});
  }
};

template <HasFields Options>
PassInfo make(PassFacts<Options> facts) {
  return make_pass<Options>(std::move(facts), [](Model&, const Options&, PassContext&) { return PassResult{}; });
}

PassTable make_table() {
  PassTable table;
  table.add(make<Prune>({.id = "prune", .summary = "Cut channels.", .changes = {Change::weights, Change::shapes}}));
  table.add(make<Finetune>({.id = "finetune", .summary = "Train.", .changes = {Change::weights}, .needs = {Need::train_data}}));
  table.add(make<Quantize>({.id = "quantize", .summary = "Quantise.", .changes = {Change::precision}, .needs_of = [](const Quantize& o) {
                              return std::vector{o.mode == Mode::qat ? Need::train_data : Need::calibration_data};
                            }}));
  table.add(make<Fuse>({.id = "fuse", .summary = "Fold batch norm.", .changes = {Change::structure}}));
  table.add(make<Import>({.id = "import", .summary = "Take tensors from a file.", .changes = {Change::weights}}));
  return table;
}

}  // namespace

const PassTable& recipe_passes() {
  static const PassTable table = make_table();
  return table;
}

}  // namespace dsc::test
