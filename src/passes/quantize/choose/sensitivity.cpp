// Which layers suffer most from quantisation, and which go back to floating point for it.
#include <algorithm>
#include <functional>

#include "ops/arguments.h"
#include "passes/quantize/after_training.h"
#include "passes/quantize/choose/output_error.h"
#include "train/monitor.h"

namespace dsc::quantize {
namespace {

using Ranges = std::map<std::string, Range>;
using Measure = std::function<double(const Model& model)>;

// All layers in floating point but one.
Precisions only(const Precisions& precisions, const std::string& layer) {
  Precisions one = precisions;
  for (auto& [name, precision] : one) {
    if (name != layer) precision.precision = Precision::f32;
  }
  return one;
}

// What is measured with each integer layer alone quantised, by node in execution order.
std::vector<std::pair<const Node*, double>> measure_layers(const Model& prepared, const Precisions& precisions, const Options& options,
                                                           const Ranges& ranges, const Measure& measure, PassContext& context) {
  std::vector<std::pair<const Node*, double>> values;
  for (const Node* node : prepared.graph.nodes()) {
    const auto layer = precisions.find(node->name());
    if (layer == precisions.end() || layer->second.precision != Precision::integer) continue;
    context.check_cancelled();
    Model copy = prepared.clone();
    quantize_prepared(copy, only(precisions, node->name()), options, context, ranges);
    values.emplace_back(node, measure(copy));
  }
  return values;
}

// One point for each layer and width of weights.
void add_points(SenseTable& table, const Model& prepared, const Precisions& precisions, const Options& options, const std::vector<std::int64_t>& widths,
                const Measure& measure, PassContext& context) {
  const Ranges ranges = calibrate_all(prepared, precisions, options, context);
  const auto names = part_names(prepared, precisions);
  for (const std::int64_t bits : widths) {
    Precisions width = precisions;
    for (auto& [name, layer] : width) layer.weights.bits = bits;
    for (const auto& [node, value] : measure_layers(prepared, width, options, ranges, measure, context)) {
      table.points.push_back({names.at(node->name()), static_cast<double>(bits), value});
    }
  }
}

}  // namespace

std::map<std::string, Range> calibrate_all(const Model& prepared, const Precisions& precisions, const Options& options, PassContext& context) {
  Model copy = prepared.clone();
  const QuantPlacement placement = place(copy, precisions, options);
  const auto ranges = find_ranges(copy, placement, precisions, options, context);
  std::map<std::string, Range> by_name;
  for (std::size_t i = 0; i < ranges.size(); ++i) by_name.emplace(placement.activations[i].value->name(), ranges[i]);
  return by_name;
}

std::map<std::string, std::string> part_names(const Model& model, const Precisions& precisions) {
  std::map<std::string, std::vector<std::string>> nodes_of;
  for (const Node* node : model.graph.nodes()) {
    if (precisions.contains(node->name())) nodes_of[place_of(*node)].push_back(node->name());
  }
  std::map<std::string, std::string> names;
  for (const auto& [place, nodes] : nodes_of) {
    for (const std::string& node : nodes) names[node] = nodes.size() == 1 ? place : place + " (%" + node + ")";
  }
  return names;
}

SenseTable measure_sensitivity(const Model& model, const Options& options, PassContext& context) {
  Model prepared = model.clone();
  const Precisions precisions = prepare(prepared, options, context);
  if (options.mixed) return measure_output_errors(prepared, precisions, options, context);
  const Metrics base = context.evaluate(prepared, Split::valid);
  SenseTable table{.setting = "bits", .metric = choose_deciding_metric(base, "the sensitivity of layers")};
  table.base = base.at(table.metric);
  add_points(table, prepared, precisions, options, {8, 4, 2},
             [&](const Model& changed) { return context.evaluate(changed, Split::valid).at(table.metric); }, context);
  return table;
}

SenseTable measure_output_errors(const Model& prepared, const Precisions& precisions, const Options& options, PassContext& context) {
  Options plain = options;  // what helps the network as a whole only costs time for a layer
  plain.rounding = Rounding::nearest;
  plain.bias_correction = false;
  OutputError error(prepared, {.samples = options.mixed->samples, .batch = options.calibration.batch}, context);
  std::vector<std::int64_t> widths;
  for (const std::int64_t bits : options.mixed->bits) {
    if (bits != kFloatBits) widths.push_back(bits);
  }
  SenseTable table{.setting = "bits", .metric = kOutputError};
  add_points(table, prepared, precisions, plain, widths, [&](const Model& changed) { return error.of(changed); }, context);
  return table;
}

std::vector<std::string> keep_within_drop(const Model& prepared, Precisions& precisions, const Options& options, PassContext& context) {
  require_validation(context, "/max_drop");
  const Metrics base = context.evaluate(prepared, Split::valid);
  const Drop drop = choose_drop(base, *options.max_drop, "/max_drop");
  if (context.dry_run()) return {};
  const auto lost = [&](double value) { return drop.lost(base.at(drop.metric), value); };
  const auto is_kept = [&] {
    Model copy = prepared.clone();
    quantize_prepared(copy, precisions, options, context);
    return drop.allows(lost(context.evaluate(copy, Split::valid).at(drop.metric)));
  };
  std::vector<std::string> modules;
  if (is_kept()) return modules;
  const Measure measure = [&](const Model& changed) { return context.evaluate(changed, Split::valid).at(drop.metric); };
  auto layers = measure_layers(prepared, precisions, options, calibrate_all(prepared, precisions, options, context), measure, context);
  std::stable_sort(layers.begin(), layers.end(), [&](const auto& a, const auto& b) { return lost(a.second) > lost(b.second); });
  for (const auto& [node, value] : layers) {
    precisions.at(node->name()).precision = Precision::f32;
    modules.push_back(place_of(*node));
    if (modules.size() == layers.size() || is_kept()) return modules;
  }
  return modules;
}

}  // namespace dsc::quantize
