// Programs exported without their weights (scripts/export_model.py --no-weights): a model of any size is a small file, and its weights are
// those of a checkpoint, which holds them under other names, in other types, expert by expert, or as fp8 with a scale for each block.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

#include "dscompress/model.h"

namespace dsc {

// Whether the model still lacks its weights: in their place is one element seen as many.
bool has_outside_weights(const Model& model);

// Gives the model the weights of a checkpoint (a folder of shards, its index, or one file). What is stored as the graph has it stays mapped, and
// costs no memory until it is read; what has to be made (cast, scaled, joined, stacked) is made weight by weight and goes through `keep`, which may
// move it out of memory. Tensors that the model has no use for are left alone.
// Precondition: has_outside_weights. errors: model_file, for all that is missing or does not fit at once, with the nearest names.
void bind_outside_weights(Model& model, const std::string& path, const std::function<at::Tensor(const at::Tensor&)>& keep);

}  // namespace dsc
