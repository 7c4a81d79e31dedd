// A sweep's folder as a report.
#pragma once

#include "report/sweep_report.h"
#include "sweep/folder.h"

namespace dsc::sweep {

SweepReport collect_report(const Folder& folder);  // errors: usage (no sweep), data (damaged files)

}  // namespace dsc::sweep
