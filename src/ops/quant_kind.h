// Operators with low-precision kernels, by what engines tell apart, and which of their arguments those kernels take.
#pragma once

#include <cstdint>
#include <string_view>

namespace dsc {

enum class QuantKind : std::uint8_t {
  convolution, transposed_convolution, linear, product,
  attention,  // the product of queries and keys inside a fused attention
  recurrent,  // lstm, gru, rnn: weights alone are quantised, since states go through steps that no engine runs in integers
  table,      // an embedding: rows of a stored matrix are read, in any width, and no activation is involved
  experts,    // a product with matrices looked up in a stored stack: weights alone, as no engine multiplies such rows in integers
};

struct QuantArguments {
  QuantKind kind;
  std::string_view activation, weight;  // no activation: none is quantised
  std::int64_t channel_axis;            // of the weight; -1: the last; of convolutions weight_channels() says it
};

}  // namespace dsc
