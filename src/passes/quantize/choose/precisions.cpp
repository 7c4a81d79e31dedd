#include "passes/quantize/choose/precisions.h"

#include <algorithm>
#include <set>

#include "core/names.h"
#include "core/printed.h"
#include "ops/arguments.h"

namespace dsc::quantize {
namespace {

constexpr double kWorthANote = 0.05;  // of a model's bytes

const QuantTarget& target_of(const Options& options) { return *find_quant_target(options.target); }

std::vector<Node*> layers_of(const Model& model, const Options& options) {
  std::vector<Node*> layers;
  for (Node* node : model.graph.nodes()) {
    const auto layer = find_quant_layer(model.graph, node);
    if (!layer || !target_of(options).has(layer->kind) || (layer->weights.empty() && !has_activation_ranges(options.mode))) continue;
    const bool is_dynamic_layer = layer->kind == QuantKind::linear || layer->activations.empty();
    if (is_dynamic_layer || options.mode != Mode::dynamic) layers.push_back(node);
  }
  return layers;
}

bool applies(const LayerRule& rule, const Node& node) {
  return matches_glob(rule.select, node.module_path()) && matches_glob(rule.op, node.op().substr(node.op().find('.') + 1));
}

bool is_skipped(const Node& node, const Options& options) {
  return std::any_of(options.skip.begin(), options.skip.end(), [&](const auto& glob) { return matches_glob(glob, node.module_path()); });
}

// Rows of embeddings have no other values to make up for their rounding, and take little time at any width.
WeightOptions weights_of_table(WeightOptions options) {
  options.bits = std::max<std::int64_t>(options.bits, 8);
  options.group_size = 0;
  return options;
}

template <class T>
void override_with(T& value, const std::optional<T>& other) {
  if (other) value = *other;
}

void apply(const LayerRule& rule, LayerPrecision& layer) {
  layer.precision = rule.precision;
  override_with(layer.weights.bits, rule.weights.bits);
  override_with(layer.weights.per_channel, rule.weights.per_channel);
  override_with(layer.weights.group_size, rule.weights.group_size);
  override_with(layer.weights.symmetric, rule.weights.symmetric);
  override_with(layer.weights.observer, rule.weights.observer);
  override_with(layer.activations.bits, rule.activations.bits);
  override_with(layer.activations.observer, rule.activations.observer);
  override_with(layer.activations.momentum, rule.activations.momentum);
  override_with(layer.activations.percentile, rule.activations.percentile);
  override_with(layer.activations.symmetric, rule.activations.symmetric);
}

Problem unmatched(const std::string& text, const std::string& pointer, const std::string& glob, std::vector<std::string> modules) {
  std::erase(modules, "");  // operators that the model itself calls have no module to name
  return {text + " matches no module that would be quantised", {.pointer = pointer}, suggest(glob, modules)};
}

}  // namespace

bool has_own_width(const Node& layer, const Options& options) {
  return std::any_of(options.layers.begin(), options.layers.end(), [&](const LayerRule& rule) {
    return (rule.weights.bits || rule.precision != Precision::integer) && applies(rule, layer);
  });
}

Precisions resolve_precisions(const Model& model, const Options& options) {
  Precisions precisions;
  for (Node* node : layers_of(model, options)) {
    LayerPrecision layer{.weights = options.weights, .activations = options.activations};
    if (find_quant_layer(model.graph, node)->kind == QuantKind::table) layer.weights = weights_of_table(layer.weights);
    for (const LayerRule& rule : options.layers) {
      if (applies(rule, *node)) apply(rule, layer);
    }
    if (is_skipped(*node, options)) layer.precision = Precision::f32;
    if (layer.activations.observer == Observer::automatic) {
      layer.activations.observer = options.mode == Mode::qat && !options.learned_steps ? Observer::ema : Observer::mse;
    }
    precisions.emplace(node->name(), layer);
  }
  return precisions;
}

std::vector<Problem> check_precisions(const Model& model, const Options& options) {
  std::vector<Problem> problems;
  const auto layers = layers_of(model, options);
  std::vector<std::string> modules;
  for (const Node* node : layers) modules.push_back(node->module_path());
  for (std::size_t i = 0; i < options.layers.size(); ++i) {
    const LayerRule& rule = options.layers[i];
    if (std::any_of(layers.begin(), layers.end(), [&](const Node* node) { return applies(rule, *node); })) continue;
    const std::string text = "`" + rule.select + "`" + (rule.op == "*" ? "" : " with operator `" + rule.op + "`");
    problems.push_back(unmatched(text, "/layers/" + std::to_string(i) + "/select", rule.select, modules));
  }
  for (std::size_t i = 0; i < options.skip.size(); ++i) {
    const bool matches = std::any_of(modules.begin(), modules.end(), [&](const auto& path) { return matches_glob(options.skip[i], path); });
    if (!matches) problems.push_back(unmatched("`" + options.skip[i] + "`", "/skip/" + std::to_string(i), options.skip[i], modules));
  }
  if (!problems.empty()) return problems;
  if (layers.empty()) {
    problems.push_back({"the model has no convolution, linear layer, matrix product, recurrent layer or embedding that is not quantised already", {},
                        "remove the step"});
    return problems;
  }
  const auto precisions = resolve_precisions(model, options);
  if (std::any_of(precisions.begin(), precisions.end(), [](const auto& layer) { return layer.second.precision != Precision::f32; })) return problems;
  problems.push_back({"`skip` and `layers` leave nothing to quantise", {.pointer = "/skip"}, "skip fewer modules"});
  return problems;
}

std::string describe_unread(const Model& model, const Options& options) {
  std::set<std::string> read;
  for (Node* node : layers_of(model, options)) {
    const auto layer = find_quant_layer(model.graph, node);
    for (const Use& use : layer->weights) read.insert(model.graph.find_input(value_of(use))->target);
  }
  for (const QuantizedWeight& weight : quantized_weights(model)) read.insert(weight.name);
  std::vector<std::pair<double, std::string>> unread;
  double bytes = 0;
  for (const GraphInput& input : model.graph.inputs()) {
    if (input.kind != InputKind::parameter || !input.value || input.value->tensor().rank() < 2 || read.contains(input.target)) continue;
    const Node* reader = input.value->uses().empty() ? nullptr : input.value->uses().front().node;
    unread.emplace_back(-static_cast<double>(model.weights.get(input.target).nbytes()), input.target + (reader ? " (" + reader->target() + ")" : ""));
    bytes -= unread.back().first;
  }
  const double share = bytes / std::max(1.0, static_cast<double>(weight_bytes(model)));
  if (share <= kWorthANote) return "";
  std::sort(unread.begin(), unread.end());
  std::string text = printed("%.1f %% of the bytes stay in floating point, in weights that no layer of kinds that are quantised reads: ", 100 * share);
  for (std::size_t i = 0; i < std::min<std::size_t>(3, unread.size()); ++i) text += (i ? ", " : "") + unread[i].second;
  return unread.size() > 3 ? text + " and " + std::to_string(unread.size() - 3) + " more" : text;
}

QuantPlacement place(Model& model, const Precisions& precisions, const Options& options) {
  std::vector<ActivationOptions> kinds;
  QuantPlacement placement = place_quantizers(model.graph, target_of(options), [&](const Node& node) -> std::optional<LayerChoice> {
    const auto layer = precisions.find(node.name());
    if (layer == precisions.end() || layer->second.precision != Precision::integer) return std::nullopt;
    if (!has_activation_ranges(options.mode)) return LayerChoice{.activations = -1};
    const auto found = std::find(kinds.begin(), kinds.end(), layer->second.activations);
    const auto kind = found - kinds.begin();
    if (found == kinds.end()) kinds.push_back(layer->second.activations);
    return LayerChoice{.activations = kind};
  });
  for (WeightQuantizer& quantizer : placement.weights) {  // smaller activations fit whatever the weights are
    if (precision_of(precisions, *quantizer.layer).activations.bits < 8) quantizer.paired_axis = std::nullopt;
  }
  return placement;
}

const LayerPrecision& precision_of(const Precisions& precisions, const Node& layer) {
  const auto found = precisions.find(layer.name());
  if (found == precisions.end()) throw Error(ErrorCode::internal, "no precision for node %" + layer.name());
  return found->second;
}

}  // namespace dsc::quantize
