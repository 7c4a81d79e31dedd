// How much accuracy each group costs: measured alone at several shares, then used to share out a cut.
// Source: Han et al. 2015 (arXiv:1506.02626, section 3.1) and Li et al. 2017 (arXiv:1608.08710, section 3.2).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dscompress/pass.h"
#include "passes/prune/choose/select.h"

namespace dsc::prune {

struct Options;

struct SensitivityOptions {
  std::vector<double> shares = {0.1, 0.25, 0.5, 0.75, 0.9};
  std::int64_t examples = 1000;  // of the valid split; 0: all
  FilePath table;                // measured before, by `dscompress sense RECIPE --json`; empty: measure
  void fields(FieldVisitor& visit);
};

// Cuts each group alone, its least important units first, and measures the metric on Split::valid.
// errors: recipe, without a valid split or metric.
SenseTable measure_sensitivity(const Model& model, const Options& options, PassContext& context);

// The loss expected when `share` of a part is cut: never falling, straight lines between the measured points, from no
// loss at 0 to the whole metric at 1.
double expected_loss(const SenseTable& table, const std::string& part, double share);

// Puts all groups into one pool, ranked by the loss that their next unit is expected to bring them to. names: by group,
// as in the table. errors: data, for a group that the table does not have.
void rank_by_sensitivity(const SenseTable& table, const std::vector<std::string>& names, std::vector<Candidate>& candidates);

}  // namespace dsc::prune
