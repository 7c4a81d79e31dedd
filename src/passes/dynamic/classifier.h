// What steps about classifiers ask of a network.
#pragma once

#include <optional>
#include <string>

#include "dscompress/error.h"
#include "dscompress/graph.h"

namespace dsc::dynamic {

// Unless the network's one output is [examples, classes]. what: of the message, "early exits need".
std::optional<Problem> problem_unless_classifier(const Graph& graph, const std::string& what);

}  // namespace dsc::dynamic
