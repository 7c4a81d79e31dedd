// A FakeContext of a run in several processes.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>

#include "support/fake_context.h"
#include "train/parallel.h"

namespace dsc::test {

class RankedFakeContext : public FakeContext, public RankedContext {
 public:
  RankedFakeContext(const Model& model, FakeData data, Ranks& ranks) : FakeContext(model, data), ranks_(ranks) {}
  Ranks& ranks() override { return ranks_; }
  std::int64_t processes() const override { return ranks_.size(); }

 private:
  Ranks& ranks_;
};

// The largest difference of any two weights.
inline double largest_difference(const Model& a, const Model& b) {
  double largest = 0;
  for (const auto& name : a.weights.names()) {
    largest = std::max(largest, (a.weights.get(name).to(at::kDouble) - b.weights.get(name).to(at::kDouble)).abs().max().item<double>());
  }
  return largest;
}

}  // namespace dsc::test
