// A search: plans are proposed one after another, each is tried on a copy of the model, and what it was worth steers the next.
//
// Proposers know no data and no clock: from the same seed and the same values they propose the same plans. So the record of the
// episodes is all that a killed search needs: a new proposer is shown the recorded values, and goes on where the old one was.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "dscompress/pass.h"
#include "search/space.h"

namespace dsc::search {

class Proposer {
 public:
  virtual ~Proposer() = default;
  virtual std::int64_t starts() const = 0;       // so many first plans are given, not made
  virtual Plan propose() = 0;                    // always within the space's budget
  virtual void learn(const Plan& plan, double reward) = 0;  // of the plan proposed last; more is better
};

struct Episode {
  Plan plan;
  double value = 0;  // of the metric
};

struct Record {
  std::string metric;
  std::vector<Episode> episodes;
  std::int64_t starts = 0;  // so many first ones are plans that no search made
  const Episode& best() const;  // the first of the best ones
};
std::string to_text(const Record& record);
Record parse_record(const std::string& text);

// Inside a stage of a pass, whose model it leaves as it is: so many episodes, saved every few, shown as curves over the episodes
// ("search_top1", "search_best_top1"). measure: the metric when a plan is carried out.
// errors: data, when a saved record is of another search.
Record run_episodes(Proposer& proposer, const std::string& metric, std::int64_t episodes, const std::function<double(const Plan&)>& measure, Model& model,
                    PassContext& context);

// For the report: "search: top1 0.9120 in episode 57 of 100; the plans it began with: 0.8710, 0.8820".
std::string note_of(const Record& record);

}  // namespace dsc::search
