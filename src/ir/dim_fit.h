// A symbolic size from sizes that were seen: dimensions of activations, when there is no shape inference.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ir/dim_expression.h"

namespace dsc {

// What a size was in one run. The first sample of a list is the base; each of the others changes one symbol of it, or
// several that must agree.
struct SizeSample {
  const SymbolValues* symbols = nullptr;
  std::int64_t size = 0;
  std::string changed = {};  // of several symbols that must agree the one to be written; empty: the first by name
};

// The simplest expression that gives every sample: a*s + b, ((a*s + b)//q) + c as convolutions and poolings make it,
// a*s*t for products and a*s + b*t + c for sums. Empty text: the same in all samples. `expressions` holds each symbol's
// own expression. None: no such expression exists.
std::optional<std::string> fit_size(const std::vector<SizeSample>& samples, const std::map<std::string, std::string, std::less<>>& expressions);

}  // namespace dsc
