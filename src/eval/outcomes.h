// What a metric says of single examples, so that two models can be compared in pairs.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace dsc {

// Two numbers for each example, by its index. Of a metric that is a mean: the example's sum, and how many rows (tokens,
// pixels) it has. Of a figure of the whole set (F1, correlations): what was predicted, and what is right. Empty: not kept,
// because an example is no pair of such numbers.
struct Outcomes {
  std::vector<float> value;
  std::vector<float> against;

  bool empty() const { return value.empty(); }
  std::int64_t size() const { return static_cast<std::int64_t>(value.size()); }
  void set(std::int64_t example, double its_value, double its_against);
};

// A metric of any choice of examples, repeats allowed: what resampling needs.
using Figure = std::function<double(std::span<const std::int64_t> examples)>;

// The outcomes must outlive the figure.
Figure make_figure(const std::string& metric, const Outcomes& outcomes);
// Whether the metric is a mean of its examples' values, so that they can be compared one by one.
bool is_mean_of_examples(const std::string& metric);

// What tells examples apart: 64 bits of the content of each, padding left out.
class ExampleIds {
 public:
  explicit ExampleIds(const Dataset& dataset);
  void add(const Batch& batch);
  std::vector<std::int64_t> take() { return std::move(ids_); }

 private:
  std::span<const std::int64_t> lengths_;
  std::vector<std::int64_t> ids_;
};

}  // namespace dsc
