#include "exec/branches.h"

#include "ir/control_flow.h"

namespace dsc {

Branches::Branches(const Node& node, const ExecutorOptions& options) : graphs_(read_branches(node)) {
  for (const Graph& graph : graphs_) executors_.push_back(std::make_unique<Executor>(graph, Weights(), options));
}

std::vector<at::Tensor> Branches::run(bool condition, const std::vector<at::Tensor>& operands) {
  return executors_.at(condition ? 0 : 1)->run(operands);
}

void run_branch(std::vector<c10::IValue>& stack) {
  const c10::IValue& given = stack.at(0);
  const bool condition = given.isTensor() ? given.toTensor().item<bool>() : given.toScalar().toBool();
  const auto branches = c10::static_intrusive_pointer_cast<Branches>(stack.at(1).toCapsule());
  std::vector<at::Tensor> operands;
  for (const c10::IValue& operand : stack.at(3).toListRef()) operands.push_back(operand.toTensor());
  const auto outputs = branches->run(condition, operands);
  stack.assign(outputs.begin(), outputs.end());
}

}  // namespace dsc
