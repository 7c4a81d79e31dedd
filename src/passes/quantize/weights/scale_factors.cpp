#include "passes/quantize/weights/scale_factors.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

#include "ops/experts.h"
#include "passes/quantize/weights/rounding.h"
#include "passes/quantize/weights/weight_grid.h"

namespace dsc::quantize {
namespace {

constexpr double kTiny = 1e-8;
constexpr std::int64_t kRowsAtOnce = 64;  // of a weight, as caches hold

// The largest |w| of each channel.
at::Tensor largest_of(const Model& model, const ScaledWeight& weight) {
  const at::Tensor tensor = model.weights.get(weight.name).detach().to(at::kDouble).movedim(weight.axis, 0);
  return tensor.reshape({tensor.size(0), -1}).abs().amax(1);
}

at::Tensor largest_of_all(const Model& model, const std::vector<ScaledWeight>& weights) {
  at::Tensor most = largest_of(model, weights.front());
  for (const ScaledWeight& weight : weights) most = at::maximum(most, largest_of(model, weight));
  return most;
}

// Factors around one, and one where a channel is dead.
at::Tensor usable(const at::Tensor& factors) {
  return at::where(factors.isfinite().logical_and(factors > kTiny), factors.clamp(1e-3, 1e3), at::ones_like(factors));
}

// Moments per channel of the value: those of a convolution's patches hold each channel once for each kernel element.
at::Tensor per_channel(const at::Tensor& moment, std::int64_t channels) { return moment.reshape({channels, -1}).amax(1); }

// The grids that factors are tried with: of the extremes, as their search over ranges for each would cost as much again many times.
WeightOptions tried_weights(WeightOptions options) {
  options.observer = WeightObserver::minmax;
  return options;
}

// Of a layer's weight, or some rows of it, that is rounded after its input channels were multiplied by `factors`, of a shape that multiplies it:
// the output error by the Gram matrices [G, K, K]. All f32, which is enough to tell factors apart.
double error_of_rounding(const QuantLayer& layer, const at::Tensor& weight, const WeightOptions& options, const at::Tensor& factors,
                         const at::Tensor& gram) {
  const at::Tensor scaled = weight * factors;
  const at::Tensor rounded = snap_to_grid(scaled, choose_layer_grid(layer.kind, scaled, layer.channel_axis, options)) / factors;
  const at::Tensor difference = weight_matrix(layer, weight - rounded).value();
  return difference.bmm(gram).mul(difference).sum(at::kDouble).item<double>();
}

// Output error of a layer, in all the rows that it reads, whose weight is rounded after its input channels were multiplied by `factors`.
double error_after_scaling(const Model& model, const ScaledWeight& reader, const Node& layer, const InputMoments& moments,
                           const LayerPrecision& precision, const at::Tensor& factors) {
  const auto info = *find_quant_layer(model.graph, const_cast<Node*>(&layer));
  const at::Tensor weight = model.weights.get(reader.name).detach().to(at::kFloat), gram = moments.gram.to(at::kFloat);
  std::vector<std::int64_t> shape(static_cast<std::size_t>(weight.dim()), 1);
  shape[static_cast<std::size_t>(reader.axis)] = factors.numel();
  const at::Tensor spread = factors.to(at::kFloat).view(shape);
  const WeightOptions options = tried_weights(precision.weights);
  const bool has_row_grids = options.per_channel || options.group_size > 0;
  const bool apart = info.kind == QuantKind::linear && weight.dim() == 2 && info.channel_axis == 0 && reader.axis == 1 && has_row_grids;
  const std::int64_t rows = weight.size(0), at_once = apart ? kRowsAtOnce : rows, parts = (rows + at_once - 1) / at_once;
  std::vector<double> errors(static_cast<std::size_t>(parts));
  at::parallel_for(0, parts, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const at::Tensor part = weight.narrow(0, i * at_once, std::min(at_once, rows - i * at_once));
      errors[static_cast<std::size_t>(i)] = error_of_rounding(info, part, options, spread, gram);
    }
  });
  return std::accumulate(errors.begin(), errors.end(), 0.0) * static_cast<double>(moments.rows);
}

// The same of one expert, over its own rows.
double error_of_expert(const Model& model, const ScaledWeight& reader, const InputMoments& moments, const LayerPrecision& precision,
                       std::int64_t expert, const at::Tensor& factors) {
  const at::Tensor weight = model.weights.get(reader.name).detach()[expert].to(at::kDouble), scaled = weight * factors;
  const at::Tensor rounded =
      snap_to_grid(scaled.to(at::kFloat), choose_weight_grid(scaled, 0, tried_weights(precision.weights))).to(at::kDouble) / factors;
  return output_error(weight, rounded, moments.gram[expert]);
}

// Powers of the inputs' magnitudes, and the same over powers of the weights': those of the least error.
at::Tensor search_factors(const at::Tensor& inputs, const at::Tensor& weights, const std::function<double(const at::Tensor& factors)>& error_of) {
  constexpr int kExponents = 20;
  double least = -1;
  at::Tensor best;
  const auto consider = [&](const at::Tensor& factors) {
    const at::Tensor centred = usable(factors / (factors.max() * factors.min()).sqrt());
    const double error = error_of(centred);
    if (least >= 0 && error >= least) return;
    least = error;
    best = centred;
  };
  for (int i = 0; i < kExponents; ++i) {
    const double exponent = static_cast<double>(i) / kExponents;
    consider(inputs.pow(exponent));
    consider(inputs.pow(exponent) / weights.pow(1 - exponent));
  }
  return best;
}

// Mean |w| of each channel, in units of the largest in its grid.
at::Tensor relative_magnitudes(QuantKind kind, const at::Tensor& weight, std::int64_t channel_axis, std::int64_t axis, const WeightOptions& options) {
  const at::Tensor slices = grid_view(weight.abs(), choose_layer_grid(kind, weight, channel_axis, tried_weights(options))).flatten(1);
  const at::Tensor relative = slices / slices.amax(1, /*keepdim=*/true).clamp_min(kTiny);
  return relative.reshape(weight.sizes()).movedim(axis, 0).flatten(1).mean(1);
}

// Each expert's by what it reads itself.
at::Tensor factors_of_experts(const Model& model, const ScalePath& path, const InputMoments& moments, const LayerPrecision& precision) {
  std::vector<at::Tensor> factors;
  for (std::int64_t e = 0; e < path.experts; ++e) {
    const at::Tensor own = moments.magnitude[e], inputs = (own / own.mean().clamp_min(kTiny)).clamp_min(1e-4);
    const at::Tensor weight = model.weights.get(path.readers.front().name).detach()[e].to(at::kDouble);
    const at::Tensor weights = relative_magnitudes(QuantKind::linear, weight, 0, 1, precision.weights).clamp_min(1e-4);
    factors.push_back(search_factors(
        inputs, weights, [&](const at::Tensor& tried) { return error_of_expert(model, path.readers.front(), moments, precision, e, tried); }));
  }
  return at::stack(factors);
}

// Mean |x| of each channel of the path's value. Moments of experts are sums over their own rows.
at::Tensor magnitude_of(const Model& model, const ScalePath& path, const Moments& moments) {
  const auto plain = std::ranges::find_if(path.layers, [&](const Node* layer) { return !is_expert_layer(model, layer); });
  if (plain == path.layers.end()) return moments.at(path.layers.front()->name()).magnitude.sum(0);
  return per_channel(moments.at((*plain)->name()).magnitude, path.channels);
}

at::Tensor magnitude_of_weights(const Model& model, const ScalePath& path, const Precisions& precisions) {
  at::Tensor sum = at::zeros({path.channels}, at::kDouble);
  for (std::size_t r = 0; r < path.readers.size(); ++r) {
    const Node& layer = *path.layers[r];
    if (!is_integer(precisions, layer)) continue;
    const auto info = *find_quant_layer(model.graph, const_cast<Node*>(&layer));
    const at::Tensor weight = model.weights.get(path.readers[r].name).detach().to(at::kDouble);
    sum += relative_magnitudes(info.kind, weight, info.channel_axis, path.readers[r].axis, precision_of(precisions, layer).weights);
  }
  return sum.clamp_min(1e-4);
}

}  // namespace

bool is_integer(const Precisions& precisions, const Node& layer) {
  const auto found = precisions.find(layer.name());
  return found != precisions.end() && found->second.precision == Precision::integer;
}

bool is_expert_layer(const Model& model, const Node* layer) { return find_expert_layer(model.graph, const_cast<Node*>(layer)).has_value(); }

at::Tensor equalizing_factors(const Model& model, const ScalePath& path) {
  return usable((largest_of(model, path.makers.front()) / largest_of_all(model, path.readers)).sqrt());
}

std::optional<at::Tensor> smoothing_factors(const Model& model, const ScalePath& path, const Moments& moments, double alpha) {
  const auto found = moments.find(path.layers.front()->name());
  if (found == moments.end()) return std::nullopt;
  const at::Tensor inputs = per_channel(found->second.largest, path.channels), weights = largest_of_all(model, path.readers);
  return usable(inputs.pow(alpha) / weights.clamp_min(1e-5).pow(1 - alpha));
}

std::optional<at::Tensor> factors_by_activations(const Model& model, const ScalePath& path, const Moments& moments, const Precisions& precisions) {
  if (!std::all_of(path.layers.begin(), path.layers.end(), [&](const Node* layer) { return moments.contains(layer->name()); })) return std::nullopt;
  if (path.experts > 0)
    return factors_of_experts(model, path, moments.at(path.layers.front()->name()), precision_of(precisions, *path.layers.front()));
  const at::Tensor inputs = magnitude_of(model, path, moments).clamp_min(1e-4), weights = magnitude_of_weights(model, path, precisions);
  return search_factors(inputs, weights, [&](const at::Tensor& factors) {
    double error = 0;
    for (std::size_t r = 0; r < path.readers.size(); ++r) {
      const Node& layer = *path.layers[r];
      if (!is_integer(precisions, layer)) continue;
      error += error_after_scaling(model, path.readers[r], layer, moments.at(layer.name()), precision_of(precisions, layer), factors);
    }
    return error;
  });
}

}  // namespace dsc::quantize
