// A finished run as others look at it: its report, and what lies beside it.
#pragma once

#include <optional>
#include <string>

#include "core/tree.h"
#include "pipeline/predictions.h"
#include "report/report.h"

namespace dsc {

struct FinishedRun {
  std::string path;    // as given
  std::string folder;  // the run folder, or where the report lies
  Report report;
  std::optional<Predictions> predictions;  // none: not kept, or only the report is there

  std::string file(const std::string& name) const { return folder + "/" + name; }
  bool has_file(const std::string& name) const;
  std::string recipe_file() const { return file("recipe.resolved.yaml"); }
  std::string model_file() const { return file("model.pt2"); }
};

// Whether there is anything at `path`; a link that leads nowhere is nothing.
bool run_exists(const std::string& path);
// path: a run folder, a link to one, or a report.json.
// errors: usage, when there is none, or the run has not ended; data and model_file for damaged files.
FinishedRun open_run(const std::string& path);

}  // namespace dsc
