#include "passes/quantize/weights/scaling.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "exec/allocator.h"
#include "exec/tensor_store.h"
#include "ops/channel_scale.h"
#include "passes/quantize/weights/layer_inputs.h"
#include "passes/quantize/weights/rounding.h"
#include "passes/quantize/weights/weight_grid.h"

namespace dsc::quantize {
namespace {

constexpr double kTiny = 1e-8;
using Moments = std::map<std::string, InputMoments>;

std::vector<ScalePath> paths_of(const Model& model, const Precisions& precisions, const Options& options) {
  auto paths = find_scale_paths(model.graph);
  if (options.scaling == Scaling::smooth) {
    auto shared = find_shared_norms(model.graph);
    std::move(shared.begin(), shared.end(), std::back_inserter(paths));
  }
  std::erase_if(paths, [&](const ScalePath& path) {
    return !std::all_of(path.layers.begin(), path.layers.end(), [&](const Node* layer) {
      const auto found = precisions.find(layer->name());
      return found != precisions.end() && found->second.precision == Precision::integer;
    });
  });
  return paths;
}

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
at::Tensor usable(const at::Tensor& factors) { return at::where(factors.isfinite().logical_and(factors > kTiny), factors.clamp(1e-3, 1e3), at::ones_like(factors)); }

void equalize(Model& model, const std::vector<ScalePath>& paths) {
  constexpr int kSweeps = 10;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    for (const ScalePath& path : paths) {
      // A norm's weights are not quantised; there is nothing to equalise with.
      if (!path.is_made_by_layer) continue;
      const at::Tensor before = largest_of(model, path.makers.front()), after = largest_of_all(model, path.readers);
      move_scale(model, path, usable((before / after).sqrt()));
    }
  }
}

// Moments per channel of the value: those of a convolution's patches hold each channel once for each kernel element.
at::Tensor per_channel(const at::Tensor& moment, std::int64_t channels) { return moment.reshape({channels, -1}).amax(1); }

void smooth(Model& model, const ScalePath& path, const Moments& moments, double alpha) {
  const auto found = moments.find(path.layers.front()->name());
  if (found == moments.end()) return;
  const at::Tensor inputs = per_channel(found->second.largest, path.channels), weights = largest_of_all(model, path.readers);
  move_scale(model, path, usable(inputs.pow(alpha) / weights.clamp_min(1e-5).pow(1 - alpha)));
}

// Output error of a layer whose weight is rounded after its input channels were multiplied by `factors`.
double error_after_scaling(const Model& model, const ScaledWeight& reader, const Node& layer, const InputMoments& moments,
                           const LayerPrecision& precision, const at::Tensor& factors) {
  const auto info = *find_quant_layer(model.graph, const_cast<Node*>(&layer));
  const at::Tensor weight = model.weights.get(reader.name).detach().to(at::kDouble);
  std::vector<std::int64_t> shape(static_cast<std::size_t>(weight.dim()), 1);
  shape[static_cast<std::size_t>(reader.axis)] = factors.numel();
  const at::Tensor scaled = weight * factors.view(shape);
  const WeightGrid grid = choose_weight_grid(scaled, info.channel_axis, precision.weights);
  const at::Tensor rounded = snap_to_grid(scaled.to(at::kFloat), grid).to(at::kDouble) / factors.view(shape);
  const at::Tensor a = weight_matrix(info, weight).value(), b = weight_matrix(info, rounded).value();
  double error = 0;
  for (std::int64_t g = 0; g < a.size(0); ++g) error += output_error(a[g], b[g], moments.gram[g]);
  return error;
}

void scale_by_activations(Model& model, const ScalePath& path, const Moments& moments, const Precisions& precisions) {
  constexpr int kExponents = 20;
  if (!std::all_of(path.layers.begin(), path.layers.end(), [&](const Node* layer) { return moments.contains(layer->name()); })) return;
  const at::Tensor inputs = per_channel(moments.at(path.layers.front()->name()).magnitude, path.channels).clamp_min(1e-4);
  double least = -1;
  at::Tensor best;
  for (int i = 0; i < kExponents; ++i) {
    at::Tensor factors = inputs.pow(static_cast<double>(i) / kExponents);
    factors = usable(factors / (factors.max() * factors.min()).sqrt());
    double error = 0;
    for (std::size_t r = 0; r < path.readers.size(); ++r) {
      const Node& layer = *path.layers[r];
      error += error_after_scaling(model, path.readers[r], layer, moments.at(layer.name()), precision_of(precisions, layer), factors);
    }
    if (least >= 0 && error >= least) continue;
    least = error;
    best = factors;
  }
  move_scale(model, path, best);
}

// Scales move when the samples have passed the last of a path's layers, with the weights as they were.
class ScaleWalk {
 public:
  ScaleWalk(Model& model, const std::vector<ScalePath>& paths, const Precisions& precisions, const Options& options, PassContext& context, Stretches stretches)
      : model_(model), paths_(paths), precisions_(precisions), options_(options), walk_(model, std::move(stretches), options.calibration, context),
        store_(context.cache_folder(), memory_bytes(options.calibration)) {}

  void run() {
    std::size_t last = 0;
    for (const ScalePath& path : paths_) last = std::max(last, end_of(path));
    for (std::size_t at = 0; at <= last; ++at) {
      auto found = find_input_moments(model_, layers_in(at), walk_, at < last ? Advance::yes : Advance::no);
      moments_.merge(found);
      std::set<std::string> moved;
      for (const ScalePath& path : paths_) {
        if (end_of(path) == at) move(path, moved);
      }
      for (const std::string& name : moved) model_.weights.set(name, store_.keep(model_.weights.get(name)));
      return_freed_memory();
      std::erase_if(moments_, [&](const auto& entry) { return !is_wanted_after(at, entry.first); });
    }
  }

 private:
  std::size_t end_of(const ScalePath& path) const {
    std::size_t end = 0;
    for (const Node* layer : path.layers) end = std::max(end, walk_.place_of(*layer));
    return end;
  }

  std::vector<Node*> layers_in(std::size_t at) const {
    std::vector<Node*> layers;
    for (const ScalePath& path : paths_) {
      std::copy_if(path.layers.begin(), path.layers.end(), std::back_inserter(layers), [&](const Node* layer) { return walk_.place_of(*layer) == at; });
    }
    return layers;
  }

  bool is_wanted_after(std::size_t at, const std::string& layer) const {
    return std::any_of(paths_.begin(), paths_.end(), [&](const ScalePath& path) {
      return end_of(path) > at && std::any_of(path.layers.begin(), path.layers.end(), [&](const Node* node) { return node->name() == layer; });
    });
  }

  void move(const ScalePath& path, std::set<std::string>& moved) {
    if (options_.scaling == Scaling::smooth) smooth(model_, path, moments_, options_.smooth_alpha);
    else scale_by_activations(model_, path, moments_, precisions_);
    for (const auto* weights : {&path.makers, &path.readers}) {
      for (const ScaledWeight& weight : *weights) moved.insert(weight.name);
    }
  }

  Model& model_;
  const std::vector<ScalePath>& paths_;
  const Precisions& precisions_;
  const Options& options_;
  SampleWalk walk_;
  TensorStore store_;  // of new weights
  Moments moments_;
};

}  // namespace

std::int64_t move_scales(Model& model, const Precisions& precisions, const Options& options, PassContext& context, const CutGraph& cut) {
  const auto paths = paths_of(model, precisions, options);
  if (options.scaling == Scaling::equalize) {
    equalize(model, paths);
    return static_cast<std::int64_t>(std::count_if(paths.begin(), paths.end(), [](const ScalePath& path) { return path.is_made_by_layer; }));
  }
  if (context.dry_run() || paths.empty()) return static_cast<std::int64_t>(paths.size());
  ScaleWalk(model, paths, precisions, options, context, cut(model.graph)).run();
  return static_cast<std::int64_t>(paths.size());
}

}  // namespace dsc::quantize
