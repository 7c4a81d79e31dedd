// Tensors made from nothing. Those of one repeated value follow whatever they are combined with.
#include "ops/arguments.h"
#include "ops/op_info.h"
#include "ops/resize.h"

namespace dsc {
namespace {

void tie_fill(Ties& ties, const Node& node) {
  Axes axes;
  for (const Dim& dim : ties.dims(node.output())) axes.push_back(dim.is_fixed() ? ties.fresh(dim.size) : ties.kept(dim.size, "a variable size"));
  ties.define(node.output(), std::move(axes));
}

void resize_fill(Resizer& resizer, Node& node) { resize_list(resizer, node, "size", node.output()); }

void tie_range(Ties& ties, const Node& node) {
  Axes axes;
  for (const Dim& dim : ties.dims(node.output())) axes.push_back(ties.kept(dim.size, "made by " + std::string(node.op())));
  ties.define(node.output(), std::move(axes));
}

constexpr OpTraits kRandomNumbers{.is_random = true};
constexpr OpInfo draws(std::string_view name) { return {.op = name, .traits = kRandomNumbers}; }

constexpr OpInfo kCreateOps[] = {
    {"aten.zeros", tie_fill, resize_fill},
    {"aten.ones", tie_fill, resize_fill},
    {"aten.full", tie_fill, resize_fill},
    {"aten.empty", tie_fill, resize_fill},
    {"aten.new_zeros", tie_fill, resize_fill},
    {"aten.new_ones", tie_fill, resize_fill},
    {"aten.new_full", tie_fill, resize_fill},
    {"aten.new_empty", tie_fill, resize_fill},
    {"aten.rand", tie_fill, resize_fill, nullptr, kRandomNumbers},
    {"aten.randn", tie_fill, resize_fill, nullptr, kRandomNumbers},
    {"aten.arange", tie_range},
    {"aten.linspace", tie_range},
    {"aten.eye", tie_range},
    {"aten.scalar_tensor", tie_range},
    {"aten.tensor", tie_range},
    {"aten.tril_indices", tie_range},
    {"aten.triu_indices", tie_range},
    {"aten.hann_window", tie_range},
    draws("aten.randint"),
    draws("aten.randint_like"),
    draws("aten.randperm"),
    draws("aten.normal"),
    draws("aten.uniform"),
    draws("aten.multinomial"),
    draws("aten.exponential"),
    draws("aten.geometric"),
    draws("aten.cauchy"),
    draws("aten.log_normal"),
    draws("aten.poisson"),
    draws("aten.binomial"),
};

}  // namespace

std::span<const OpInfo> create_ops() { return kCreateOps; }

}  // namespace dsc
