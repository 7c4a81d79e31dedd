// Views that regroup dimensions without moving elements.
#include <algorithm>

#include "ops/arguments.h"
#include "ops/op_info.h"
#include "ops/resize.h"

namespace dsc {
namespace {

void tie_view(Ties& ties, const Node& node) {
  const Value* self = self_of(node);
  ties.define(node.output(), ties.reshape(ties.axes(self), ties.dims(self), ties.dims(node.output())));
}

void resize_view(Resizer& resizer, Node& node) {
  resize_list(resizer, node, node.find_argument("shape") ? "shape" : "size", node.output());
}

// unflatten(self, dim, sizes): only the sizes of the dimensions it makes are literal.
void resize_unflatten(Resizer& resizer, Node& node) {
  const Value* self = self_of(node);
  std::int64_t dim = dim_or(node, "dim", 0, self->tensor().rank());
  IntList sizes = int_list(node, "sizes");
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    auto* size = std::get_if<std::int64_t>(&sizes[i]);
    if (size && *size >= 0) *size = resizer.new_size(node.output(), dim + static_cast<std::int64_t>(i));
  }
  resizer.graph().set_argument(&node, "sizes", std::move(sizes));
}

// view.dtype reinterprets bytes.
void tie_any_view(Ties& ties, const Node& node) {
  if (!node.find_argument("dtype")) return tie_view(ties, node);
  ties.keep(self_of(node), "its bytes are reinterpreted");
}

constexpr OpTraits kCollectsRegrouped{.collects_elements = true, .relayout = Relayout::regroups};

constexpr OpInfo kViewOps[] = {
    {"aten.view", tie_any_view, resize_view, nullptr, kRegroups},
    {"aten.reshape", tie_view, resize_view, nullptr, kRegroups},
    {"aten._unsafe_view", tie_view, resize_view, nullptr, kCollectsElements},
    {"aten.view_copy", tie_view, resize_view, nullptr, kCollectsElements},
    {"aten.flatten", tie_view, nullptr, nullptr, kRegroups},
    {"aten.unflatten", tie_view, resize_unflatten, nullptr, kCollectsRegrouped},
    {"aten.unsqueeze", tie_view, nullptr, nullptr, kRegroups},
    {"aten.reshape_as", tie_view, nullptr, nullptr, kCollectsRegrouped},
    {"aten.view_as", tie_view, nullptr, nullptr, kCollectsRegrouped},
};

}  // namespace

std::span<const OpInfo> view_ops() { return kViewOps; }

}  // namespace dsc
