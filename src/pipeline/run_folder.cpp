#include "pipeline/run_folder.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "core/file.h"
#include "core/log.h"
#include "dscompress/error.h"
#include "io/pt2.h"
#include "ir/text.h"
#include "pipeline/checkpoint.h"
#include "pipeline/model_histograms.h"
#include "report/prometheus.h"
#include "report/tensorboard.h"

namespace dsc {

namespace fs = std::filesystem;

namespace {

// TensorBoard goes on reading where it was, in the file that it opened: what only got longer is appended. Anything else is what a
// resumed run does not go on from.
void write_events(const std::string& path, const std::string& events) {
  make_folders(fs::path(path).parent_path().string());
  const auto before = fs::exists(path) ? read_file(path) : std::string();
  if (before.empty() || !events.starts_with(before)) return write_file_atomically(path, events);
  std::ofstream out(path, std::ios::binary | std::ios::app);
  out << std::string_view(events).substr(before.size()) << std::flush;
  if (!out) throw Error(ErrorCode::io, "cannot write", {.file = path}, "is the disk full?");
}

}  // namespace

void RunFolder::check_new(const std::string& path) {
  if (!fs::exists(path)) return;
  if (!fs::is_directory(path)) throw Error(ErrorCode::usage, "the run folder's name is taken by a file", {.file = path}, "choose another --output-dir");
  if (fs::is_empty(path)) return;
  const bool resumable = fs::exists(CheckpointPaths(path).step);
  throw Error(ErrorCode::usage, resumable ? "the folder holds a run that was not finished" : "the run folder is not empty", {.file = path},
              resumable ? "go on with it: dscompress resume " + path + ", or choose another --output-dir" : "choose another --output-dir");
}

void RunFolder::check_resumable() const {
  if (!fs::exists(resolved_recipe())) {
    throw Error(ErrorCode::usage, "this folder holds no run", {.file = path_}, "start one: dscompress run RECIPE --output-dir " + path_);
  }
  if (!fs::exists(CheckpointPaths(path_).step)) {
    const auto report = file("report.json");
    const std::string status = fs::exists(report) ? parse_report(read_file(report), report).status : "running";
    const bool finished = status != "running" && status != "interrupted" && status != "error";
    throw Error(ErrorCode::usage, finished ? "this run is finished already" : "this run was stopped before its first checkpoint", {.file = path_},
                finished ? "see " + report : "remove the folder and run the recipe again");
  }
}

RunFolder RunFolder::for_reading(std::string path) {
  RunFolder folder(std::move(path));
  folder.is_written_ = false;
  return folder;
}

bool RunFolder::wants(std::string_view format) const { return std::find(formats_.begin(), formats_.end(), format) != formats_.end(); }

std::string RunFolder::main_report() const { return file(wants("html") ? "report.html" : wants("markdown") ? "report.md" : "report.json"); }

void RunFolder::create(const std::string& resolved_recipe_text) const {
  if (!is_written_) return;
  make_folders(path_);
  write_file_atomically(resolved_recipe(), resolved_recipe_text);
  start_log();
}

void RunFolder::start_log() const {
  if (is_written_) log_to_file(file("log.jsonl"));
}

void RunFolder::write_report(const Report& report) const {
  if (!is_written_) return;
  write_file_atomically(file("report.json"), report_json(report));
  if (wants("markdown")) write_file_atomically(file("report.md"), report_markdown(report));
  if (wants("html")) write_file_atomically(file("report.html"), report_html(report));
  if (wants("prometheus")) write_file_atomically(file("metrics.prom"), prometheus_text(report));
  if (wants("junit")) write_file_atomically(file("junit.xml"), report_junit(report));
}

void RunFolder::write_progress(const Report& earlier, const StepRecord& in_progress) const {
  if (!is_written_) return;
  if (wants("csv")) write_file_atomically(file("curves.csv"), curves_csv(earlier, &in_progress));
  if (wants("tensorboard")) write_events(file(events_file(in_progress)), curve_events(earlier, in_progress));
}

void RunFolder::write_step(const Report& earlier, const StepRecord& record, const Model& model) const {
  if (!is_written_) return;
  std::array<char, 32> number{};
  std::snprintf(number.data(), number.size(), "%02lld", static_cast<long long>(record.index));
  const auto folder = file("steps/" + std::string(number.data()) + "-" + record.name);
  make_folders(folder);
  Report only;
  only.steps.push_back(record);
  write_file_atomically(folder + "/step.json", report_json(only));
  write_file_atomically(folder + "/graph.txt", print_graph(model.graph, {.metadata = false}));
  if (wants("csv")) write_file_atomically(file("curves.csv"), curves_csv(earlier, &record));
  if (wants("tensorboard")) write_events(file(events_file(record)), step_events(earlier, record, model_histograms(model)));
}

void RunFolder::write_baseline(const Model& model) const {
  if (is_written_) write_pt2(model, baseline_model());
}

void RunFolder::carry_tokenizer(const std::string& xml, const std::string& model) const {
  if (!is_written_ || xml.empty()) return;
  for (const char* extension : {".xml", ".bin"}) {
    write_file_atomically(file(model + ".tokenizer" + extension), read_file(fs::path(xml).replace_extension(extension).string()));
  }
}

// The step's file goes last: while it is there, the run can be resumed.
void RunFolder::remove_checkpoints() const {
  if (!is_written_) return;
  const CheckpointPaths paths(path_);
  for (const auto& file : {paths.progress, paths.stage, paths.step}) fs::remove(file);
}

}  // namespace dsc
