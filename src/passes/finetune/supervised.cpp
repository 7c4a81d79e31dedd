// finetune: train the model on labelled data, as it stands.
//
// Changes weights and batch-norm statistics only; the graph stays. Leaves alone: parameters named by `freeze`, or all but
// those named by `train_only`. Works on any model whose first output is class scores (i64 labels) or a regression (f32).
#include <algorithm>
#include <string>
#include <vector>

#include "dscompress/pass.h"
#include "train/train.h"

namespace dsc {
namespace {

struct Options {
  TrainOptions train;
  std::vector<std::string> freeze, train_only;

  void fields(FieldVisitor& visit) {
    train.fields(visit);
    visit("freeze", freeze, {.text = "Module or parameter globs to leave as they are."});
    visit("train_only", train_only, {.text = "Module or parameter globs to train; all others stay as they are."});
    visit.check(!freeze.empty() && !train_only.empty() ? "freeze and train_only exclude each other" : "");
  }
};

std::vector<std::string> frozen_parameters(const Model& model, const Options& options) {
  if (options.train_only.empty()) return select_parameters(model, options.freeze);
  auto frozen = select_parameters(model, {"**"});
  const auto trained = select_parameters(model, options.train_only);
  std::erase_if(frozen, [&](const auto& name) { return std::find(trained.begin(), trained.end(), name) != trained.end(); });
  return frozen;
}

std::vector<Problem> check(const Model& model, const Options& options) {
  auto problems = check_selectors(model, options.freeze, "freeze");
  for (auto& problem : check_selectors(model, options.train_only, "train_only")) problems.push_back(std::move(problem));
  if (problems.empty() && frozen_parameters(model, options).size() == select_parameters(model, {"**"}).size()) {
    problems.push_back({"there is nothing to train: every parameter is frozen", {.pointer = "/freeze"}, "freeze fewer modules"});
  }
  return problems;
}

PassResult run(Model& model, const Options& options, PassContext& context) {
  if (auto problems = check(model, options); !problems.empty()) throw Error(ErrorCode::recipe, std::move(problems));
  TrainHooks hooks;
  hooks.frozen = frozen_parameters(model, options);
  const auto text = context.stage("train", model, [&] {
    return to_text(train(model, options.train, supervised_objective(options.train.label_smoothing), hooks, context));
  });
  const auto result = parse_train_result(text);
  PassResult pass{.changed = result.steps > 0 || (context.dry_run() && options.train.epochs > 0), .statistics = statistics_of(result)};
  if (!hooks.frozen.empty()) pass.notes.push_back(std::to_string(hooks.frozen.size()) + " parameters were frozen");
  if (result.stopped_early) pass.notes.push_back("stopped early: the validation metric no longer improved");
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
