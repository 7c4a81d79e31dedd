#include "exec/branches.h"

#include "ir/control_flow.h"

namespace dsc {

Branches::Branches(const Node& node, const ExecutorOptions& options) : graphs_(read_branches(node)) {
  for (const Graph& graph : graphs_) executors_.push_back(std::make_unique<Executor>(graph, Weights(), options));
}

void Branches::run(std::vector<c10::IValue>& stack) {
  const c10::IValue& condition = stack.front();
  const bool holds = condition.isTensor() ? condition.toTensor().item<bool>() : condition.toScalar().toBool();
  const auto outputs = executors_.at(holds ? 0 : 1)->run(stack.back().toTensorVector());
  stack.assign(outputs.begin(), outputs.end());
}

}  // namespace dsc
