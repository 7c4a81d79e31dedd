// The branches of control flow, made ready to run.
#pragma once

#include <ATen/core/ivalue.h>
#include <c10/util/intrusive_ptr.h>

#include <memory>
#include <vector>

#include "exec/executor.h"

namespace dsc {

class Branches : public torch::CustomClassHolder {
 public:
  // errors: unsupported, as Executor's.
  Branches(const Node& node, const ExecutorOptions& options);
  std::vector<at::Tensor> run(bool condition, const std::vector<at::Tensor>& operands);

 private:
  std::vector<Graph> graphs_;
  std::vector<std::unique_ptr<Executor>> executors_;
};

// Replaces condition, Branches (a capsule), anything, and operands on the stack by the results of the branch that the condition
// chooses.
void run_branch(std::vector<c10::IValue>& stack);

}  // namespace dsc
