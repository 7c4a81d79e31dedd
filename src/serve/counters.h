// What /metrics shows, in Prometheus' text format.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace dsc {

class Counters {
 public:
  explicit Counters(std::string model) : model_(std::move(model)) {}

  // Of a metric in the table of counters.cpp; labels beside `model`, as `version="3",code="200"`.
  void add(const std::string& metric, const std::string& labels = {}, double value = 1);
  void set(const std::string& metric, const std::string& labels, double value);
  void clear(const std::string& metric);  // all of its labels
  void observe_seconds(double seconds);   // of one request, from its arrival to its response
  double value(const std::string& metric, const std::string& labels = {}) const;

  std::string text() const;

 private:
  static constexpr std::array<double, 12> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10};
  const std::string model_;
  mutable std::mutex mutex_;
  std::map<std::string, std::map<std::string, double>> values_;
  std::array<std::int64_t, kBounds.size() + 1> buckets_{};
  double seconds_ = 0;
  std::int64_t count_ = 0;
};

}  // namespace dsc
