// An engine as an evaluation asks it: with whole inputs, or in windows where its options have some.
#pragma once

#include <optional>

#include "exec/windowed_engine.h"

namespace dsc {

// Refers to `whole`, which may be null: then there is nothing to ask.
class AskedEngine {
 public:
  AskedEngine(Engine* whole, const std::optional<WindowOptions>& windows) : whole_(whole) {
    if (whole && windows) windowed_.emplace(*whole, *windows);
  }
  Engine& engine() { return windowed_ ? *windowed_ : *whole_; }

 private:
  Engine* whole_;
  std::optional<WindowedEngine> windowed_;
};

}  // namespace dsc
