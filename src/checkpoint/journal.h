// What an interrupted conversion has finished: OUT.part/journal.json, replaced after each output shard.
#pragma once

#include <set>
#include <string>

#include "checkpoint/plan.h"

namespace dsc::checkpoint {

// The folder that is renamed to `out` when everything in it is complete.
std::string partial_folder(const std::string& out);
// Whether `folder` (the final one) has a conversion to go on with.
bool is_resumable(const std::string& out);

class Journal {
 public:
  // Opens the journal of `folder`, or begins one. `build` identifies the program. errors: usage, when options, source or program differ
  // from those that the journal was begun with: which.
  Journal(std::string folder, const Plan& plan, const std::string& build);

  bool is_finished(const ShardPlan& shard) const;
  void add(const ShardPlan& shard);
  bool empty() const { return finished_.empty(); }
  void remove() const;

 private:
  void write() const;

  std::string folder_;
  std::string options_, source_, build_;
  std::set<std::string> finished_;
};

// What a conversion to `out` was begun with. errors: usage, when there is none.
Options read_begun(const std::string& out);

}  // namespace dsc::checkpoint
