#include "train/staged.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <utility>

#include "ops/modules.h"

namespace dsc {
namespace {

// The repeated module around a parameter's, or the module itself: what unfreezes together.
std::string layer_of(const std::string& parameter) {
  const std::string module = module_of(parameter);
  const std::string repeated = repeated_module(module);
  return repeated.empty() ? module : repeated;
}

struct Layer {
  std::string name;
  std::vector<std::string> parameters;
};

// Layers in the order in which the graph first reads a parameter of theirs.
std::vector<Layer> layers_in_order(const Model& model, const std::vector<std::string>& frozen) {
  std::vector<Layer> layers;
  std::map<std::string, std::size_t> index;
  std::map<std::string, bool> seen;
  for (const Node* node : model.graph.nodes()) {
    for (const NamedArgument& argument : node->arguments()) {
      for (const Value* value : values_of(argument.value)) {
        const GraphInput* input = model.graph.find_input(value);
        if (!input || input->kind != InputKind::parameter || std::exchange(seen[input->target], true)) continue;
        if (std::find(frozen.begin(), frozen.end(), input->target) != frozen.end()) continue;
        const std::string name = layer_of(input->target);
        const auto [found, is_new] = index.emplace(name, layers.size());
        if (is_new) layers.push_back({name, {}});
        layers[found->second].parameters.push_back(input->target);
      }
    }
  }
  return layers;
}

}  // namespace

std::span<const std::string_view> enum_names(StageOrder) {
  static constexpr std::array<std::string_view, 2> kNames{"shallow_to_deep", "deep_to_shallow"};
  return kNames;
}

void StagedOptions::fields(FieldVisitor& visit) {
  visit("order", order, {.text = "Which end of the network trains first."});
  visit("stages", stages, {.text = "Parts that join one after another.", .minimum = 1, .maximum = 1000});
  visit("share", share, {.text = "Share of the training over which they join.", .unit = "fraction", .minimum = 0, .maximum = 1});
  visit("start_lr_fraction", start_lr_fraction,
        {.text = "Learning rate at the start, as a share of the schedule's; it rises while parts join.",
         .unit = "fraction",
         .minimum = 0,
         .maximum = 1});
  visit("decay_factor", decay_factor, {.text = "Factor of the weight decay after a validation worse than the one before, taken back by a better one; 1: no change.", .minimum = 1});
  visit("decay_limit", decay_limit, {.text = "Largest factor of the weight decay.", .minimum = 1});
}

std::vector<std::vector<std::string>> parameter_stages(const Model& model, const StagedOptions& options, const std::vector<std::string>& frozen) {
  auto layers = layers_in_order(model, frozen);
  if (options.order == StageOrder::deep_to_shallow) std::reverse(layers.begin(), layers.end());
  const std::size_t count = std::min(layers.size(), static_cast<std::size_t>(options.stages));
  std::vector<std::vector<std::string>> stages(count);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    auto& stage = stages[i * count / layers.size()];
    stage.insert(stage.end(), layers[i].parameters.begin(), layers[i].parameters.end());
  }
  return stages;
}

std::int64_t open_stages(const StagedOptions& options, std::int64_t stages, std::int64_t step, std::int64_t steps) {
  const double joining = options.share * static_cast<double>(steps);
  if (static_cast<double>(step) >= joining) return stages;
  return 1 + static_cast<std::int64_t>(static_cast<double>(step) / joining * static_cast<double>(stages - 1));
}

double staged_lr_factor(const StagedOptions& options, std::int64_t step, std::int64_t steps) {
  const double joining = options.share * static_cast<double>(steps);
  if (static_cast<double>(step) >= joining) return 1;
  return options.start_lr_fraction + (1 - options.start_lr_fraction) * static_cast<double>(step) / joining;
}

double staged_decay_factor(const StagedOptions& options, const std::vector<double>& validations) {
  double factor = 1;
  for (std::size_t i = 1; i < validations.size(); ++i) {
    const bool worse = validations[i] > validations[i - 1];
    factor = std::clamp(worse ? factor * options.decay_factor : factor / options.decay_factor, 1.0, options.decay_limit);
  }
  return factor;
}

void add_stages(const Model& model, const StagedOptions& options, TrainHooks& hooks) {
  const auto stages = std::make_shared<const std::vector<std::vector<std::string>>>(parameter_stages(model, options, hooks.frozen));
  // What the step before left; -1: not known, as at a start or a resumption.
  const auto open_now = std::make_shared<std::int64_t>(-1);
  hooks.before_step = [stages, options, open_now, others = std::move(hooks.before_step)](Executor& executor, std::int64_t step, std::int64_t steps) {
    if (others) others(executor, step, steps);
    const auto open = open_stages(options, static_cast<std::int64_t>(stages->size()), step, steps);
    if (std::exchange(*open_now, open) == open) return;
    for (std::size_t i = 0; i < stages->size(); ++i) {
      for (const auto& name : (*stages)[i]) executor.weight(name).set_requires_grad(static_cast<std::int64_t>(i) < open);
    }
  };
  hooks.lr_factor = [options](std::int64_t step, std::int64_t steps) { return staged_lr_factor(options, step, steps); };
  if (options.decay_factor > 1) hooks.decay_factor = [options](const std::vector<double>& validations) { return staged_decay_factor(options, validations); };
}

}  // namespace dsc
