// What every step that does nothing but train has in common.
#pragma once

#include <functional>

#include "train/train.h"

namespace dsc {

// Trains as the stage "train" of the step, and says what came of it. body: trains with hooks that freeze what `options` say.
PassResult run_training_step(Model& model, const TrainOptions& options, PassContext& context, const std::function<TrainResult(const TrainHooks& hooks)>& body);

}  // namespace dsc
