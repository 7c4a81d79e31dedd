#include "pipeline/checkpoint.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/safetensors.h"
#include "ir/text.h"

namespace dsc {
namespace {

using nlohmann::ordered_json;

constexpr const char* kFormat = "dscompress-checkpoint-1";
const std::string kCarried = "carried/", kExtra = "extra/";

at::Tensor text_tensor(const std::string& text) {
  const at::Tensor bytes = at::empty({static_cast<std::int64_t>(text.size())}, at::kByte);
  std::copy(text.begin(), text.end(), bytes.mutable_data_ptr<std::uint8_t>());
  return bytes;
}

// Which earlier name holds the same tensor, for weights that are tied.
std::map<std::string, std::string> tied_names(const Weights& weights) {
  std::map<const void*, std::string> first;
  std::map<std::string, std::string> tied;
  for (const auto& name : weights.names()) {
    const auto [entry, added] = first.emplace(weights.get(name).unsafeGetTensorImpl(), name);
    if (!added) tied.emplace(name, entry->second);
  }
  return tied;
}

ordered_json progress_json(const RunState& state, const Model& model, const Fingerprints& fingerprints) {
  ordered_json json;
  json["finished_steps"] = state.finished_steps;
  json["finished_stages"] = state.finished_stages;
  json["stage"] = state.stage;
  json["run_seconds"] = state.run_time.seconds();
  json["step_seconds"] = state.step_time.seconds();
  if (state.saved) {
    json["saved"] = {{"position", state.saved->position}, {"text", state.saved->text}};
    auto& names = json["saved"]["tensors"] = ordered_json::array();
    for (const auto& [name, tensor] : state.saved->tensors) names.push_back(name);
  }
  // The step in progress travels as the last step of a report, so that the report's own reader serves both.
  Report with_record;
  with_record.steps.push_back(state.record);
  json["record"] = ordered_json::parse(report_json(with_record));
  json["report"] = ordered_json::parse(report_json(state.report));
  json["fingerprints"] = fingerprints;
  json["weights"] = model.weights.names();  // their order matters to the writers
  json["tied"] = tied_names(model.weights);
  json["source"] = model.source;
  json["archive"] = {{"schema_major", model.archive.schema_major}, {"schema_minor", model.archive.schema_minor},
                     {"torch_version", model.archive.torch_version}, {"json", model.archive.json}};
  return json;
}

void restore_model(const ordered_json& json, const TensorFile& file, const std::string& path, Model& model) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, tensor] : file.tensors) tensors.emplace(name, tensor);
  model.graph = parse_graph(file.metadata.at("graph"), path);
  model.weights = Weights();
  for (const std::string name : json.at("weights")) {
    const auto tied = json.at("tied").find(name);
    // Cloned: the file is mapped read-only, and training changes the weights in place.
    model.weights.set(name, tied == json.at("tied").end() ? tensors.at("model/" + name).clone() : model.weights.get(tied->get<std::string>()));
  }
  const auto& archive = json.at("archive");
  // What no pass touches (sample inputs) is as in the recipe's model, which `model` was.
  model.archive.schema_major = archive.at("schema_major");
  model.archive.schema_minor = archive.at("schema_minor");
  model.archive.torch_version = archive.at("torch_version");
  model.archive.json = archive.at("json").get<std::map<std::string, std::string>>();
  model.archive.extra_files.clear();
  for (const auto& [name, bytes] : file.tensors) {
    if (name.starts_with(kExtra))
      model.archive.extra_files[name.substr(kExtra.size())] = {bytes.const_data_ptr<std::uint8_t>(),
                                                               bytes.const_data_ptr<std::uint8_t>() + bytes.numel()};
  }
  model.source = json.at("source");
}

void check_fingerprints(const Fingerprints& saved, const Fingerprints& expected, const std::string& path) {
  std::vector<Problem> problems;
  for (const auto& [what, value] : expected) {
    const auto found = saved.find(what);
    if (found != saved.end() && found->second == value) continue;
    problems.push_back({"the " + what + " differs from the interrupted run's", {.file = path},
                        "restore it as it was, or start a new run with another --output-dir"});
  }
  if (!problems.empty()) throw Error(ErrorCode::data, std::move(problems));
}

// What a later checkpoint of the same step knows better.
void go_on_from(RunState& later, RunState& state) {
  state.record = std::move(later.record);
  state.run_time = later.run_time;
  state.step_time = later.step_time;
}

}  // namespace

void write_checkpoint(const std::string& path, const RunState& state, const Model& model, const Fingerprints& fingerprints) {
  TensorFile file;
  const auto tied = tied_names(model.weights);
  for (const auto& name : model.weights.names()) {
    if (!tied.contains(name)) file.tensors.emplace_back("model/" + name, model.weights.get(name));
  }
  if (state.saved) {
    for (const auto& [name, tensor] : state.saved->tensors) file.tensors.emplace_back("state/" + name, tensor);
  }
  for (const auto& [name, tensor] : state.carried) file.tensors.emplace_back(kCarried + name, tensor);
  for (const auto& [name, text] : model.archive.extra_files) file.tensors.emplace_back(kExtra + name, text_tensor(text));
  file.metadata = {{"format", kFormat}, {"graph", print_graph(model.graph)}, {"progress", progress_json(state, model, fingerprints).dump()}};
  write_safetensors(path, file);
}

namespace {

RunState read_checkpoint(const std::string& path, Model& model, const Fingerprints& expected) {
  const auto file = read_safetensors(path);
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end() || format->second != kFormat) {
    throw Error(ErrorCode::model_file, "this is not a checkpoint of a run", {.file = path}, "start a new run");
  }
  const auto json = ordered_json::parse(file.metadata.at("progress"));
  check_fingerprints(json.at("fingerprints").get<Fingerprints>(), expected, path);
  RunState state;
  state.finished_steps = json.at("finished_steps");
  state.finished_stages = json.at("finished_stages").get<std::map<std::string, std::string>>();
  state.stage = json.at("stage");
  if (json.contains("saved")) {
    SavedState saved;
    saved.position = json["saved"].at("position");
    saved.text = json["saved"].at("text");
    for (const std::string name : json["saved"].at("tensors")) {
      for (const auto& [stored, tensor] : file.tensors) {
        if (stored == "state/" + name) saved.tensors.emplace(name, tensor.clone());
      }
    }
    state.saved = std::move(saved);
  }
  for (const auto& [stored, tensor] : file.tensors) {
    if (stored.starts_with(kCarried)) state.carried.emplace(stored.substr(kCarried.size()), tensor.clone());
  }
  state.record = parse_report(json.at("record").dump(), path).steps.front();
  state.report = parse_report(json.at("report").dump(), path);
  state.run_time = Elapsed(json.at("run_seconds"));
  state.step_time = Elapsed(json.at("step_seconds"));
  restore_model(json, file, path, model);
  return state;
}

}  // namespace

CheckpointPaths::CheckpointPaths(const std::string& folder) {
  if (folder.empty()) return;
  step = folder + "/checkpoint.safetensors";
  stage = folder + "/checkpoint.stage.safetensors";
  progress = folder + "/checkpoint.progress.safetensors";
}

RunState read_checkpoints(const CheckpointPaths& paths, Model& model, ResumePoint& resume, const Fingerprints& expected) {
  auto state = read_checkpoint(paths.step, model, expected);
  if (std::filesystem::exists(paths.stage)) {
    Model after;
    after.archive = model.archive;
    auto stage = read_checkpoint(paths.stage, after, expected);
    if (stage.finished_steps == state.finished_steps) {
      state.finished_stages = std::move(stage.finished_stages);
      state.carried = std::move(stage.carried);
      go_on_from(stage, state);
      resume.after_stages = std::move(after);
    }
  }
  if (std::filesystem::exists(paths.progress)) {
    Model inside;
    inside.archive = model.archive;
    auto progress = read_checkpoint(paths.progress, inside, expected);
    if (progress.finished_steps == state.finished_steps && progress.finished_stages == state.finished_stages) {
      state.stage = std::move(progress.stage);
      state.saved = std::move(progress.saved);
      go_on_from(progress, state);
      resume.in_stage = std::move(inside);
    }
  }
  return state;
}

}  // namespace dsc
