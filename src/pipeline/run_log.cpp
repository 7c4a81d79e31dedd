#include "pipeline/run_log.h"

#include <string>

#include "core/log.h"
#include "pipeline/robustness.h"

namespace dsc {

void log_plan(const Plan& plan) {
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const auto& step = plan.steps[i];
    if (step.training_steps > 0) log_info("planned step " + std::to_string(i) + " " + step.name + ": " + training_text(step));
    for (const auto& warning : step.warnings) log_warning("step " + std::to_string(i) + " " + step.name + ": " + warning);
  }
}

void log_step(const StepRecord& record) {
  std::string line = "step " + std::to_string(record.index) + " " + record.name + ": " + format_duration(record.seconds) + ", " +
                     format_bytes(static_cast<double>(record.size_bytes)) + ", " + format_count(record.macs) + " MACs";
  for (const auto& [metric, value] : record.metrics) line += ", " + metric + " " + format_metric(metric, value);
  for (const auto& figure : record.robustness_figures) {
    if (figure.name.starts_with(kWorstFigure)) line += ", " + figure.name + " " + format_metric(figure.metric, figure.value);
  }
  log_info(line + (record.changed || record.pass.empty() ? "" : ", nothing changed"));
}

}  // namespace dsc
