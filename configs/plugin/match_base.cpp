// example.match_base: trains the model towards the base model's outputs, by their mean squared difference: the simplest
// distillation. Labels are not read.
#include <ATen/core/Tensor.h>
#include <ATen/ops/mse_loss.h>
#include <dscompress/train.h>

namespace {

struct Options {
  dsc::Training training;
  double weight = 1;
  void fields(dsc::FieldVisitor& visit) {
    training.fields(visit);
    visit("weight", weight, {.text = "Factor of the difference.", .minimum = 0, .maximum = 1000});
  }
};

dsc::PassResult run(dsc::Model& model, const Options& options, dsc::PassContext& context) {
  const dsc::ModelRunner teacher(context.base(), context.device());
  const auto loss = [&](const dsc::LossInput& input) { return at::mse_loss(input.outputs.at(0), teacher.run(input.inputs).at(0)).mul(options.weight); };
  return options.training.run(model, loss, context);
}

}  // namespace

DSCOMPRESS_PLUGIN(table) {
  table.add(dsc::make_pass<Options>({.id = "example.match_base",
                                     .summary = "Train towards the base model's outputs.",
                                     .changes = {dsc::Change::weights},
                                     .needs = {dsc::Need::train_data, dsc::Need::teacher},
                                     .check = [](const dsc::Model& model, const Options& options) { return options.training.check(model); }},
                                    run));
}
