// A worker takes trials from a sweep's queue and runs them, until there is none left. Any number of them, started by the driver, by hand, over
// ssh or as a Slurm array on machines that share the folder, are one and the same program.
#pragma once

#include <string>
#include <vector>

#include "dscompress/pass.h"
#include "sweep/folder.h"

namespace dsc::sweep {

// Returns when no trial is left to take, or the sweep was told to stop. A trial that fails is recorded, with its reason.
// errors: cancelled (the trial in progress goes back to the queue, and its run is resumed by whoever takes it), resource (disk full), usage
// (another build than the sweep's).
void run_worker(const Folder& folder, const PassTable& passes, const std::vector<std::string>& plugins);

}  // namespace dsc::sweep
