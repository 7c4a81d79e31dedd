// Meeting a latency: which reduction of multiply-accumulates brings the measured latency down to a share of what it was.
//
// Whole models are measured, as cut as they would be, the original beside each in turn, so that drift of the machine
// cancels. What was measured is kept as text: a resumed run measures nothing again and goes on to the same cut.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dscompress/pass.h"
#include "ops/channel_groups.h"
#include "passes/prune/choose/target.h"

namespace dsc::prune {

struct LatencyPoint {
  double macs_reduction = 0;
  double latency_ms = 0, original_ms = 0;
  double ratio() const { return latency_ms / original_ms; }
  void fields(FieldVisitor& visit);
};
struct LatencySearch {
  double macs_reduction = 0;  // the smallest measured one that meets the target, or comes nearest
  std::vector<LatencyPoint> points;
  void fields(FieldVisitor& visit);
};
std::string to_text(const LatencySearch& search);
LatencySearch parse_latency_search(const std::string& text);

// Bisection between two reductions. measure: a model cut that far. ratio: wanted of the original's latency.
// errors: recipe, when even `most` is slower than `ratio` by over 1 %.
LatencySearch search_latency(double least, double most, double ratio, const std::function<LatencyPoint(double macs_reduction)>& measure);

// For the whole cut of `reduce: {latency}`, from the model as it stands. original: the model before the first step.
LatencySearch find_macs_for_latency(const Model& model, const Model& original, const Options& options, const Base& base, PassContext& context,
                                    const std::vector<double>& scores);

Table latency_table(const LatencySearch& search);

}  // namespace dsc::prune
