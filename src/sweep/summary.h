// A sweep's folder as a report.
#pragma once

#include <string>
#include <vector>

#include "report/sweep_report.h"
#include "sweep/folder.h"

namespace dsc::sweep {

// The run folders of the trials on a sweep's front, those of the first seed.
std::vector<std::string> front_runs(const Folder& folder);

SweepReport collect_report(const Folder& folder);  // errors: usage (no sweep), data (damaged files)

}  // namespace dsc::sweep
