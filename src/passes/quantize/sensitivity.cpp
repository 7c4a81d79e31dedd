// Which layers suffer most from quantisation, and which go back to floating point for it.
#include <algorithm>

#include "passes/quantize/after_training.h"
#include "train/monitor.h"

namespace dsc::quantize {
namespace {

std::map<std::string, Range> calibrate_all(const Model& prepared, const Precisions& precisions, const Options& options, PassContext& context) {
  Model copy = prepared.clone();
  const QuantPlacement placement = place(copy, precisions, options);
  const auto ranges = find_ranges(copy, placement, precisions, options, context);
  std::map<std::string, Range> by_name;
  for (std::size_t i = 0; i < ranges.size(); ++i) by_name.emplace(placement.activations[i].value->name(), ranges[i]);
  return by_name;
}

// All layers in floating point but one.
Precisions only(const Precisions& precisions, const std::string& layer) {
  Precisions one = precisions;
  for (auto& [name, precision] : one) {
    if (name != layer) precision.precision = Precision::f32;
  }
  return one;
}

// The metric with each integer layer alone quantised, by node name in execution order.
std::vector<std::pair<const Node*, double>> measure_layers(const Model& prepared, const Precisions& precisions, const Options& options,
                                                           const std::string& metric, PassContext& context) {
  const auto ranges = calibrate_all(prepared, precisions, options, context);
  std::vector<std::pair<const Node*, double>> values;
  for (const Node* node : prepared.graph.nodes()) {
    const auto layer = precisions.find(node->name());
    if (layer == precisions.end() || layer->second.precision != Precision::integer) continue;
    context.check_cancelled();
    Model copy = prepared.clone();
    quantize_prepared(copy, only(precisions, node->name()), options, context, ranges);
    values.emplace_back(node, context.evaluate(copy, Split::valid).at(metric));
  }
  return values;
}

}  // namespace

SenseTable measure_sensitivity(const Model& model, const Options& options, PassContext& context) {
  Model prepared = model.clone();
  const Precisions precisions = prepare(prepared, options, context);
  const Metrics base = context.evaluate(prepared, Split::valid);
  SenseTable table{.setting = "bits", .metric = choose_monitor(base, "")};
  table.base = base.at(table.metric);
  for (const std::int64_t bits : {8, 4, 2}) {
    Precisions width = precisions;
    for (auto& [name, layer] : width) layer.weights.bits = bits;
    for (const auto& [node, value] : measure_layers(prepared, width, options, table.metric, context)) {
      table.points.push_back({place_of(*node), static_cast<double>(bits), value});
    }
  }
  return table;
}

std::vector<std::string> keep_within_drop(const Model& prepared, Precisions& precisions, const Options& options, PassContext& context) {
  if (context.dry_run()) return {};
  const Metrics base = context.evaluate(prepared, Split::valid);
  const std::string metric = choose_monitor(base, "");
  const double sign = smaller_is_better(metric) ? -1 : 1;
  const auto drop = [&](double value) { return sign * (base.at(metric) - value); };
  const auto drop_now = [&] {
    Model copy = prepared.clone();
    quantize_prepared(copy, precisions, options, context);
    return drop(context.evaluate(copy, Split::valid).at(metric));
  };
  const double allowed = options.max_drop->value / 100;
  std::vector<std::string> modules;
  if (drop_now() <= allowed) return modules;
  auto layers = measure_layers(prepared, precisions, options, metric, context);
  std::stable_sort(layers.begin(), layers.end(), [&](const auto& a, const auto& b) { return drop(a.second) > drop(b.second); });
  for (const auto& [node, value] : layers) {
    precisions.at(node->name()).precision = Precision::f32;
    modules.push_back(place_of(*node));
    if (modules.size() == layers.size() || drop_now() <= allowed) return modules;
  }
  return modules;
}

}  // namespace dsc::quantize
