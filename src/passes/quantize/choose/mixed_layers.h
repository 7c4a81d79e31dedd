// The layers whose widths `mixed` chooses, and what each costs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "passes/quantize/choose/precisions.h"

namespace dsc::quantize {

struct MixedLayer {
  std::string node, part;
  double elements = 0, scales = 0, macs = 0;
  std::vector<double> errors;  // at each of MixedOptions::bits
};

struct MixedLayers {
  std::vector<MixedLayer> list;               // in execution order
  std::map<std::string, std::string> shared;  // layers whose weight an earlier one uses, whose width they take
  double rest = 0;                            // bytes of all other tensors, as they will be
};

// Of a prepared model, without errors. errors: recipe, where `layers` and `skip` leave nothing to choose.
MixedLayers find_mixed_layers(Model& prepared, const Precisions& precisions, const Options& options);

// On disk: 4 bits up to four, else 8, and the scales.
double bytes_of(const MixedLayer& layer, std::int64_t bits, const WeightOptions& options);

}  // namespace dsc::quantize
