#include "train/training_step.h"

#include <string>

#include "ir/fingerprint.h"

namespace dsc {

PassResult run_training_step(Model& model, const TrainOptions& options, PassContext& context, const std::function<TrainResult(const TrainHooks& hooks)>& body) {
  TrainHooks hooks;
  hooks.frozen = frozen_parameters(model, options);
  const std::string before = fingerprint_of(model);
  const auto text = context.stage("train", model, [&] { return to_text(body(hooks)); });
  const auto result = parse_train_result(text);
  PassResult pass{.changed = context.dry_run() ? options.epochs > 0 : fingerprint_of(model) != before, .statistics = statistics_of(result), .notes = {}, .tables = {}};
  if (!hooks.frozen.empty()) pass.notes.push_back(std::to_string(hooks.frozen.size()) + " parameters were frozen");
  if (result.stopped_early) pass.notes.push_back("stopped early: the validation metric no longer improved");
  return pass;
}

}  // namespace dsc
