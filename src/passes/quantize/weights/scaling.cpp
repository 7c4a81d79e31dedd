#include "passes/quantize/weights/scaling.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "exec/allocator.h"
#include "exec/tensor_store.h"
#include "ops/channel_scale.h"
#include "passes/quantize/weights/scale_factors.h"

namespace dsc::quantize {
namespace {

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

void equalize(Model& model, const std::vector<ScalePath>& paths) {
  constexpr int kSweeps = 10;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    for (const ScalePath& path : paths) {
      // A norm's weights are not quantised; there is nothing to equalise with.
      if (!path.is_made_by_layer) continue;
      move_scale(model, path, equalizing_factors(model, path));
    }
  }
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
