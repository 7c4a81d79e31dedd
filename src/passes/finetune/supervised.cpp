// finetune: train the model on labelled data, as it stands.
//
// Changes weights and batch-norm statistics only; the graph stays. Works on any model whose first output is class scores
// (i64 labels) or a regression (f32).
// `staged` lets layers join one after another (train/staged.h); `lora` trains low-rank adapters and folds them (train/lora.h).
#include <optional>
#include <string>
#include <vector>

#include "dscompress/pass.h"
#include "train/lora.h"
#include "train/staged.h"
#include "train/train.h"
#include "train/training_step.h"

namespace dsc {
namespace {

struct Options {
  TrainOptions train;
  std::optional<StagedOptions> staged;
  std::optional<LoraOptions> lora;

  void fields(FieldVisitor& visit) {
    train.fields(visit);
    visit("staged", staged, {.text = "Recovery after a cut: layers join the training one after another, at a low rate first."});
    visit("lora", lora, {.text = "Train low-rank adapters beside frozen weights, and fold them in at the end."});
    visit.check(lora && (staged || !train.freeze.empty() || !train.train_only.empty())
                    ? "lora excludes staged, freeze and train_only: name what trains besides under lora.also"
                    : "");
    visit.check(staged && staged->decay_factor > 1 && train.validate_every == 0 ? "staged weight decay needs validate_every above 0, or decay_factor: 1" : "");
  }
};

std::vector<Problem> check(const Model& model, const Options& options) {
  auto problems = check_frozen(model, options.train);
  if (options.lora) {
    for (auto& problem : check_lora(model, *options.lora)) problems.push_back(std::move(problem));
  }
  return problems;
}

TrainResult train_as_told(Model& model, const Options& options, TrainHooks hooks, PassContext& context) {
  const auto objective = supervised_objective(options.train.label_smoothing, options.train.label_losses);
  if (options.lora) return train_adapters(model, *options.lora, options.train, objective, std::move(hooks), context);
  if (options.staged) add_stages(model, *options.staged, hooks);
  return train(model, options.train, objective, hooks, context);
}

PassResult run(Model& model, const Options& options, PassContext& context) {
  if (auto problems = check(model, options); !problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  PassResult pass = run_training_step(model, options.train, context, [&](const TrainHooks& hooks) { return train_as_told(model, options, hooks, context); });
  if (options.lora) pass.statistics.push_back({"adapters", static_cast<double>(adaptable_weights(model, *options.lora).size()), ""});
  return pass;
}

}  // namespace

PassInfo make_finetune_supervised() {
  return make_pass<Options>({.id = "finetune",
                             .summary = "Train the model on labelled data.",
                             .changes = {Change::weights},
                             .needs = {Need::train_data},
                             .check = check},
                            run);
}

}  // namespace dsc
