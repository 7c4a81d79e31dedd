// Widths of weights, layer by layer: the choice of least error within a budget.
//
// The error of the outputs with one layer at one width is measured (output_error.h); errors of layers add, costs add, and the
// best choice is a knapsack's (knapsack.h; HAWQ-V3 solves the same integer program, with curvature in place of measured errors).
//   bytes    weights on disk: 4 bits up to four, else 8, and their scales
//   latency  measured for whole models of one width each; a layer's part of the difference is its share of the
//            multiply-accumulates. The chosen model is measured, and chosen again within a tighter budget if it missed.
//   drop     the smallest weights whose drop, measured, is allowed: bisection over the sum of errors
// With `search`, a budget of bytes is shared out by trying on the validation data, from there on (search.h).
// What was measured is a table: with the same table, another budget measures no layer again.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dscompress/pass.h"
#include "passes/quantize/choose/precisions.h"

namespace dsc::quantize {

struct Assignment {
  std::map<std::string, std::int64_t> bits;  // by node name; kFloatBits: stays in floating point
  std::vector<Statistic> statistics;
  Table table;
  std::string note;  // of a search
};

// In a stage of its own; the model stays as it is. Empty without `mixed`.
// errors: recipe, when the budget cannot be kept to; data, for a table of another model.
Assignment choose_widths(Model& model, const Options& options, PassContext& context);
void set_widths(Precisions& precisions, const Assignment& assignment);

}  // namespace dsc::quantize
