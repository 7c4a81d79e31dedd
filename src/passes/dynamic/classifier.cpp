#include "passes/dynamic/classifier.h"

#include "ops/exits.h"

namespace dsc::dynamic {

std::optional<Problem> problem_unless_classifier(const Graph& graph, const std::string& what) {
  const auto outputs = shown_outputs(graph);
  const bool is_classifier = outputs.size() == 1 && outputs.front()->producer() && outputs.front()->tensor().rank() == 2 &&
                             is_floating(outputs.front()->tensor().dtype) && outputs.front()->tensor().sizes.back().is_fixed() &&
                             outputs.front()->tensor().sizes.back().size >= 2;
  if (is_classifier) return std::nullopt;
  return Problem{what + " a classifier, whose one output is [examples, classes]: this model " +
                     (outputs.size() == 1 ? "gives a tensor of " + std::to_string(outputs.front()->tensor().rank()) + " dimensions"
                                          : "has " + std::to_string(outputs.size()) + " outputs"),
                 {},
                 "export the model with its class scores as the only output"};
}

}  // namespace dsc::dynamic
