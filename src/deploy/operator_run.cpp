#include "deploy/operator_run.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/reshape.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "deploy/decompositions.h"

namespace dsc {
namespace {

// An in-place operator is the one without underscore, copied over its first argument; none: there is none.
OperatorRun run_in_place(const c10::OperatorHandle& op) {
  std::string name = op.schema().name();
  if (!name.ends_with('_')) return {};
  name.pop_back();
  const auto plain = c10::Dispatcher::singleton().findSchema({name, op.schema().overload_name()});
  if (!plain || plain->schema().arguments().size() != op.schema().arguments().size()) return {};
  return [plain](Stack& stack) {
    const at::Tensor self = stack.front().toTensor();
    plain->callBoxed(stack);
    self.copy_(stack.front().toTensor());
    stack = {self};
  };
}

// Numbers as vectors of one element: OpenVINO's operators along a dimension want one.
OperatorRun run_as_vectors(const Node& node, const c10::OperatorHandle& op) {
  const auto is_number = [](const Value* value) { return value->is_tensor() && value->tensor().rank() == 0; };
  auto* const* self = node.arguments().empty() ? nullptr : std::get_if<Value*>(&node.arguments().front().value);
  const bool numbers = self && *self && is_number(*self) && std::all_of(node.outputs().begin(), node.outputs().end(), is_number);
  if (!numbers || !op.schema().argumentIndexWithName("dim")) return {};
  return [op](Stack& stack) {
    const auto reshape = [&](std::int64_t rank, at::IntArrayRef sizes) {
      for (c10::IValue& entry : stack) {
        if (entry.isTensor() && entry.toTensor().defined() && entry.toTensor().dim() == rank) entry = at::reshape(entry.toTensor(), sizes);
      }
    };
    reshape(0, {1});
    op.callBoxed(stack);
    reshape(1, {});
  };
}

}  // namespace

std::optional<c10::OperatorHandle> find_operator(const Node& node) {
  const std::string op(node.op());
  const auto dot = op.find('.');
  if (dot == std::string::npos) return std::nullopt;
  std::string overload = node.target().size() > op.size() ? node.target().substr(op.size() + 1) : "";
  if (overload == "default") overload.clear();
  return c10::Dispatcher::singleton().findSchema({op.substr(0, dot) + "::" + op.substr(dot + 1), overload});
}

const Decomposition* find_decomposition(const Node& node) {
  for (const auto* family : {&elementwise_decompositions(), &reduction_decompositions(), &statistics_decompositions(), &product_decompositions(),
                             &shape_decompositions(), &index_decompositions(), &loss_decompositions(), &image_decompositions()}) {
    for (const auto key : {std::string_view(node.target()), node.op()}) {
      if (const auto found = family->find(key); found != family->end()) return &found->second;
    }
  }
  return nullptr;
}

OperatorRun find_run(const Node& node, const c10::OperatorHandle& op) {
  if (const Decomposition* own = find_decomposition(node); own && own->kernel.isValid()) {
    return [kernel = own->kernel, op](Stack& stack) { kernel.callBoxed(op, {}, &stack); };
  }
  const auto composite = [&](c10::DispatchKey key) -> OperatorRun {
    if (!op.hasKernelForDispatchKey(key)) return {};
    return [key, op](Stack& stack) { op.callBoxedForDispatchKey(key, stack); };
  };
  // The explicit ones come late: many are no more than an allocation and a kernel.
  if (OperatorRun run = composite(c10::DispatchKey::CompositeImplicitAutograd)) return run;
  if (OperatorRun run = run_as_vectors(node, op)) return run;
  if (OperatorRun run = composite(c10::DispatchKey::CompositeExplicitAutograd)) return run;
  if (OperatorRun run = composite(c10::DispatchKey::CompositeExplicitAutogradNonFunctional)) return run;
  return run_in_place(op);
}

}  // namespace dsc
