#include "pipeline/layer_records.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/histc.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include "exec/executor.h"
#include "ops/arguments.h"
#include "ops/cost.h"
#include "ops/modules.h"
#include "ops/quantization.h"
#include "ops/weight_channels.h"

namespace dsc {
namespace {

constexpr std::int64_t kBins = 32;

// The operator that computes with a weight, behind what quantises or only moves it; null: none.
const Node* user_of(const Value* weight) {
  for (const Use& use : weight->uses()) {
    if (!use.node) continue;
    if (!is_fake_quantize(*use.node) && !moved_value(*use.node)) return use.node;
    if (const Node* user = user_of(use.node->output())) return user;
  }
  return nullptr;
}

struct WeightFacts {
  std::string type;
  std::int64_t channels = 0, parameters = 0, bits = 32;
  double macs = 0;
};

// "aten.conv2d.default" as "conv2d".
std::string short_name(const Node& node) {
  const std::string op(plain_op(node));
  return op.starts_with("aten.") ? op.substr(5) : op;
}

std::int64_t channels_of(const Node& user, const std::vector<Dim>& sizes) {
  if (plain_op(user) == "aten.embedding") return sizes[1].size;
  const auto [axis, groups] = weight_channels(user);
  return sizes[static_cast<std::size_t>(axis)].size * groups;
}

// By the weight's name, in the order of the graph's inputs.
std::vector<std::pair<std::string, WeightFacts>> weights_of(const Model& model) {
  std::map<const Node*, double> macs;
  for (const NodeCost& cost : node_costs(model)) macs[cost.node] = cost.macs;
  std::map<std::string, std::int64_t> bits;
  for (const QuantizedWeight& weight : quantized_weights(model)) bits[weight.name] = weight.bits;
  std::vector<std::pair<std::string, WeightFacts>> all;
  for (const GraphInput& input : model.graph.inputs()) {
    if (input.kind != InputKind::parameter || input.value->tensor().rank() < 2) continue;
    const Node* user = user_of(input.value);
    if (!user) continue;
    const at::Tensor& tensor = model.weights.get(input.target);
    const auto found = bits.find(input.target);
    all.emplace_back(input.target, WeightFacts{.type = short_name(*user), .channels = channels_of(*user, input.value->tensor().sizes), .parameters = tensor.numel(),
                                               .bits = found == bits.end() ? 8 * static_cast<std::int64_t>(tensor.itemsize()) : found->second, .macs = macs[user]});
  }
  return all;
}

void add_histograms(const Model& model, std::map<std::string, LayerRecord*>& by_weight) {
  for (const QuantizedWeight& weight : quantized_weights(model)) {
    const auto found = by_weight.find(weight.name);
    if (found == by_weight.end()) continue;
    const at::Tensor values = snap_to_grid(weight.source.to(at::kFloat), weight.grid).flatten();
    auto& record = *found->second;
    record.low = values.min().item<double>();
    record.high = values.max().item<double>();
    if (!(record.high > record.low)) continue;
    const at::Tensor counts = at::histc(values, kBins, record.low, record.high).to(at::kLong).contiguous();
    record.histogram.assign(counts.const_data_ptr<std::int64_t>(), counts.const_data_ptr<std::int64_t>() + kBins);
  }
}

// --- as executed ---

bool is_stored(const Graph& graph, const Value* value) {
  const GraphInput* input = graph.find_input(value);
  if (input) return input->is_weight();
  const Node* producer = value->producer();
  if (!producer || !(is_fake_quantize(*producer) || moved_value(*producer))) return false;
  const auto arguments = tensor_arguments(*producer);
  return !arguments.empty() && is_stored(graph, arguments.front());
}

double elements_of(const Value* value, std::int64_t batch, bool is_weight) {
  if (!value->is_tensor()) return 0;
  const auto& sizes = value->tensor().sizes;
  double count = 1;
  for (std::size_t d = 0; d < sizes.size(); ++d) count *= static_cast<double>(!is_weight && d == 0 && !sizes[d].is_fixed() ? batch : sizes[d].size);
  return count;
}

double bytes_of(const std::string& precision) {
  if (precision == "u8" || precision == "i8") return 1;
  return precision == "bf16" || precision == "f16" ? 2 : 4;
}

// Multiply-accumulates of the named nodes, and what those among them that have any have to move.
void add_costs(const Model& model, const std::map<std::string, double>& macs, std::int64_t batch, ExecutedLayerRecord& record) {
  std::istringstream names(record.name);
  const double width = bytes_of(record.precision);
  for (std::string name; std::getline(names, name, ',');) {
    const auto found = macs.find(name);
    const Node* node = model.graph.find_node(name);
    if (found == macs.end() || !node || found->second <= 0) continue;
    record.macs += found->second * static_cast<double>(batch);
    for (const Value* value : tensor_arguments(*node)) record.bytes += width * elements_of(value, batch, is_stored(model.graph, value));
    for (const Value* value : node->outputs()) record.bytes += width * elements_of(value, batch, false);
  }
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  return values[values.size() / 2];
}

}  // namespace

std::vector<LayerRecord> layer_records(const Model& base, const Model& compressed) {
  std::vector<LayerRecord> records;
  std::vector<std::string> weights;
  for (const auto& [name, facts] : weights_of(base)) {
    records.push_back({.name = module_of(name), .type = facts.type, .channels_before = facts.channels, .macs_before = facts.macs, .parameters_before = facts.parameters, .weight_bits = facts.bits});
    weights.push_back(name);
  }
  for (const auto& [name, facts] : weights_of(compressed)) {
    auto at = static_cast<std::size_t>(std::ranges::find(weights, name) - weights.begin());
    if (at == weights.size()) {
      records.push_back({.name = module_of(name), .type = facts.type});
      weights.push_back(name);
    }
    auto& record = records[at];
    record.channels = facts.channels;
    record.macs = facts.macs;
    record.parameters = facts.parameters;
    record.weight_bits = facts.bits;
  }
  std::map<std::string, LayerRecord*> by_weight;
  for (std::size_t i = 0; i < weights.size(); ++i) by_weight[weights[i]] = &records[i];
  add_histograms(compressed, by_weight);
  return records;
}

std::vector<ExecutedLayerRecord> executed_layers(TimingEngine& engine, const Model& model, std::int64_t batch, std::int64_t open_size) {
  constexpr int kWarmup = 3, kRuns = 11;
  constexpr std::uint64_t kInputSeed = 1;
  const auto inputs = example_inputs(model, batch, kInputSeed, open_size);
  for (int i = 0; i < kWarmup; ++i) engine.run(inputs);
  std::vector<std::vector<double>> times;
  for (int run = 0; run < kRuns; ++run) {
    engine.run(inputs);
    const auto taken = engine.layer_times_ms();
    times.resize(taken.size());
    for (std::size_t i = 0; i < taken.size(); ++i) times[i].push_back(taken[i]);
  }
  const auto layers = engine.layers();
  std::map<std::string, double> macs;
  for (const NodeCost& cost : node_costs(model)) macs[cost.node->name()] = cost.macs;
  std::vector<ExecutedLayerRecord> records;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    ExecutedLayerRecord record{.name = layers[i].name, .type = layers[i].type, .precision = layers[i].precision, .kernel = layers[i].primitive, .time_ms = median(times[i])};
    if (record.time_ms <= 0) continue;
    add_costs(model, macs, batch, record);
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace dsc
