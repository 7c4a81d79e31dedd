// example.prune_by_spread: cuts channels as `prune` does, by an importance of its own: the standard deviation of the weights
// that make a channel, to the power of `power`. Filters whose weights are all alike go first.
#include <ATen/core/Tensor.h>
#include <ATen/ops/std.h>
#include <ATen/ops/tensor.h>
#include <dscompress/prune.h>

#include <cmath>

namespace {

struct Options {
  dsc::Pruning pruning;
  double power = 1;
  void fields(dsc::FieldVisitor& visit) {
    pruning.fields(visit);
    visit("power", power, {.text = "Exponent of the standard deviation.", .minimum = 0.1, .maximum = 10});
  }
};

dsc::PassResult run(dsc::Model& model, const Options& options, dsc::PassContext& context) {
  const auto scores = [&](const dsc::Model& now, const dsc::UnitGroup& group) {
    std::vector<double> spreads(static_cast<std::size_t>(group.units), 0);
    for (const auto& weight : group.weights) {
      const at::Tensor values = now.weights.get(weight.name);
      if (!weight.produces || values.dim() < 2) continue;
      for (std::size_t unit = 0; unit < spreads.size(); ++unit) {
        const at::Tensor own = values.index_select(weight.dim, at::tensor(weight.indices[unit], at::kLong));
        spreads[unit] += std::pow(at::std(own).item<double>(), options.power);
      }
    }
    return spreads;
  };
  return options.pruning.run(model, scores, context);
}

}  // namespace

DSCOMPRESS_PLUGIN(table) {
  table.add(dsc::make_pass<Options>({.id = "example.prune_by_spread",
                                     .summary = "Cut the channels whose weights differ least.",
                                     .changes = {dsc::Change::weights, dsc::Change::shapes},
                                     .needs_of = [](const Options& options) { return options.pruning.needs(); },
                                     .check = [](const dsc::Model& model, const Options& options) { return options.pruning.check(model); }},
                                    run));
}
