// The branches of control flow, made ready to run.
#pragma once

#include <ATen/core/ivalue.h>

#include <memory>
#include <vector>

#include "exec/executor.h"

namespace dsc {

class Branches {
 public:
  // errors: unsupported, as Executor's.
  Branches(const Node& node, const ExecutorOptions& options);

  // Replaces condition, branches and operands on the stack by the results of the branch that the condition chooses.
  void run(std::vector<c10::IValue>& stack);

 private:
  std::vector<Graph> graphs_;
  std::vector<std::unique_ptr<Executor>> executors_;
};

}  // namespace dsc
