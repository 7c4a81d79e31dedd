#include "passes/quantize/training.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "exec/kernels/fake_quant.h"
#include "exec/kernels/learned_fake_quant.h"
#include "ops/arguments.h"
#include "ops/experts.h"
#include "ops/op_info.h"
#include "passes/quantize/weights/weight_grid.h"

namespace dsc::quantize {
namespace {

std::string numbered(const char* prefix, std::size_t i) { return std::string(prefix) + "." + std::to_string(i); }

void insert(Model& model, Value* value, const std::vector<Use>& uses, const char* target, std::vector<NamedArgument> arguments) {
  insert_quantizer(model.graph, value, uses, target, std::move(arguments), value->name() + "_quantized");
}

std::vector<NamedArgument> learned_arguments(Value* step, Value* phase, std::int64_t axis, std::int64_t zero_point, QuantRange range) {
  return {{"step", step}, {"phase", phase}, {"axis", axis}, {"zero_point", zero_point}, {"quant_min", range.minimum}, {"quant_max", range.maximum}};
}

QuantRange range_of(const Node& node) { return {int_or(node, "quant_min", 0), int_or(node, "quant_max", 255)}; }

const std::string& weight_name(const Model& model, const Node& node, std::string_view argument) {
  return model.graph.find_input(node.find_value(argument))->target;
}

// Drops a weight that the node alone used, once its arguments are replaced.
void drop(Model& model, const std::string& name) {
  model.graph.remove_input(model.graph.find_weight(name));
  model.weights.erase(name);
}

QuantizerRow finish_observing(Model& model, Node* node) {
  const std::string range_name = weight_name(model, *node, "range");
  const auto* r = model.weights.get(range_name).const_data_ptr<float>();
  const QuantParams params = choose_quant_params(r[kRangeMin], r[kRangeMax], range_of(*node), bool_or(*node, "symmetric", false));
  QuantizerRow row = become_activation_quantizer(model, node, params, range_of(*node));
  drop(model, range_name);
  return row;
}

constexpr std::int64_t kUnpaired = -1;

std::optional<std::int64_t> paired_axis_of(const Node& node) {
  const std::int64_t axis = int_or(node, "paired_axis", kUnpaired);
  return axis == kUnpaired ? std::nullopt : std::optional(axis);
}

WeightGrid extremes_of(QuantKind kind, const at::Tensor& weight, std::int64_t axis, const Node& node) {
  const WeightOptions options{.bits = quant_bits(range_of(node)), .per_channel = axis >= 0, .symmetric = bool_or(node, "symmetric", true)};
  return choose_layer_grid(kind, weight, axis, options, paired_axis_of(node));
}

QuantizerRow finish_weight(Model& model, Node* node) {
  const at::Tensor weight = model.weights.get(weight_name(model, *node, "self"));
  const auto paired_axis = paired_axis_of(*node);
  return become_weight_quantizer(model, node, extremes_of(QuantKind::linear, weight, int_or(*node, "axis", 0), *node), paired_axis);
}

bool is_look_up_in_table(const Node& node) {
  const QuantArguments* arguments = find_quant_arguments(node);
  return arguments && arguments->kind == QuantKind::table;
}

// An embedding whose rows are quantised where they are read: the numbers of a quantised table, at the cost of the rows in the
// batch alone.
bool quantizes_where_read(const WeightQuantizer& quantizer) {
  return std::all_of(quantizer.uses.begin(), quantizer.uses.end(), [](const Use& use) {
    const auto readers = use.node->output()->uses();
    return is_look_up_in_table(*use.node) && !readers.empty() &&
           std::all_of(readers.begin(), readers.end(), [](const Use& reader) { return reader.node; });
  });
}

// An embedding, or a stack of experts: a grid for each row along the last dimension.
bool has_row_grids(const WeightQuantizer& quantizer, const WeightOptions& options) {
  const auto is_stack = [](const Use& use) { return find_look_up(use.node->output()).has_value(); };
  return options.per_channel && (quantizes_where_read(quantizer) || std::all_of(quantizer.uses.begin(), quantizer.uses.end(), is_stack));
}

std::vector<Use> in_execution_order(const Graph& graph, std::vector<Use> uses) {
  std::unordered_map<const Node*, std::size_t> order;
  for (const Node* node : graph.nodes()) order.emplace(node, order.size());
  std::stable_sort(uses.begin(), uses.end(), [&](const Use& a, const Use& b) { return order.at(a.node) < order.at(b.node); });
  return uses;
}

void insert_observing_weight_quantizer(Model& model, const WeightQuantizer& quantizer, WeightOptions options, Value* phase) {
  if (quantizer.paired_axis && !options.symmetric) options = in_seven_bits(options);
  const bool is_limited = quantizer.paired_axis && options.bits == 8;
  const QuantRange range = weight_quant_range(options.bits, options.symmetric);
  const auto arguments = [&](std::int64_t axis) {
    return std::vector<NamedArgument>{{"phase", phase}, {"axis", axis}, {"quant_min", range.minimum}, {"quant_max", range.maximum}, {"symmetric", options.symmetric},
                                      {"paired_axis", is_limited ? *quantizer.paired_axis : kUnpaired}};
  };
  const bool of_rows = has_row_grids(quantizer, options);
  if (!of_rows || !quantizes_where_read(quantizer)) {
    const std::int64_t axis = of_rows ? std::int64_t{kRowGrids} : options.per_channel ? quantizer.channel_axis : std::int64_t{kOneGrid};
    return insert(model, quantizer.value, quantizer.uses, kFakeQuantWeight, arguments(axis));
  }
  for (const Use& use : quantizer.uses) {
    Value* rows = use.node->output();
    insert(model, rows, in_execution_order(model.graph, rows->uses()), kFakeQuantWeight, arguments(kRowGrids));
  }
}

// The table takes over from its rows. None: another reader of the table has brought that about.
std::optional<QuantizerRow> finish_rows(Model& model, Node* node) {
  Graph& graph = model.graph;
  Value* given = node->find_value("self");  // rows of an embedding, or a whole stack
  Node* reader = graph.find_input(given) ? node->output()->uses().front().node : given->producer();
  const bool is_table = is_look_up_in_table(*reader);
  graph.replace_uses(node->output(), given);
  Value* table = reader->find_value(is_table ? "weight" : "self");
  std::optional<QuantizerRow> row;
  if (const GraphInput* input = graph.find_input(table)) {
    WeightQuantizer quantizer{.value = table, .name = input->target, .layer = reader, .place = place_of(*reader)};
    for (const Use& use : in_execution_order(graph, table->uses())) {
      if (use.node->op() == reader->op()) quantizer.uses.push_back(use);
    }
    const QuantKind kind = is_table ? QuantKind::table : QuantKind::experts;
    row = insert_weight_quantizer(model, quantizer, extremes_of(kind, model.weights.get(quantizer.name), quantizer.channel_axis, *node));
  }
  graph.erase(node);
  return row;
}

QuantizerRow finish_learned(Model& model, Node* node) {
  const std::string step_name = weight_name(model, *node, "step");
  const at::Tensor step = model.weights.get(step_name).detach().clamp_min(kLeastStep);
  const std::int64_t zero_point = int_or(*node, "zero_point", 0), axis = int_or(*node, "axis", -1);
  const QuantRange range = range_of(*node);
  QuantizerRow row;
  const GraphInput* input = model.graph.find_input(node->find_value("self"));
  if (input && input->is_weight()) {
    WeightGrid grid{.range = range, .scale = step, .zero_point = at::zeros_like(step, at::kInt)};
    if (axis >= 0) grid.axis = axis;
    row = become_weight_quantizer(model, node, grid, std::nullopt);
  } else {
    row = become_activation_quantizer(model, node, {step.item<float>(), zero_point}, range);
  }
  drop(model, step_name);
  return row;
}

}  // namespace

void insert_observing_quantizers(Model& model, const QuantPlacement& placement, const Precisions& precisions) {
  Value* phase = add_tensor(model, InputKind::buffer, kPhase, make_quant_phase());
  for (std::size_t i = 0; i < placement.activations.size(); ++i) {
    const ActivationQuantizer& quantizer = placement.activations[i];
    const ActivationOptions& options = precision_of(precisions, *quantizer.layer).activations;
    const QuantRange range = activation_quant_range(options.bits, quantizer.zero_point);
    Value* seen = add_tensor(model, InputKind::buffer, numbered("quant_range", i), make_quant_range());
    insert(model, quantizer.value, quantizer.uses, kObserveFakeQuant,
           {{"range", seen}, {"phase", phase}, {"momentum", options.momentum}, {"quant_min", range.minimum}, {"quant_max", range.maximum},
            {"symmetric", is_symmetric(options, quantizer.zero_point)}, {"train", false}});
  }
  for (const WeightQuantizer& quantizer : placement.weights) {
    insert_observing_weight_quantizer(model, quantizer, precision_of(precisions, *quantizer.layer).weights, phase);
  }
}

void insert_learned_quantizers(Model& model, const QuantPlacement& placement, const Precisions& precisions, const std::vector<Range>& ranges) {
  Value* phase = add_tensor(model, InputKind::buffer, kPhase, make_quant_phase());
  std::size_t steps = 0;
  for (std::size_t i = 0; i < placement.activations.size(); ++i) {
    const ActivationQuantizer& quantizer = placement.activations[i];
    const ActivationOptions& options = precision_of(precisions, *quantizer.layer).activations;
    const QuantRange range = activation_quant_range(options.bits, quantizer.zero_point);
    // Zero points stay; only steps are learned.
    const QuantParams params = choose_quant_params(ranges.at(i).minimum, ranges.at(i).maximum, range, is_symmetric(options, quantizer.zero_point));
    Value* step = add_tensor(model, InputKind::parameter, numbered("quant_step", steps++), at::full({}, static_cast<double>(params.scale), at::kFloat));
    insert(model, quantizer.value, quantizer.uses, kLearnedFakeQuant, learned_arguments(step, phase, -1, params.zero_point, range));
  }
  for (const WeightQuantizer& quantizer : placement.weights) {
    WeightOptions options = precision_of(precisions, *quantizer.layer).weights;
    if (has_row_grids(quantizer, options)) {  // a step for every row of a table would see a gradient now and then
      insert_observing_weight_quantizer(model, quantizer, options, phase);
      continue;
    }
    if (quantizer.paired_axis) options = in_seven_bits(options);
    options.observer = WeightObserver::mse;
    const WeightGrid grid = choose_weight_grid(model.weights.get(quantizer.name), quantizer.channel_axis, options);
    Value* step = add_tensor(model, InputKind::parameter, numbered("quant_step", steps++), grid.scale);
    insert(model, quantizer.value, quantizer.uses, kLearnedFakeQuant, learned_arguments(step, phase, grid.axis.value_or(-1), 0, grid.range));
  }
}

double quantized_share(const std::optional<Progressive>& progressive, std::int64_t step, std::int64_t steps) {
  if (!progressive) return 1;
  const double done = static_cast<double>(step) / static_cast<double>(std::max<std::int64_t>(1, steps));
  if (done < progressive->full_precision) return 0;
  if (done >= progressive->full_precision + progressive->ramp) return 1;
  return (done - progressive->full_precision) / progressive->ramp;
}

double frozen_observer_epochs(const Options& options) { return options.freeze_observers.value_or(options.train.epochs / 5); }

double frozen_norm_epochs(const Options& options) {
  if (options.scaling != Scaling::none) return options.train.epochs;  // factors move between folded layers
  return options.freeze_batch_norm.value_or(options.train.epochs / 2);
}

TrainHooks make_phase_hooks(const Options& options) {
  const auto moves_until = [epochs = options.train.epochs](double frozen) { return epochs > 0 ? std::max(0.0, 1 - frozen / epochs) : 0; };
  TrainHooks hooks;
  hooks.before_step = [observe_share = moves_until(frozen_observer_epochs(options)), norm_share = moves_until(frozen_norm_epochs(options)),
                       progressive = options.progressive](Executor& executor, std::int64_t step, std::int64_t steps) {
    const auto moves = [&](double share) { return static_cast<double>(step) < share * static_cast<double>(steps); };
    const at::Tensor phase = executor.weight(kPhase);
    phase[kObserve].fill_(step == 0 || moves(observe_share) ? 1 : 0);
    phase[kShare].fill_(quantized_share(progressive, step, steps));
    phase[kBatchStatistics].fill_(moves(norm_share) ? 1 : 0);
  };
  return hooks;
}

std::vector<QuantizerRow> finish_training_quantizers(Model& model) {
  std::vector<QuantizerRow> rows;
  for (Node* node : model.graph.nodes()) {
    const bool of_weight = node->is(kFakeQuantWeight), of_rows = of_weight && int_or(*node, "axis", 0) == kRowGrids;
    if (node->is(kObserveFakeQuant)) rows.push_back(finish_observing(model, node));
    if (node->is(kLearnedFakeQuant)) rows.push_back(finish_learned(model, node));
    if (of_weight && !of_rows) rows.push_back(finish_weight(model, node));
    if (!of_rows) continue;
    if (auto row = finish_rows(model, node)) rows.push_back(std::move(*row));
  }
  drop(model, kPhase);
  return rows;
}

}  // namespace dsc::quantize
