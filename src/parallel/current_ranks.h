// The ranks whose examples an operator of a graph sees besides its own. The dispatcher calls operators with tensors alone, so
// whoever trains says it beside them.
#pragma once

#include "parallel/ranks.h"

namespace dsc {

// Of the thread that asks; alone() outside of a scope. A backward pass, which may run elsewhere, keeps what its forward saw.
Ranks& current_ranks();

class RanksScope {
 public:
  explicit RanksScope(Ranks& ranks);
  ~RanksScope();
  RanksScope(const RanksScope&) = delete;
  RanksScope& operator=(const RanksScope&) = delete;

 private:
  Ranks* before_;
};

}  // namespace dsc
