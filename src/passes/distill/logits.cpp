// distill: train the model (the student) towards one or more teachers, with or without labels.
//
// Changes weights and batch-norm statistics only. Leaves alone: the teachers. The training is train/distill/distillation.h.
// Sources: with the losses, in train/distill/losses/.
#include "dscompress/pass.h"
#include "ir/fingerprint.h"
#include "train/distill/distillation.h"

namespace dsc {
namespace {

PassResult run(Model& model, const DistillOptions& options, PassContext& context) {
  const std::string before = fingerprint_of(model);
  const auto text = context.stage("train", model, [&] { return to_text(distill(model, options, {}, context)); });
  const auto result = parse_train_result(text);
  const bool changed = context.dry_run() ? options.train.epochs > 0 : fingerprint_of(model) != before;
  PassResult pass{.changed = changed, .statistics = statistics_of(result)};
  if (result.stopped_early) pass.notes.emplace_back("stopped early: the validation metric no longer improved");
  return pass;
}

std::vector<Problem> check(const Model& model, const DistillOptions& options) {
  auto problems = check_distillation(model, options.targets);
  for (auto& problem : check_frozen(model, options.train)) problems.push_back(std::move(problem));
  return problems;
}

}  // namespace

PassInfo make_distill_logits() {
  return make_pass<DistillOptions>({.id = "distill",
                                    .summary = "Train the model towards teachers: their scores, hidden states, attention.",
                                    .changes = {Change::weights},
                                    .needs = {Need::train_data, Need::teacher},
                                    .check = check},
                                   run);
}

}  // namespace dsc
