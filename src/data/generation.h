// What generated texts are compared with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dsc {

struct GenerationKey {
  std::vector<std::string> references;  // one an example
  std::string codec;                    // folder of the models that turn tokens into text (text/codec.h)
  std::string encoder;                  // a text encoder's .pt2, for comparing meanings; empty: none is named
  std::int64_t end = 0;                 // the token that ends a text
};

}  // namespace dsc
