// The form of a network that was exported without `model.eval()`: what the exporter froze as it is in training, put as it is in
// evaluation. Training passes switch batch norm and dropout back on by their arguments (exec/training_arguments.cpp).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dscompress/model.h"

namespace dsc {

struct EvaluationForm {
  std::int64_t norms = 0;      // batch and instance norms that used and moved the batch's statistics
  std::int64_t dropouts = 0;   // of any kind, and those inside attention and recurrent layers
  std::int64_t masks = 0;      // products with a random mask, as stochastic depth writes them: removed
  std::vector<std::string> random;  // nodes that still make outputs random
  bool changed() const { return norms + dropouts + masks > 0; }
};

// Switches batch statistics and dropout off, whole or decomposed (`native_dropout`, `_native_batch_norm_legit_functional`),
// takes random masks away, and drops the updates of statistics and counters that training leaves behind. Batch norms of the
// functional form become `aten.batch_norm`. Norms without running statistics stay, they have nothing else to go by, and so do norms in
// training whose running statistics are inputs of the model: those are left out.
EvaluationForm put_into_evaluation_form(Model& model);

// "the model was exported in training mode: 2 batch norms, 1 dropout, ..."; empty when nothing changed.
std::vector<std::string> notes_of(const EvaluationForm& form);

// Batch norms and dropouts of the core vocabulary as the operators that training knows: `aten.batch_norm`, `aten.dropout`.
// Results that only training makes must be unused; others stay as they are.
void recompose_norms_and_dropout(Graph& graph);

}  // namespace dsc
