// metrics.prom: figures of a run in Prometheus' text format, for node exporter's textfile collector and GitLab's metrics
// reports. No time stamps, as that collector demands.
#pragma once

#include <string>

#include "report/gate_report.h"
#include "report/report.h"

namespace dsc {

// With what the gate against a baseline found, unless null.
std::string prometheus_text(const Report& report, const GateReport* gate = nullptr);

}  // namespace dsc
