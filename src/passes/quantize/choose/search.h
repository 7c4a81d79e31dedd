// Widths of weights found by trying: models are quantised with proposed widths, without training, and a part of the validation data
// decides.
//
//   evolution  search/evolution.h
//   haq        search/agent.h; layers in order of execution
//
// Both begin with what least error would choose, and with widths that are alike for all layers, so that none ends below them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "dscompress/pass.h"
#include "passes/quantize/choose/knapsack.h"
#include "passes/quantize/choose/mixed_layers.h"
#include "search/episodes.h"

namespace dsc::quantize {

using Widths = std::vector<std::size_t>;  // of each layer, an index into MixedOptions::bits

struct WidthSearch {
  Widths best;
  search::Record record;
};

// The widths of most worth whose costs add up to at most `budget`. choices: of each layer, at each width. start: within the budget.
// measure: the metric of the model with such widths. Inside a stage of `model`, which it leaves as it is.
WidthSearch search_widths(const std::vector<MixedLayer>& layers, const std::vector<std::vector<Choice>>& choices, double budget, const Widths& start,
                          const SearchOptions& options, const std::string& metric, const std::function<double(const Widths&)>& measure, Model& model,
                          PassContext& context);

}  // namespace dsc::quantize
