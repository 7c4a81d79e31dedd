// The sections of report.html. Each writes nothing where the report has nothing for it.
#pragma once

#include <ostream>

#include "report/charts.h"
#include "report/report.h"

namespace dsc::html {

void write_steps(std::ostream& out, const Report& report);     // table, waterfalls, trade-offs
void write_layers(std::ostream& out, const Report& report);    // before and after, ranges, what the engine made of them
void write_examples(std::ostream& out, const Report& report);  // confusions, and what went wrong
void write_details(std::ostream& out, const Report& report);   // what each step said

// Values on an axis that shows a metric: shares in percent, between 0 and 100.
double on_axis(const std::string& metric, double value);
Bounds axis_bounds(const std::string& metric);

}  // namespace dsc::html
