// The metrics of two runs on the same examples.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/finished_run.h"
#include "report/comparison.h"

namespace dsc {

// Which of a run's models is looked at: the compressed one in its deployed form where all runs have that, else its graph.
std::string common_model(const std::vector<const FinishedRun*>& runs);
// Metrics of that model.
const std::map<std::string, double>& metrics_of(const FinishedRun& run, const std::string& model);

// Why the runs' metrics must not be compared: other examples, other meaning of the metrics; empty: they may.
std::string reason_against_comparing(const FinishedRun& first, const FinishedRun& second);

// second against first. None: outcomes of single examples were not kept.
std::optional<PairedRecord> compare_outcomes(const FinishedRun& first, const FinishedRun& second, const std::string& model, const std::string& metric);

}  // namespace dsc
