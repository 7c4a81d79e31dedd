// For plugins that cut channels by an importance of their own. What goes together, scopes, limits, steps and recovery are those
// of the pass `prune`; scores are the plugin's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dscompress/pass.h"

namespace dsc {

namespace prune {
struct Options;
}

// A weight in which the units of a group lie.
struct UnitWeight {
  std::string name;     // in Model::weights: "layer1.0.conv1.weight"
  std::int64_t dim = 0; // in which they lie
  bool produces = false;                           // whether it makes the channels; others read, scale or shift them
  std::vector<std::vector<std::int64_t>> indices;  // of each unit, in that dimension; several where a view cuts it up
};
// Units that can go one by one, each with its part of every weight: channels of a residual stage, attention heads.
struct UnitGroup {
  std::string name;  // the module that makes the channels
  std::int64_t units = 0;
  std::vector<UnitWeight> weights;
};
// A finite score for each unit of a group; larger matters more. Called for each group before each cut.
using UnitScores = std::function<std::vector<double>(const Model& model, const UnitGroup& group)>;

// The options of `prune` but `importance` and what belongs to it. A plugin's own options hold one and call its `fields`, and
// the pass's needs and checks are its, too.
class Pruning {
 public:
  Pruning();
  ~Pruning();
  Pruning(const Pruning&);
  Pruning(Pruning&&) noexcept;
  Pruning& operator=(Pruning);
  void fields(FieldVisitor& visit);
  std::vector<Need> needs() const;
  std::vector<Problem> check(const Model& model) const;
  // errors: usage, for scores that are not one finite number for each unit; those of `prune`.
  PassResult run(Model& model, const UnitScores& scores, PassContext& context) const;

 private:
  std::unique_ptr<prune::Options> options_;
};

}  // namespace dsc
