// How much each group loses, found by trying: plans are cut on copies of the model, batch norms re-calibrated, and a part of the
// validation data decides. No training.
//
//   evolution  search/evolution.h
//   amc        search/agent.h; groups in the order of the graph
//
// Searches begin with the cuts that the rankings make (scope layer, scope global, and the step's own), so that none ends below them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dscompress/pass.h"
#include "ops/channel_groups.h"
#include "ops/cost.h"
#include "passes/prune/choose/select.h"
#include "search/episodes.h"
#include "search/options.h"
#include "search/space.h"

namespace dsc::prune {

struct Options;
struct Base;

struct SearchOptions : search::Options {
  void fields(FieldVisitor& visit);
};

// What may be cut of a model, as a search sees it: its parts are the groups that no override fixes, their levels numbers of units
// that the limits allow.
class CutSpace {
 public:
  // scores: by unit. The model, groups and options must live as long.
  CutSpace(const Model& model, const ChannelGroups& groups, const Options& options, const Base& base, const std::vector<double>& scores);

  CutSpace(const CutSpace&) = delete;  // the space refers to it
  CutSpace& operator=(const CutSpace&) = delete;

  const search::Space& space() const { return *space_; }
  Removal removal(const search::Plan& plan) const;
  // The plan nearest to a cut, within the budget.
  search::Plan plan_of(const Removal& removed) const;

 private:
  std::vector<std::int64_t> counts_of(const search::Plan& plan) const;

  const ChannelGroups& groups_;
  CostModel costs_;
  std::vector<Candidate> candidates_;
  std::vector<std::int64_t> fixed_;                   // units of each candidate that an override takes
  std::vector<std::size_t> searched_;                 // candidates that are parts
  std::vector<std::vector<std::int64_t>> levels_;     // of each part: units that go
  std::unique_ptr<search::Space> space_;
};

// In a stage of its own, saved every few episodes; the model stays as it is. seed: of the step that the cut is for.
// errors: recipe, without a valid split, or where nothing is left to decide.
search::Record search_cut(Model& model, const Options& options, const Base& base, std::uint64_t seed, PassContext& context);

}  // namespace dsc::prune
