// Opening models by file name.
#pragma once

#include <string>
#include <vector>

#include "dscompress/model.h"

namespace dsc {

// Whether a model may lack its weights (io/outside_weights.h): whoever only looks at its structure may go without.
enum class LackingWeights : bool { refused, allowed };

// Reads a model, .pt2 or TorchScript (.pt), and, unless `weights` is empty, swaps its weights by name, or gives it those that it lacks. The graph is
// verified. Weights that have to be made from a checkpoint's lie in memory up to 1 GiB, the rest in a nameless file in $TMPDIR.
// `inputs`: for TorchScript, the inputs' shapes as io/torchscript.h reads them: "image=batch,3,224,224".
// errors: model_file (also for an unknown extension), unsupported, usage (inputs that do not fit the program).
Model open_model(const std::string& path, const std::string& weights = {}, const std::vector<std::string>& inputs = {},
                 LackingWeights lacking = LackingWeights::refused);

// Puts a model that is to be deployed into evaluation form (ops/evaluation_form.h) and, where passes are to work on it, its
// layers into the form that passes know: weights computed from parameters folded (exec/plain_weights.h), parameters that nothing
// reads left out, layers of the core vocabulary recomposed. returns: what was done, for the report; empty when the model was in this form already.
std::vector<std::string> bring_into_form(Model& model, bool for_passes);

}  // namespace dsc
