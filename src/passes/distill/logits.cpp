// distill: train the model (the student) towards a teacher's class scores, with or without labels.
//
// Changes weights and batch-norm statistics only. Leaves alone: the teacher. The training is train/distillation.h.
// Sources: Hinton et al. 2015 (kd), Zhao et al. 2022 (dkd), Huang et al. 2022 (dist); see train/distill_loss.h.
#include "dscompress/pass.h"
#include "train/distillation.h"

namespace dsc {
namespace {

PassResult run(Model& model, const DistillOptions& options, PassContext& context) {
  const auto text = context.stage("train", model, [&] { return to_text(distill(model, options, {}, context)); });
  const auto result = parse_train_result(text);
  PassResult pass{.changed = result.steps > 0 || (context.dry_run() && options.train.epochs > 0), .statistics = statistics_of(result)};
  if (result.stopped_early) pass.notes.emplace_back("stopped early: the validation metric no longer improved");
  return pass;
}

}  // namespace

PassInfo make_distill_logits() {
  return make_pass<DistillOptions>({.id = "distill",
                                    .summary = "Train the model towards a teacher's class scores.",
                                    .changes = {Change::weights},
                                    .needs = {Need::train_data, Need::teacher}},
                                   run);
}

}  // namespace dsc
