// Small pictures for people to look at.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "data/open.h"

namespace dsc {

// A PNG of an input of a model, [1 or 3, H, W], not larger than `most` pixels on either side; none: it is no picture. Normalisation is undone;
// where values cannot be pixels even then, the smallest becomes black and the largest white.
std::optional<std::string> thumbnail_png(const at::Tensor& input, const std::optional<NormalizeConfig>& normalize, std::int64_t most);

}  // namespace dsc
