// evaluate.windows against a data set and a model, before a run.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "dscompress/error.h"
#include "dscompress/model.h"
#include "exec/windowed_engine.h"

namespace dsc {

// A data set as a model sees it in windows. errors: data, where windows cannot cut its examples.
DatasetInfo in_windows(const DatasetInfo& info, const WindowOptions& windows);

// What would stop an evaluation, or spoil its figures: windows of padding, and a size that the model was not exported for. Places are
// relative to evaluate.windows.
std::vector<Problem> check_windows(const DatasetInfo& info, const Model& model, const WindowOptions& windows);

// "examples of 150 steps are evaluated in 5 windows of 40".
std::string describe_windows(const DatasetInfo& info, const WindowOptions& windows);

}  // namespace dsc
