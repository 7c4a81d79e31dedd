#include "passes/quantize/weights/scaling.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "exec/allocator.h"
#include "exec/tensor_store.h"
#include "ops/channel_scale.h"
#include "ops/experts.h"
#include "passes/quantize/weights/layer_inputs.h"
#include "passes/quantize/weights/rounding.h"
#include "passes/quantize/weights/weight_grid.h"

namespace dsc::quantize {
namespace {

constexpr double kTiny = 1e-8;
using Moments = std::map<std::string, InputMoments>;

bool is_integer(const Precisions& precisions, const Node& layer) {
  const auto found = precisions.find(layer.name());
  return found != precisions.end() && found->second.precision == Precision::integer;
}

bool is_expert_layer(const Model& model, const Node* layer) { return find_expert_layer(model.graph, const_cast<Node*>(layer)).has_value(); }

// All layers become integers; beside experts, a router that stays takes the factors too.
bool is_wanted(const Model& model, const ScalePath& path, const Precisions& precisions, const Options& options) {
  const bool has_experts = std::ranges::any_of(path.layers, [&](const Node* layer) { return is_expert_layer(model, layer); });
  if (has_experts && options.scaling != Scaling::awq) return false;  // their activations are no integers
  return std::ranges::all_of(path.layers,
                             [&](const Node* layer) { return is_integer(precisions, *layer) || (has_experts && !is_expert_layer(model, layer)); });
}

std::vector<ScalePath> paths_of(const Model& model, const Precisions& precisions, const Options& options) {
  auto paths = find_scale_paths(model.graph);
  auto more = options.scaling == Scaling::smooth ? find_shared_norms(model.graph)
              : options.scaling == Scaling::awq  ? find_expert_paths(model.graph)
                                                 : std::vector<ScalePath>{};
  std::move(more.begin(), more.end(), std::back_inserter(paths));
  std::erase_if(paths, [&](const ScalePath& path) { return !is_wanted(model, path, precisions, options); });
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

// None: there are no moments of the path's value.
std::optional<at::Tensor> smoothing_factors(const Model& model, const ScalePath& path, const Moments& moments, double alpha) {
  const auto found = moments.find(path.layers.front()->name());
  if (found == moments.end()) return std::nullopt;
  const at::Tensor inputs = per_channel(found->second.largest, path.channels), weights = largest_of_all(model, path.readers);
  return usable(inputs.pow(alpha) / weights.clamp_min(1e-5).pow(1 - alpha));
}

// Output error of a layer, in all its rows, whose weight is rounded after its input channels were multiplied by `factors`.
double error_after_scaling(const Model& model, const ScaledWeight& reader, const Node& layer, const InputMoments& moments,
                           const LayerPrecision& precision, const at::Tensor& factors) {
  const auto info = *find_quant_layer(model.graph, const_cast<Node*>(&layer));
  const at::Tensor weight = model.weights.get(reader.name).detach().to(at::kDouble);
  std::vector<std::int64_t> shape(static_cast<std::size_t>(weight.dim()), 1);
  shape[static_cast<std::size_t>(reader.axis)] = factors.numel();
  const at::Tensor scaled = weight * factors.view(shape);
  const WeightGrid grid = choose_layer_grid(info.kind, scaled, info.channel_axis, precision.weights);
  const at::Tensor rounded = snap_to_grid(scaled.to(at::kFloat), grid).to(at::kDouble) / factors.view(shape);
  const at::Tensor a = weight_matrix(info, weight).value(), b = weight_matrix(info, rounded).value();
  double error = 0;
  for (std::int64_t g = 0; g < a.size(0); ++g) error += output_error(a[g], b[g], moments.gram[g]);
  return error * static_cast<double>(moments.rows);
}

// The same of one expert, over its own rows.
double error_of_expert(const Model& model, const ScaledWeight& reader, const InputMoments& moments, const LayerPrecision& precision,
                       std::int64_t expert, const at::Tensor& factors) {
  const at::Tensor weight = model.weights.get(reader.name).detach()[expert].to(at::kDouble), scaled = weight * factors;
  const at::Tensor rounded = snap_to_grid(scaled.to(at::kFloat), choose_weight_grid(scaled, 0, precision.weights)).to(at::kDouble) / factors;
  return output_error(weight, rounded, moments.gram[expert]);
}

// Powers of the inputs' magnitudes, the one of the least error.
at::Tensor search_exponent(const at::Tensor& inputs, const std::function<double(const at::Tensor& factors)>& error_of) {
  constexpr int kExponents = 20;
  double least = -1;
  at::Tensor best;
  for (int i = 0; i < kExponents; ++i) {
    at::Tensor factors = inputs.pow(static_cast<double>(i) / kExponents);
    factors = usable(factors / (factors.max() * factors.min()).sqrt());
    const double error = error_of(factors);
    if (least >= 0 && error >= least) continue;
    least = error;
    best = factors;
  }
  return best;
}

// Each expert's by what it reads itself.
at::Tensor factors_of_experts(const Model& model, const ScalePath& path, const InputMoments& moments, const LayerPrecision& precision) {
  std::vector<at::Tensor> factors;
  for (std::int64_t e = 0; e < path.experts; ++e) {
    const at::Tensor own = moments.magnitude[e], inputs = (own / own.mean().clamp_min(kTiny)).clamp_min(1e-4);
    factors.push_back(
        search_exponent(inputs, [&](const at::Tensor& tried) { return error_of_expert(model, path.readers.front(), moments, precision, e, tried); }));
  }
  return at::stack(factors);
}

// Mean |x| of each channel of the path's value. Moments of experts are sums over their own rows.
at::Tensor magnitude_of(const Model& model, const ScalePath& path, const Moments& moments) {
  const auto plain = std::ranges::find_if(path.layers, [&](const Node* layer) { return !is_expert_layer(model, layer); });
  if (plain == path.layers.end()) return moments.at(path.layers.front()->name()).magnitude.sum(0);
  return per_channel(moments.at((*plain)->name()).magnitude, path.channels);
}

std::optional<at::Tensor> factors_by_activations(const Model& model, const ScalePath& path, const Moments& moments, const Precisions& precisions) {
  if (!std::all_of(path.layers.begin(), path.layers.end(), [&](const Node* layer) { return moments.contains(layer->name()); })) return std::nullopt;
  if (path.experts > 0)
    return factors_of_experts(model, path, moments.at(path.layers.front()->name()), precision_of(precisions, *path.layers.front()));
  return search_exponent(magnitude_of(model, path, moments).clamp_min(1e-4), [&](const at::Tensor& factors) {
    double error = 0;
    for (std::size_t r = 0; r < path.readers.size(); ++r) {
      const Node& layer = *path.layers[r];
      if (!is_integer(precisions, layer)) continue;
      error += error_after_scaling(model, path.readers[r], layer, moments.at(layer.name()), precision_of(precisions, layer), factors);
    }
    return error;
  });
}

// Scales move when the samples have passed the last of a path's layers, with the weights as they were.
class ScaleWalk {
 public:
  ScaleWalk(Model& model, const std::vector<ScalePath>& paths, const Precisions& precisions, const Options& options, PassContext& context,
            const BlockJournal& journal, Stretches stretches)
      : model_(model),
        paths_(paths),
        precisions_(precisions),
        options_(options),
        journal_(journal),
        walk_(model, std::move(stretches), options.calibration, context),
        store_(context.cache_folder(), memory_bytes(options.calibration)) {}

  void run() {
    std::size_t last = 0;
    for (const ScalePath& path : paths_) last = std::max(last, end_of(path));
    for (std::size_t at = 0; at <= last; ++at) {
      const auto finished = journal_.find(kWalk, at);
      auto found = find_input_moments(model_, finished ? layers_wanted_after(at) : layers_in(at), walk_, at < last ? Advance::yes : Advance::no);
      moments_.merge(found);
      const Factors moved = move(at, finished);
      if (!finished) journal_.add(kWalk, at, moved);
      return_freed_memory();
      std::erase_if(moments_, [&](const auto& entry) { return !is_wanted_after(at, entry.first); });
    }
  }

 private:
  using Factors = std::map<std::string, at::Tensor>;  // by the value of a path
  static constexpr const char* kWalk = "scale";

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

  std::vector<Node*> layers_wanted_after(std::size_t at) const {
    std::vector<Node*> layers = layers_in(at);
    std::erase_if(layers, [&](const Node* layer) { return !is_wanted_after(at, layer->name()); });
    return layers;
  }

  bool is_wanted_after(std::size_t at, const std::string& layer) const {
    return std::any_of(paths_.begin(), paths_.end(), [&](const ScalePath& path) {
      return end_of(path) > at && std::any_of(path.layers.begin(), path.layers.end(), [&](const Node* node) { return node->name() == layer; });
    });
  }

  // Along the paths that end in the stretch, each with the weights that those before it have changed.
  Factors move(std::size_t at, const std::optional<Factors>& known) {
    Factors all;
    std::set<std::string> changed;
    for (const ScalePath& path : paths_) {
      if (end_of(path) != at) continue;
      const auto factors = known ? find(*known, path) : choose(path);
      if (!factors) continue;
      move_scale(model_, path, *factors);
      all.emplace(path.value->name(), *factors);
      for (const auto* weights : {&path.makers, &path.readers}) {
        for (const ScaledWeight& weight : *weights) changed.insert(weight.name);
      }
    }
    for (const std::string& name : changed) model_.weights.set(name, store_.keep(model_.weights.get(name)));
    return all;
  }

  std::optional<at::Tensor> choose(const ScalePath& path) const {
    return options_.scaling == Scaling::smooth ? smoothing_factors(model_, path, moments_, options_.smooth_alpha)
                                               : factors_by_activations(model_, path, moments_, precisions_);
  }

  static std::optional<at::Tensor> find(const Factors& known, const ScalePath& path) {
    const auto found = known.find(path.value->name());
    return found == known.end() ? std::nullopt : std::optional(found->second);
  }

  Model& model_;
  const std::vector<ScalePath>& paths_;
  const Precisions& precisions_;
  const Options& options_;
  const BlockJournal& journal_;
  SampleWalk walk_;
  TensorStore store_;  // of new weights
  Moments moments_;
};

}  // namespace

std::int64_t move_scales(Model& model, const Precisions& precisions, const Options& options, PassContext& context, const BlockJournal& journal,
                         const CutGraph& cut) {
  const auto paths = paths_of(model, precisions, options);
  if (options.scaling == Scaling::equalize) {
    equalize(model, paths);
    return static_cast<std::int64_t>(std::count_if(paths.begin(), paths.end(), [](const ScalePath& path) { return path.is_made_by_layer; }));
  }
  if (context.dry_run() || paths.empty()) return static_cast<std::int64_t>(paths.size());
  ScaleWalk(model, paths, precisions, options, context, journal, cut(model.graph)).run();
  return static_cast<std::int64_t>(paths.size());
}

}  // namespace dsc::quantize
