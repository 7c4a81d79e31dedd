// Settings of the data format that holds time series.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "dscompress/fields.h"

namespace dsc {

// How an example's channels and steps lie: [C, T] for 1-D convolutions, [T, C] for recurrent networks, [C * T] for linear layers.
enum class SeriesLayout : std::uint8_t { channels_first, channels_last, flat };
std::span<const std::string_view> enum_names(SeriesLayout);

struct SeriesConfig {
  SeriesLayout layout = SeriesLayout::channels_first;
  bool z_normalize = false;          // each channel of each example: mean 0, standard deviation 1
  std::int64_t length = 0;           // steps that series are cut or filled up to; 0: all are alike
  std::int64_t window = 0;           // steps of an example; 0: a series is one example
  std::int64_t window_stride = 0;    // steps from one window to the next; 0: `window`
  void fields(FieldVisitor& visit);  // part of the split's
};

}  // namespace dsc
