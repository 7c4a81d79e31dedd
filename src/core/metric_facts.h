// What is known of each metric besides how it is computed (eval/metric.h).
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "dscompress/fields.h"

namespace dsc {

// A number that a metric can be given: metrics: [{dtw: {band: 10}}].
struct MetricSetting {
  std::string_view name, text;
  double usual = 0, least = 0, most = 0;
  std::string_view unit = "";
};

struct MetricFacts {
  std::string_view name;
  bool smaller_is_better = false;   // losses, errors, divergences
  bool is_share = false;            // of examples, in [0, 1]: people read it in percent and state its losses in percentage points
  bool compares_with_base = false;  // needs the base model's outputs beside the model's own
  bool of_label = true;             // it compares an output with its labels, and can be of another label than the first
  bool in_recipes = true;           // `evaluate.metrics` accepts it; otherwise only a pass measures it, for its own tables
  std::span<const MetricSetting> settings = {};
};

// What a metric was given, by name; every setting has a value.
using MetricSettings = std::map<std::string, double, std::less<>>;

// A metric is known everywhere by one text, its name and the settings that are not the usual ones: "dtw", "dtw(band=10)". All
// functions below take such texts. One of a further label says which: "mse(label=price)".
std::string metric_text(std::string_view name, const MetricSettings& settings, const std::string& label = {});
MetricSettings metric_settings(const std::string& metric);  // errors: recipe, for settings that it has not
std::string metric_label(const std::string& metric);        // empty: the label itself

// errors: recipe, for a name that no metric has, as in a report of another version.
const MetricFacts& metric_facts(const std::string& metric);
// Whether a figure is a metric that is a share; false for what is no metric: size, latency, the learning rate.
bool is_share(const std::string& figure);
// All, in the order that help and schema show them.
std::span<const MetricFacts> all_metric_facts();

// How much worse `now` is than `base`, in the metric's own numbers; negative: better.
double fall_of(const std::string& metric, double base, double now);

// What a metric may lose: an option such as `max_drop: 0.5pp`.
struct Drop {
  std::string metric;
  Quantity allowed;  // pp: percentage points; %: of the base's value; no unit: the metric's own numbers

  // What is lost, in the unit of what is allowed; infinity: any part of a base of 0.
  double lost(double base, double now) const;
  // Losing exactly what is allowed is allowed: rounding in the last digits does not decide.
  bool allows(double lost) const { return lost <= allowed.value + 1e-9; }
};

}  // namespace dsc
