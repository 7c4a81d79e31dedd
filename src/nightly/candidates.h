// What there is to try tonight.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nightly/decision.h"
#include "nightly/history.h"
#include "nightly/traffic.h"

namespace dsc {

// What a night finds.
struct Situation {
  std::optional<std::int64_t> last_good;
  Traffic traffic;
  Figures figures;                  // of the last good version; empty: there is none
  std::vector<GateRecord> budgets;  // it keeps and violates
  std::vector<std::string> notes;
};

struct Candidates {
  std::vector<Decision> pending;   // in the order in which they are tried
  std::vector<std::string> notes;  // why something is not tried
};

// A new checkpoint, then what the violated budgets ask for. What was decided on is not tried again, unless forced, or unless
// as many examples have come as it lacked.
Candidates find_candidates(const Loop& loop, const Situation& situation, const History& history, bool force);

// Of all that this candidate is made from, as it is now.
std::string fingerprint_of(const Loop& loop, const Decision& candidate, std::optional<std::int64_t> last_good, const Traffic& traffic);

}  // namespace dsc
