// From the JSON of an exported program to a Graph.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "dscompress/graph.h"

namespace dsc::pt2 {

// `graph_module` is the schema's GraphModule; `file` names the archive in messages.
// errors: unsupported (everything a Graph cannot hold, by node and source line), model_file (contradictions).
// nlohmann's own exceptions (fields missing or of another type) pass through.
Graph read_graph(const nlohmann::json& graph_module, const std::string& file);

}  // namespace dsc::pt2
