// Training over several ranks (parallel/ranks.h): each runs the networks on its rows of every batch, and all compute the loss of
// the whole batch from everyone's outputs, so that any objective means what it means in one process. The gradients of the
// networks' parameters are then parts of the whole one; those of parameters of the objective are whole on each rank.
#pragma once

#include <cstdint>
#include <vector>

#include "dscompress/pass.h"
#include "parallel/ranks.h"

namespace dsc {

// What the context of a run in several processes is besides.
class RankedContext {
 public:
  virtual ~RankedContext() = default;
  virtual Ranks& ranks() = 0;                   // in a rehearsal, which one process does for all: alone()
  virtual std::int64_t processes() const = 0;   // of the run
};
Ranks& ranks_of(PassContext& context);
std::int64_t processes_of(PassContext& context);

// What stands against training this graph, in batches of so many examples, in so many processes; empty: nothing.
std::vector<Problem> check_parallel(const Model& model, std::int64_t batch, std::int64_t processes);

}  // namespace dsc
