#include "pipeline/finished_run.h"

#include <filesystem>

#include "core/file.h"
#include "dscompress/error.h"

namespace dsc {

namespace fs = std::filesystem;

bool FinishedRun::has_file(const std::string& name) const { return fs::exists(file(name)); }

bool run_exists(const std::string& path) {
  std::error_code ignored;  // what cannot be looked at is no run either
  return fs::exists(path, ignored);
}

FinishedRun open_run(const std::string& path) {
  if (!run_exists(path)) {
    const bool dangling = fs::is_symlink(fs::symlink_status(path));
    throw Error(ErrorCode::usage, dangling ? "the link leads nowhere" : "there is no run", {.file = path}, "name a run folder or a report.json");
  }
  FinishedRun run{.path = path};
  const bool is_folder = fs::is_directory(path);
  run.folder = is_folder ? path : fs::path(absolute_path(path)).parent_path().string();
  const auto file = is_folder ? run.file("report.json") : path;
  if (!fs::exists(file)) throw Error(ErrorCode::usage, "this folder holds no run: it has no report.json", {.file = path}, "name a run folder or a report.json");
  run.report = parse_report(read_file(file), file);
  const auto& report = run.report;
  const bool ended = report.status == "passed" || report.status == "failed" || report.status == "anomalous";
  if (!ended || report.steps.empty()) {
    throw Error(ErrorCode::usage, "this run did not end: its status is `" + report.status + "`", {.file = file}, "finish it (dscompress resume), or name another");
  }
  if (report.predictions && run.has_file(report.predictions->path)) run.predictions = read_predictions(run.file(report.predictions->path));
  return run;
}

}  // namespace dsc
