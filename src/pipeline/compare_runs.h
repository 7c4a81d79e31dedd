// Finished runs side by side.
#pragma once

#include <string>
#include <vector>

#include "report/comparison.h"

namespace dsc {

// paths: run folders or reports, two at least; the first is what the others are compared with. errors: those of open_run.
RunComparison compare_runs(const std::vector<std::string>& paths);

}  // namespace dsc
