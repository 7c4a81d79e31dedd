#include "passes/quantize/weights/round_weights.h"

#include <ATen/Functions.h>

#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "exec/allocator.h"
#include "ops/arguments.h"
#include "ops/pair_sums.h"
#include "passes/quantize/rewrite.h"
#include "passes/quantize/weights/layer_inputs.h"
#include "passes/quantize/weights/rounding.h"
#include "passes/quantize/weights/weight_grid.h"

namespace dsc::quantize {
namespace {

class Rounder {
 public:
  Rounder(Model& model, const QuantPlacement& placement, const Precisions& precisions, const Options& options, PassContext& context,
          const BlockJournal& journal, std::vector<WeightGrid>& grids, Stretches stretches)
      : model_(model),
        placement_(placement),
        precisions_(precisions),
        options_(options),
        context_(context),
        journal_(journal),
        grids_(grids),
        walk_(model, std::move(stretches), options.calibration, context),
        store_(context.cache_folder(), memory_bytes(options.calibration)) {}

  // gptq: layers that read the same value together, in execution order, each with the inputs that the layers before it
  // make now. The others: all of a stretch at once, each with the inputs that the layers before it made.
  void run() {
    const auto parts = by_stretch();
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const Advance advance = i + 1 == parts.size() ? Advance::no : Advance::yes;
      if (const auto made = journal_.find(kWalk, i)) {
        take_up(*made, advance);
        continue;
      }
      if (options_.rounding == Rounding::gptq) {
        for (const std::vector<std::size_t>& together : by_input(parts[i])) round_together(together, Advance::no);
        if (advance == Advance::yes) walk_.advance({}, {});
      } else {
        round_together(parts[i], advance);
      }
      journal_.add(kWalk, i, made_);
      made_.clear();
    }
  }

 private:
  static constexpr const char* kWalk = "round";
  static constexpr std::string_view kWeight = "weight/", kShift = "shift/", kScale = "scale/", kZeroPoint = "zero_point/";

  // What an interrupted run has made of a stretch; the samples pass with the weights that they passed with then.
  void take_up(const std::map<std::string, at::Tensor>& made, Advance advance) {
    context_.check_cancelled();
    const bool sees_rounded = options_.rounding == Rounding::gptq;
    if (advance == Advance::yes && !sees_rounded) walk_.advance({}, {});
    for (const auto& [name, tensor] : made) {
      if (name.starts_with(kWeight)) model_.weights.set(name.substr(kWeight.size()), store_.keep(tensor));
    }
    for (std::size_t i = 0; i < grids_.size(); ++i) {
      const WeightQuantizer& quantizer = placement_.weights[i];
      const auto shift = made.find(std::string(kShift) + quantizer.layer->name());
      if (shift != made.end()) correct_bias(*find_quant_layer(model_.graph, quantizer.layer), shift->second);
      const auto scale = made.find(std::string(kScale) + quantizer.name);
      if (scale == made.end()) continue;
      grids_[i].scale = scale->second;
      grids_[i].zero_point = made.at(std::string(kZeroPoint) + quantizer.name);
    }
    if (advance == Advance::yes && sees_rounded) walk_.advance({}, {});
  }

  // Indices of the placement's weights for each stretch up to the last that has any.
  std::vector<std::vector<std::size_t>> by_stretch() const {
    std::vector<std::vector<std::size_t>> parts;
    for (std::size_t i = 0; i < placement_.weights.size(); ++i) {
      const std::size_t place = walk_.place_of(*placement_.weights[i].layer);
      if (place >= parts.size()) parts.resize(place + 1);
      parts[place].push_back(i);
    }
    return parts;
  }

  std::vector<std::vector<std::size_t>> by_input(const std::vector<std::size_t>& part) const {
    std::vector<std::vector<std::size_t>> lists;
    std::unordered_map<const Value*, std::size_t> seen;
    for (const std::size_t i : part) {
      const Value* value = find_layer_input(model_.graph, *find_quant_layer(model_.graph, placement_.weights[i].layer));
      if (!value) continue;  // nothing to minimise an error over
      const auto [entry, added] = seen.emplace(value, lists.size());
      if (added) lists.emplace_back();
      lists[entry->second].push_back(i);
    }
    return lists;
  }

  void round_together(const std::vector<std::size_t>& together, Advance advance) {
    std::vector<Node*> layers;
    for (const std::size_t i : together) layers.push_back(placement_.weights[i].layer);
    const auto moments = find_input_moments(model_, layers, walk_, advance);
    for (const std::size_t i : together) {
      const auto found = moments.find(placement_.weights[i].layer->name());
      if (found == moments.end()) continue;  // no second moments for this kind of layer: nearest
      context_.check_cancelled();
      if (weights_of(placement_.weights[i]).observer == WeightObserver::weighted) choose_weighted_grid(i, found->second);
      round(placement_.weights[i], grids_[i], found->second);
      return_freed_memory();
    }
    last_columns_.reset();  // the moments that they belong to end here
  }

  const WeightOptions& weights_of(const WeightQuantizer& quantizer) const { return precision_of(precisions_, *quantizer.layer).weights; }

  // By the error of the outputs, as if inputs were not correlated; correlations are left to the rounding.
  void choose_weighted_grid(std::size_t i, const InputMoments& moments) {
    const WeightQuantizer& quantizer = placement_.weights[i];
    const auto layer = *find_quant_layer(model_.graph, quantizer.layer);
    const at::Tensor weight = model_.weights.get(quantizer.name).detach(), matrix = weight_matrix(layer, weight).value();
    const at::Tensor squares = moments.gram.diagonal(0, 1, 2).unsqueeze(1).to(at::kFloat).expand_as(matrix);
    const at::Tensor importance = weight_from_matrix(layer, squares, weight.to(at::kFloat));
    grids_[i] = choose_layer_grid(quantizer.kind, weight, quantizer.channel_axis, weights_of(quantizer), quantizer.paired_axis, importance);
    made_[std::string(kScale) + quantizer.name] = grids_[i].scale;
    made_[std::string(kZeroPoint) + quantizer.name] = grids_[i].zero_point;
  }

  void round(const WeightQuantizer& quantizer, const WeightGrid& grid, const InputMoments& moments) {
    const auto layer = *find_quant_layer(model_.graph, quantizer.layer);
    const at::Tensor weight = model_.weights.get(quantizer.name).detach().clone();
    const at::Tensor matrix = weight_matrix(layer, weight.to(at::kDouble)).value();  // [G, C, K]
    const MatrixGrid whole = grid_of_matrix(grid, matrix.size(0) * matrix.size(1), matrix.size(2));
    std::vector<at::Tensor> rounded;
    for (std::int64_t g = 0; g < matrix.size(0); ++g) {
      const MatrixGrid own{whole.scale.narrow(0, g * matrix.size(1), matrix.size(1)), whole.zero_point.narrow(0, g * matrix.size(1), matrix.size(1)),
                           whole.range};
      rounded.push_back(round_matrix(matrix[g], moments.gram[g], own));
    }
    const at::Tensor quantized = at::stack(rounded);
    if (options_.rounding != Rounding::nearest) {
      const at::Tensor on_grid = weight_from_matrix(layer, quantized, weight);
      const bool is_limited = quantizer.paired_axis && quant_bits(grid.range) == 8;
      const at::Tensor kept = store_.keep(is_limited ? with_limited_pairs(on_grid, grid, *quantizer.paired_axis) : on_grid);
      model_.weights.set(quantizer.name, kept);
      made_[std::string(kWeight) + quantizer.name] = kept;
    }
    if (options_.bias_correction && quantizer.uses.size() == 1) {
      const at::Tensor shift = (matrix - quantized).matmul(moments.mean.unsqueeze(-1)).flatten();
      correct_bias(layer, shift);
      made_[std::string(kShift) + layer.node->name()] = shift;
    }
  }

  static at::Tensor with_limited_pairs(const at::Tensor& on_grid, const WeightGrid& grid, std::int64_t paired_axis) {
    const at::Tensor integers = integers_on_grid(on_grid.to(at::kFloat), grid), limited = limit_pair_sums(integers, paired_axis);
    std::vector<std::int64_t> shape(static_cast<std::size_t>(on_grid.dim()), 1);
    if (grid.axis) shape[static_cast<std::size_t>(*grid.axis)] = grid.scale.numel();
    return at::where(limited == integers, on_grid, (limited.to(at::kFloat) * grid.scale.view(shape)).to(on_grid.scalar_type()));
  }

  at::Tensor round_matrix(const at::Tensor& weight, const at::Tensor& gram, const MatrixGrid& grid) {
    switch (options_.rounding) {
      case Rounding::nearest: return round_to_matrix_grid(weight, grid);
      case Rounding::gptq:
        return gptq_round(weight, columns_of(gram), grid);
      case Rounding::adaround: return adaround_round(weight, gram, grid, options_.iterations);
    }
    return {};
  }

  // Layers that read the same value share its moments, and come one after the other.
  const GptqColumns& columns_of(const at::Tensor& gram) {
    if (!last_columns_ || last_gram_ != gram.const_data_ptr()) last_columns_.emplace(gram, options_.damping);
    last_gram_ = gram.const_data_ptr();
    return *last_columns_;
  }

  // shift: f64 [C]
  void correct_bias(const QuantLayer& layer, const at::Tensor& shift) {
    const std::string_view op = layer.node->op();
    if (op != "aten.linear" && !is_convolution(*layer.node)) return;  // no bias to change
    const GraphInput* bias = model_.graph.find_input(layer.node->find_value("bias"));
    if (bias && model_.weights.has(bias->target) && bias->value->uses().size() == 1) {
      const at::Tensor now = model_.weights.get(bias->target).detach();
      model_.weights.set(bias->target, (now.to(at::kDouble) + shift).to(now.scalar_type()));
    } else if (!is_given(*layer.node, "bias")) {
      const std::string name = place_of(*layer.node) + ".bias";
      model_.graph.set_argument(layer.node, "bias", add_tensor(model_, InputKind::parameter, name, shift.to(at::kFloat)));
    }
  }

  Model& model_;
  const QuantPlacement& placement_;
  const Precisions& precisions_;
  const Options& options_;
  PassContext& context_;
  const BlockJournal& journal_;
  std::vector<WeightGrid>& grids_;
  SampleWalk walk_;
  TensorStore store_;  // of new weights
  std::map<std::string, at::Tensor> made_;  // in the stretch where the samples are
  std::optional<GptqColumns> last_columns_;
  const void* last_gram_ = nullptr;  // its memory
};

}  // namespace

std::vector<WeightGrid> round_weights(Model& model, const QuantPlacement& placement, const Precisions& precisions, const Options& options,
                                      PassContext& context, const BlockJournal& journal, const CutGraph& cut) {
  std::vector<WeightGrid> grids;
  for (const WeightQuantizer& quantizer : placement.weights) {
    const WeightOptions& own = precision_of(precisions, *quantizer.layer).weights;
    grids.push_back(choose_layer_grid(quantizer.kind, model.weights.get(quantizer.name), quantizer.channel_axis, own, quantizer.paired_axis));
  }
  return_freed_memory();
  if (needs_inputs(options) && !context.dry_run()) Rounder(model, placement, precisions, options, context, journal, grids, cut(model.graph)).run();
  return grids;
}

}  // namespace dsc::quantize
