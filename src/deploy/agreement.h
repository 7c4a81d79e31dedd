// Whether an engine computes the network that a graph says, judged so that neither a kernel's order of additions nor a
// rounding step that falls the other way can refuse a good file, and no wrong operator can pass.
//
//   without quantisers   each number within a tolerance that grows with the operators' count and precision; where a network is
//                        more sensitive than that, within what LibTorch's own result moves when all numbers on the way are
//                        changed in their last bits
//   with quantisers      the graph without them as above; with them, the distance from LibTorch's result (root mean square)
//                        within a few times of what quantisation itself changes, or of what roundings change that fall the other
//                        way when all numbers on the way are changed in their last bits: another rounding of the same network
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dscompress/model.h"
#include "exec/engine.h"

namespace dsc {

using MakeEngine = std::function<std::unique_ptr<Engine>(const Model&)>;

// `deployed` runs `model` in another engine; `make` makes such an engine of another graph. returns: what was found, as a
// sentence for reports. errors: numeric, naming output and numbers, when they differ; `file` is the place of the message.
std::string check_agreement(Engine& deployed, const Model& model, const MakeEngine& make, const std::string& file);

// A copy whose quantisers hand their input on; tensors are shared.
Model without_quantizers(const Model& model);

}  // namespace dsc
