// The recipe that `init` writes: runs as it is once the paths fit, and shows every option of every pass as a comment.
#include <algorithm>
#include <array>
#include <sstream>

#include "core/fields_schema.h"
#include "core/fields_write.h"
#include "pipeline/recipe.h"

namespace dsc {
namespace {

struct FirstPass {
  std::string_view id, setting;
};
// In this order, each with what a first recipe would set; other passes follow as comments.
constexpr std::array<FirstPass, 3> kFirstPasses{{{"prune", "reduce: {macs: 0.5}"}, {"finetune", "epochs: 10"}, {"quantize", "mode: qat"}}};

std::string commented(const std::string& yaml, const std::string& margin) {
  std::istringstream lines(yaml);
  std::string out, line;
  while (std::getline(lines, line)) out += margin + "# " + line + "\n";
  return out;
}

// "    # lr: 0.1" below what it means, for each option of a pass.
std::string option_comments(const PassInfo& pass, std::string_view setting, const std::string& margin) {
  const auto options = pass.make_options();
  const auto fields = [&](FieldVisitor& visit) { pass.fields(options.get(), visit); };
  const auto defaults = write_fields(fields);
  std::string out;
  for (const auto& row : describe_fields(fields)) {
    const auto* value = defaults.find(row.name);
    if (!value || setting.starts_with(row.name + ":")) continue;  // inside of an option, or set already
    const auto range = row.range.empty() ? "" : " (" + row.range + ")";
    out += margin + "# " + row.text + range + "\n" + commented(to_yaml(map_tree({{row.name, *value}})), margin);
  }
  return out;
}

std::string pass_entries(const PassTable& table) {
  std::string out;
  for (const auto& [id, setting] : kFirstPasses) {
    const auto* pass = table.find(id);
    if (!pass) continue;
    out += "  # " + pass->summary + "\n  - " + pass->id + ":\n      " + std::string(setting) + "\n" + option_comments(*pass, setting, "      ");
  }
  for (const auto& pass : table.all()) {
    if (std::any_of(kFirstPasses.begin(), kFirstPasses.end(), [&](const auto& first) { return first.id == pass->id; })) continue;
    out += "  # " + pass->summary + "\n  # - " + pass->id + ":\n" + option_comments(*pass, "", "  #     ");
  }
  return out.empty() ? "  []\n" : out;
}

std::string quoted(const std::string& text) { return to_yaml(text_tree(text)); }

}  // namespace

std::string starter_recipe(const PassTable& table, const StarterOptions& options) {
  const auto data = [&](const std::string& split) { return "{format: " + options.format + ", path: \"${data}\", split: \"" + split + "\"}\n"; };
  return "# A compression experiment. Lines with # show what else can be set, with the default.\n"
         "#   dscompress validate FILE    checks it        dscompress run FILE    runs it\n"
         "#   dscompress passes           what there is    dscompress schema      for your editor\n"
         "version: 1\n\n"
         "vars:\n"
         "  data: " +
         quoted(options.data) +
         "\n"
         "model:\n"
         "  path: " +
         quoted(options.model) +
         "  # weights: nightly.safetensors   # tensors that replace the model's, by name\n\n"
         "data:\n"
         "  train: " +
         data("train[:-5000]") + "  valid: " + data("train[-5000:]") + "  eval: " + data("test") +
         "  # normalize: {mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}\n\n"
         "evaluate:\n"
         "  metrics: [top1]\n"
         "  # latency: {engine: openvino, batch: [1, 64]}\n\n"
         "# What is done to the model, in this order; the model is evaluated after each.\n"
         "passes:\n" +
         pass_entries(table) +
         "\n"
         "# deploy:\n"
         "#   openvino: {device: CPU}\n\n"
         "gates:\n"
         "  top1: {max_drop: 1pp}     # percentage points; 1% is that share of the base's value\n"
         "  # size: {min_ratio: 4}\n"
         "  # latency_p50: {min_speedup: 2}\n\n"
         "# seed: 0\n";
}

}  // namespace dsc
