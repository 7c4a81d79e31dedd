#include "eval/step_profile.h"

#include <ATen/record_function.h>
#include <ATen/SequenceNumber.h>

#include <algorithm>
#include <memory>

namespace dsc {
namespace {

// The profile of this thread's backward, and how deep its functions are nested: an inner one is its outer one's time.
thread_local StepProfile* active = nullptr;
thread_local int depth = 0;

struct Started : at::ObserverContext {
  std::chrono::steady_clock::time_point at = std::chrono::steady_clock::now();
};

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

void StepProfile::begin() {
  first_number_ = at::sequence_number::peek();
  start_ = Clock::now();
}

void StepProfile::end(const Node* node, const std::string& operation) {
  const std::size_t entry = entry_of(node, operation);
  entries_[entry].forward_ms += ms_since(start_);
  spans_.push_back({first_number_, at::sequence_number::peek(), entry});
}

std::size_t StepProfile::entry_of(const Node* node, const std::string& operation) {
  const auto add = [this](std::string module, std::string name) {
    entries_.push_back({std::move(module), std::move(name)});
    return entries_.size() - 1;
  };
  if (!node) {
    const auto found = by_operation_.find(operation);
    return found != by_operation_.end() ? found->second : by_operation_[operation] = add("", operation);
  }
  const auto found = by_node_.find(node);
  return found != by_node_.end() ? found->second : by_node_[node] = add(node->module_path(), node->target());
}

std::unique_ptr<at::ObserverContext> StepProfile::function_starts(const at::RecordFunction&) {
  ++depth;
  return std::make_unique<Started>();
}

void StepProfile::function_ends(const at::RecordFunction& function, at::ObserverContext* context) {
  if (--depth == 0 && active) active->book(static_cast<std::uint64_t>(function.seqNr()), ms_since(static_cast<const Started*>(context)->at));
}

void StepProfile::book(std::uint64_t number, double ms) {
  const auto after = std::upper_bound(spans_.begin(), spans_.end(), number, [](std::uint64_t value, const Span& span) { return value < span.end; });
  const bool known = after != spans_.end() && number >= after->first;
  entries_[known ? after->entry : entry_of(nullptr, "(gradients)")].backward_ms += ms;
}

StepProfile::Backward::Backward(StepProfile& profile)
    : callback_(at::addThreadLocalCallback(at::RecordFunctionCallback(function_starts, function_ends).scopes({at::RecordScope::BACKWARD_FUNCTION}))) {
  active = &profile;
  depth = 0;
}

StepProfile::Backward::~Backward() {
  at::removeCallback(callback_);
  active = nullptr;
}

std::vector<LayerTime> StepProfile::layers() const {
  std::vector<LayerTime> out = entries_;
  for (LayerTime& layer : out) {
    layer.forward_ms /= static_cast<double>(std::max<std::int64_t>(steps_, 1));
    layer.backward_ms /= static_cast<double>(std::max<std::int64_t>(steps_, 1));
  }
  return out;
}

}  // namespace dsc
