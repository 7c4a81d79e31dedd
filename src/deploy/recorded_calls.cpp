#include "deploy/recorded_calls.h"

#include <ATen/core/boxing/KernelFunction.h>
#include <ATen/core/grad_mode.h>

#include <utility>

namespace dsc {
namespace {

// A mode that LibTorch's own tests use and nothing else: above all others, so that composite operators are seen before they
// fall apart, and without a kernel of any operator's.
constexpr auto kRecording = c10::DispatchKey::TESTING_ONLY_GenericMode;

thread_local std::vector<RecordedCall>* recording = nullptr;

void record(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const c10::impl::ExcludeDispatchKeyGuard paused(kRecording);
  const auto own = static_cast<std::ptrdiff_t>(op.schema().arguments().size());
  std::vector<c10::IValue> arguments(stack->end() - own, stack->end());
  op.callBoxed(stack);
  if (!recording) return;
  const auto made = static_cast<std::ptrdiff_t>(op.schema().returns().size());
  recording->push_back({op, std::move(arguments), {stack->end() - made, stack->end()}});
}

void install() {
  static const auto registration = c10::Dispatcher::singleton().registerFallback(
      kRecording, c10::KernelFunction::makeFromBoxedFunction<&record>(), "dscompress records calls");
}

}  // namespace

UnrecordedCalls::UnrecordedCalls() : paused_(kRecording) {}

std::vector<RecordedCall> record_calls(const std::function<void()>& run) {
  install();
  std::vector<RecordedCall> calls;
  struct Restore {
    std::vector<RecordedCall>* before;
    ~Restore() { recording = before; }
  } const restore{std::exchange(recording, &calls)};
  const c10::impl::IncludeDispatchKeyGuard recorded(kRecording);
  const at::NoGradGuard no_gradients;
  run();
  return calls;
}

}  // namespace dsc
