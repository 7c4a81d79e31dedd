// Robustness of all steps as tables and lines, for Markdown and HTML alike.
#pragma once

#include <string>
#include <vector>

#include "report/report.h"
#include "report/charts.h"

namespace dsc {

struct RobustnessTable {
  std::string metric;
  std::vector<std::string> columns;             // "", then the steps that were tried
  std::vector<std::vector<std::string>> tests;  // clean, one row a test, then mean and worst
  std::vector<std::vector<std::string>> severities;  // one row a test and severity
  std::vector<Series> lines;                    // a step each: mean over corruptions against severity, 0 is clean
};

// One table for each metric; none when nothing was tried.
std::vector<RobustnessTable> robustness_tables(const Report& report);

}  // namespace dsc
