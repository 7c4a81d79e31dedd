// Whether batches are such that a network can be trained on them.
#include "exec/kernels/live_batch_norm.h"
#include "ir/dim_expression.h"
#include "ops/op_traits.h"
#include "train/train.h"

namespace dsc {
namespace {

// How many values of one example share a channel's statistics, -1 where the graph does not say.
std::int64_t values_of_example(const Graph& graph, const Value& input) {
  if (!input.is_tensor() || input.tensor().rank() < 2) return -1;
  const std::vector<Dim>& sizes = input.tensor().sizes;
  // Rows may be more than examples: tokens, crops.
  bool one_row = false;
  for (const GraphInput& user : graph.inputs()) {
    if (user.kind != InputKind::user || !user.value || !user.value->is_tensor() || user.value->tensor().rank() == 0) continue;
    const Dim& batch = user.value->tensor().sizes.front();
    one_row = one_row || (batch.is_fixed() ? batch == sizes[0] : symbol_of(batch.expression) == symbol_of(sizes[0].expression) && !symbol_of(batch.expression).empty());
  }
  if (!one_row) return -1;
  std::int64_t values = 1;
  for (std::size_t i = 2; i < sizes.size(); ++i) {
    if (!sizes[i].is_fixed()) return -1;
    values *= sizes[i].size;
  }
  return values;
}

}  // namespace

void check_batch_norms(const Graph& graph, std::int64_t batch, const std::set<std::string>& frozen) {
  if (batch != 1) return;
  for (const Node* node : graph.nodes()) {
    const bool is_live = node->is(kLiveBatchNorm);
    const bool goes_by_batch = is_live || (traits_of(*node).is_batch_norm && node->find_argument("training"));
    const Value* input = goes_by_batch ? node->find_value("input") : nullptr;
    if (!input || values_of_example(graph, *input) != 1) continue;
    const Value* weight = node->find_value("weight");
    const GraphInput* parameter = weight ? graph.find_input(weight) : nullptr;
    if (!is_live && parameter && frozen.contains(parameter->target)) continue;
    const std::string name = parameter ? parameter->target : "%" + node->output(0)->name();
    throw Error(ErrorCode::data, "the batch norm of `" + name + "` cannot be trained on a batch of one example: one value for each channel has no variance", {},
                std::string("set batch to 2 or more, and give at least 2 examples; or ") +
                    (is_live ? "fold the batch norms first: set freeze_batch_norm to the number of epochs" : "leave the batch norms as they are with freeze"));
  }
}

}  // namespace dsc
