// A sweep's beginning: everything is checked, and all trials are written down, before the first one runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dscompress/pass.h"
#include "pipeline/recipe.h"
#include "sweep/driver.h"
#include "sweep/folder.h"

namespace dsc::sweep {

struct StartOptions {
  RecipeInput input;
  std::string out;
  std::int64_t workers = 1;
  std::int64_t threads = 0;          // of each worker; 0: the recipe's, or its share of the cores
  std::optional<std::string> cache;  // folder of the step cache, empty: none; absent: the user's own
};

// "vars.cut=0.3,0.5 vars.bits=4,8": the parameters of a grid. errors: usage.
Override parse_multirun(const std::string& text);

// Writes the queue. errors: recipe and data, for whatever is wrong with the section or with any trial's recipe; usage (folder); whatever a rehearsal
// of the first trial finds. returns: the driver's lock, held.
DriverLock start_sweep(const StartOptions& options, const PassTable& passes);

}  // namespace dsc::sweep
