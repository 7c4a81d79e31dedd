// The end of a sweep that chose on data.valid: the trials on its front, and they alone, are evaluated on data.eval, once.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "dscompress/pass.h"
#include "sweep/folder.h"

namespace dsc::sweep {

using FrontMetrics = std::map<std::int64_t, std::map<std::string, double>>;  // trial -> metric -> mean over seeds

// Evaluates what front_eval.json does not have yet, and adds it. Nothing to do when trials were judged on data.eval. errors: whatever
// evaluation finds.
void evaluate_front(const Folder& folder, const PassTable& passes);

FrontMetrics read_front_metrics(const Folder& folder);

}  // namespace dsc::sweep
