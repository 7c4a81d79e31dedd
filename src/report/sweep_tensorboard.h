// A sweep as TensorBoard's HPARAMS page shows it: its parameters, its figures, and a run of TensorBoard's for each trial.
#pragma once

#include <map>
#include <string>

#include "report/sweep_report.h"

namespace dsc {

// Files of events by their path relative to the sweep's folder. Waiting trials have none.
std::map<std::string, std::string> sweep_events(const SweepReport& report);

}  // namespace dsc
