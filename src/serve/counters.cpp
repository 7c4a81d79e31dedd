#include "serve/counters.h"

#include <algorithm>
#include <sstream>

#include "core/printed.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

struct Metric {
  std::string_view name, type, help;
};
constexpr std::array<Metric, 15> kMetrics = {{
    {"requests_total", "counter", "Requests for an inference, by version and status."},
    {"refused_total", "counter", "Requests that were refused before they were read, by status."},
    {"examples_total", "counter", "Rows that were run, by version."},
    {"batches_total", "counter", "Batches that were run, by version."},
    {"elements_total", "counter", "Input elements that were run, padding included."},
    {"padding_elements_total", "counter", "Those of them that only fill requests up to a bucket's length."},
    {"waiting_examples", "gauge", "Rows that wait to be run."},
    {"version_info", "gauge", "1 for each version that is served, by role."},
    {"reloads_total", "counter", "Versions that took the place of others, by role."},
    {"failed_reloads_total", "counter", "Versions that could not be loaded, by role."},
    {"shadow_examples_total", "counter", "Rows that the candidate ran as well."},
    {"shadow_agreed_total", "counter", "Those of them on which it agreed."},
    {"shadow_difference_total", "counter", "Sum of their relative differences of outputs."},
    {"shadow_dropped_total", "counter", "Rows that the candidate had no time for, or failed on."},
    {"captured_examples", "gauge", "Rows in files of captured traffic."},
}};

std::string braces(const std::string& model, const std::string& labels) {
  return "{model=\"" + model + "\"" + (labels.empty() ? "" : "," + labels) + "} ";
}

}  // namespace

void Counters::add(const std::string& metric, const std::string& labels, double value) {
  const std::lock_guard lock(mutex_);
  values_[metric][labels] += value;
}

void Counters::set(const std::string& metric, const std::string& labels, double value) {
  const std::lock_guard lock(mutex_);
  values_[metric][labels] = value;
}

void Counters::clear(const std::string& metric) {
  const std::lock_guard lock(mutex_);
  values_.erase(metric);
}

void Counters::observe_seconds(double seconds) {
  const std::lock_guard lock(mutex_);
  ++buckets_[static_cast<std::size_t>(std::ranges::lower_bound(kBounds, seconds) - kBounds.begin())];
  seconds_ += seconds;
  ++count_;
}

double Counters::value(const std::string& metric, const std::string& labels) const {
  const std::lock_guard lock(mutex_);
  const auto found = values_.find(metric);
  if (found == values_.end()) return 0;
  const auto labelled = found->second.find(labels);
  return labelled == found->second.end() ? 0 : labelled->second;
}

std::string Counters::text() const {
  const std::lock_guard lock(mutex_);
  std::ostringstream out;
  const std::string prefix = "dscompress_serve_";
  for (const auto& metric : kMetrics) {
    const auto found = values_.find(std::string(metric.name));
    if (found == values_.end()) continue;
    out << "# HELP " << prefix << metric.name << ' ' << metric.help << "\n# TYPE " << prefix << metric.name << ' ' << metric.type << '\n';
    for (const auto& [labels, value] : found->second) out << prefix << metric.name << braces(model_, labels) << printed("%.17g", value) << '\n';
  }
  out << "# HELP " << prefix << "request_seconds From a request's arrival to its response.\n# TYPE " << prefix << "request_seconds histogram\n";
  std::int64_t below = 0;
  for (std::size_t i = 0; i < kBounds.size(); ++i) {
    below += buckets_[i];
    out << prefix << "request_seconds_bucket" << braces(model_, printed("le=\"%g\"", kBounds[i])) << below << '\n';
  }
  out << prefix << "request_seconds_bucket" << braces(model_, "le=\"+Inf\"") << count_ << '\n'
      << prefix << "request_seconds_sum" << braces(model_, "") << printed("%.9g", seconds_) << '\n'
      << prefix << "request_seconds_count" << braces(model_, "") << count_ << '\n';
  return std::move(out).str();
}

}  // namespace dsc
