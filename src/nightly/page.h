// What a registry shows of its nights: report.html and metrics.prom.
#pragma once

#include <string>
#include <vector>

#include "nightly/night.h"
#include "nightly/registry.h"

namespace dsc {

// rows: of the history, oldest first.
std::string loop_html(const Loop& loop, const std::vector<Decision>& rows);
std::string loop_prometheus(const std::string& name, const NightResult& result);
void write_loop_files(const Loop& loop, const Registry& registry, const std::vector<Decision>& rows, const NightResult& result);

}  // namespace dsc
