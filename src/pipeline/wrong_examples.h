// Which classes and examples a run's models get wrong, for its report.
#pragma once

#include "data/dataset.h"
#include "data/open.h"
#include "pipeline/predictions.h"
#include "report/report.h"

namespace dsc {

// Fills `report.classes` and `report.examples`, at most `most` examples of each kind; nothing where the models do not choose one class for
// each example.
void describe_wrong(const Predictions& predictions, const Dataset& dataset, const std::optional<NormalizeConfig>& normalize, std::int64_t most, Report& report);

}  // namespace dsc
