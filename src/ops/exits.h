// A network with early exits: scores are ready at several depths, and an example goes no further than its own need.
//
//   outputs of the graph: the network's own scores, then those of each exit, from the shallowest on
//
// What a graph cannot say, when an example leaves, lies beside it in the archive (exits.json), and stays true whatever passes make
// of the layers: an exit is the output of its number, and its stage everything up to there in order of execution.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/fields.h"
#include "dscompress/model.h"

namespace dsc {

// confidence: the largest probability is above the threshold. entropy: that of the probabilities, as a share of its largest value,
// is below it. patience: so many exits in a row have chosen the class of the exit before them.
enum class ExitCriterion : std::uint8_t { confidence, entropy, patience };
std::span<const std::string_view> enum_names(ExitCriterion);

struct ExitRule {
  ExitCriterion criterion = ExitCriterion::confidence;
  double threshold = 1;
  void fields(FieldVisitor& visit);
};
// The threshold that no example meets, in a network of so many exits; and what thresholds may be, for messages.
double closed_threshold(ExitCriterion criterion, std::int64_t exits);
// What is wrong with a threshold; empty: nothing.
std::string problem_with(const ExitRule& rule, std::int64_t exits);

struct Exits {
  ExitRule rule;
  std::vector<std::string> blocks;  // behind which they are, from the shallowest on
  void fields(FieldVisitor& visit);
};

// none: a network without exits. errors: model_file, for a damaged record.
std::optional<Exits> exits_of(const Model& model);
void set_exits(Model& model, const Exits& exits);

// Every output that a caller gets as a tensor.
std::vector<Value*> shown_outputs(const Graph& graph);

}  // namespace dsc
