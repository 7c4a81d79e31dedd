// What an operator does, as the calls that it makes of other operators.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <functional>
#include <vector>

namespace dsc {

struct RecordedCall {
  c10::OperatorHandle op;
  std::vector<c10::IValue> arguments, results;
};

// Runs `run` and lists, in order, the operators that it calls through LibTorch's dispatcher, in this thread; not what they
// call in turn. Tensors stay alive with the list, so that a tensor is known by its address.
std::vector<RecordedCall> record_calls(const std::function<void()>& run);

// What runs in this thread meanwhile is not recorded: how a decomposition makes a constant.
class UnrecordedCalls {
 public:
  UnrecordedCalls();

 private:
  c10::impl::ExcludeDispatchKeyGuard paused_;
};

}  // namespace dsc
