// From options to units: which groups take part, and which of their units go.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ops/channel_groups.h"
#include "ops/cost.h"
#include "passes/prune/options.h"

namespace dsc::prune {

// The model before the first step: what shares and targets refer to.
struct Base {
  struct Group {
    std::string name;
    std::int64_t size = 0;
  };
  Cost cost;
  std::map<std::string, Group> groups;   // by GroupOverview::identity
  std::optional<SenseTable> sensitivity; // for scope: sensitivity; parts are the names above
};
Base measure_base(const Model& model);

// What the options say about each group.
struct Scoped {
  std::vector<bool> ignored;
  std::map<std::size_t, double> overrides;  // share by group index
};
Scoped scope_groups(const ChannelGroups& groups, const Options& options);
bool matches_any(const std::string& glob, const std::vector<std::string>& modules);

// What `reduce` counts; MACs for latency.
double cost_of(const Reduce& reduce, const Cost& cost);

// The groups that take part, with their limits, overrides and rankings. scores: by unit.
std::vector<Candidate> candidates_of(const Model& model, const ChannelGroups& groups, const Options& options, const Base& base, const std::vector<double>& scores);

// The units that go so that `progress` (0 to 1) of the whole cut is done. scores: by unit, see unit_scores.
Removal choose(const Model& model, const ChannelGroups& groups, const Options& options, const Base& base, double progress,
               const std::vector<double>& scores);

// The largest reduction of what `reduce` counts that the limits allow.
double reachable_reduction(const Model& model, const ChannelGroups& groups, const Options& options, const Base& base);

}  // namespace dsc::prune
