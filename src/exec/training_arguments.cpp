// What training mode means to an exported graph: nothing but arguments, which the exporter froze as they were.
//
// Left alone: instance norm (its `use_input_stats` says whether statistics exist), batch norm without running
// statistics (it always normalises with the batch's).
#include <string>

#include "exec/kernels/live_batch_norm.h"
#include "exec/plan.h"
#include "ops/op_traits.h"

namespace dsc {
namespace {

bool is_constant(const StackTemplate& stack, std::size_t position) {
  for (const Fill& fill : stack.fills) {
    if (fill.position == position) return false;
  }
  return true;
}

bool lacks_running_statistics(const c10::FunctionSchema& schema, const StackTemplate& stack) {
  const std::optional<int> mean = schema.argumentIndexWithName("running_mean");
  if (!mean) return true;
  const auto position = static_cast<std::size_t>(*mean);
  return is_constant(stack, position) && stack.entries[position].isNone();
}

}  // namespace

void set_training(const Node& node, const c10::FunctionSchema& schema, StackTemplate& stack, const ExecutorOptions& options) {
  const bool is_batch_norm = traits_of(node).is_batch_norm || node.is(kLiveBatchNorm);
  for (std::size_t i = 0; i < schema.arguments().size(); ++i) {
    const std::string& name = schema.arguments()[i].name();
    if (!is_constant(stack, i)) continue;
    if (name == "train") {
      stack.entries[i] = options.training;
    } else if (name == "training" && is_batch_norm) {
      if (!lacks_running_statistics(schema, stack)) stack.entries[i] = options.training && !options.freeze_batch_norm;
    } else if (name == "training") {  // randomised leaky relu
      stack.entries[i] = options.training;
    } else if (name == "dropout_p" && !options.training) {
      stack.entries[i] = 0.0;
    }
  }
}

}  // namespace dsc
