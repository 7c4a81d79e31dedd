// example.clip_weights: limits every weight to a number of standard deviations of its tensor, which tames outliers
// before quantisation.
//
// Leaves alone: biases and other one-dimensional parameters, and modules named in `skip`.
#include <ATen/core/Tensor.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/std.h>
#include <dscompress/pass.h>

#include <algorithm>

namespace {

struct Options {
  double deviations = 3;
  std::vector<std::string> skip;
  void fields(dsc::FieldVisitor& visit) {
    visit("deviations", deviations, {.text = "Weights beyond so many standard deviations are clipped.", .minimum = 0.5, .maximum = 100});
    visit("skip", skip, {.text = "Names of parameters to leave alone."});
  }
};

dsc::PassResult run(dsc::Model& model, const Options& options, dsc::PassContext&) {
  dsc::PassResult result;
  double clipped = 0;
  for (const auto& input : model.graph.inputs()) {
    const bool skipped = std::find(options.skip.begin(), options.skip.end(), input.target) != options.skip.end();
    if (input.kind != dsc::InputKind::parameter || skipped) continue;
    const auto& weight = model.weights.get(input.target);
    if (weight.dim() < 2 || !weight.is_floating_point()) continue;
    const double limit = options.deviations * at::std(weight).item<double>();
    auto limited = at::clamp(weight, -limit, limit);
    if (at::equal(limited, weight)) continue;
    model.weights.set(input.target, std::move(limited));
    clipped += 1;
  }
  result.changed = clipped > 0;
  result.statistics.push_back({"clipped tensors", clipped, ""});
  return result;
}

}  // namespace

DSCOMPRESS_PLUGIN(table) {
  table.add(dsc::make_pass<Options>({.id = "example.clip_weights", .summary = "Clip weights to a number of standard deviations.",
                                     .changes = {dsc::Change::weights}}, run));
}
