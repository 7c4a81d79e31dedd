// Inputs that any exported model accepts, made from the graph alone.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "exec/convert.h"
#include "exec/executor.h"
#include "exec/input_uses.h"
#include "ir/dim_expression.h"

namespace dsc {
namespace {

constexpr std::int64_t kLargestId = 1000;    // frequent words come first in vocabularies
constexpr std::int64_t kFirstWord = 5;       // below are padding, begin, end and the like

SymbolValues symbol_values(const Graph& graph, std::int64_t batch, std::int64_t open_size) {
  SymbolValues symbols;
  const auto each = [&](auto visit) {
    for (const GraphInput& input : graph.inputs()) {
      if (input.kind != InputKind::user || !input.value || !input.value->is_tensor()) continue;
      const std::vector<Dim>& sizes = input.value->tensor().sizes;
      for (std::size_t i = 0; i < sizes.size(); ++i) visit(i, sizes[i]);
    }
  };
  each([&](std::size_t i, const Dim& dim) {
    if (i == 0 && batch > 0 && !dim.is_fixed() && !symbol_of(dim.expression).empty()) symbols[symbol_of(dim.expression)] = batch;
  });
  each([&](std::size_t, const Dim& dim) {
    if (dim.is_fixed() || symbol_of(dim.expression).empty()) return;
    symbols.emplace(symbol_of(dim.expression), open_size > 0 ? open_size : dim.size > 0 ? dim.size : kUnknownSize);
  });
  return symbols;
}

bool is_small_integer(c10::ScalarType dtype) { return dtype == c10::kByte || dtype == c10::kChar || dtype == c10::kShort; }

// In each row of the last dimension. Nothing is hidden but the last place, so that masks hide something and never everything,
// a causal one beside them included. Where it is not known what true means, both values occur in turn.
at::Tensor make_mask(const std::vector<std::int64_t>& sizes, MaskSense sense) {
  at::Tensor mask = at::full(sizes, sense != MaskSense::hides, at::kBool);
  const std::int64_t last = sizes.empty() ? 1 : sizes.back();
  if (last < 2) return mask;
  if (sense == MaskSense::unknown) mask.slice(-1, 1, std::nullopt, 2).fill_(false);
  else mask.select(-1, last - 1).logical_not_();
  return mask;
}

at::Tensor make_indices(const IndexUse& use, const std::vector<std::int64_t>& sizes, at::Generator& generator) {
  const std::int64_t first = use.is_table && use.bound > 2 * kFirstWord ? kFirstWord : 0;
  return at::randint(first, std::min(use.bound, kLargestId), sizes, generator, c10::kLong);
}

// Ascending from 0, as bags begin.
at::Tensor make_offsets(const std::vector<std::int64_t>& sizes) { return at::arange(c10::multiply_integers(sizes), at::kLong).view(sizes); }

at::Tensor make_input(const Model& model, const Value& value, const SymbolValues& symbols, at::Generator& generator) {
  if (!value.is_tensor()) return at::ones({}, at::kLong);
  const TensorType& type = value.tensor();
  std::vector<std::int64_t> sizes;
  for (const Dim& dim : type.sizes) sizes.push_back(size_of(dim, symbols));
  const c10::ScalarType dtype = to_c10(type.dtype);
  if (c10::isFloatingType(dtype) || c10::isComplexType(dtype)) {
    const c10::ScalarType made = c10::isComplexType(dtype) ? c10::kComplexFloat : c10::kFloat;
    return at::randn(sizes, generator, made).to(dtype);
  }
  if (dtype == c10::kBool) return make_mask(sizes, find_mask_sense(model, value));
  if (is_bag_offsets(value)) return make_offsets(sizes).to(dtype);
  if (const auto use = find_index_use(model, value, symbols)) return make_indices(*use, sizes, generator).to(dtype);
  // Pictures; other numbers are masks, lengths and counts, of which 1 is the most harmless.
  if (is_small_integer(dtype) && sizes.size() > 2) return at::randint(0, dtype == c10::kChar ? 128 : 256, sizes, generator, c10::kLong).to(dtype);
  return at::ones(sizes, dtype);
}

}  // namespace

std::vector<at::Tensor> example_inputs(const Model& model, std::int64_t batch, std::uint64_t seed, std::int64_t open_size) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const SymbolValues symbols = symbol_values(model.graph, batch, open_size);
  std::vector<at::Tensor> inputs;
  for (const GraphInput& input : model.graph.inputs()) {
    if (input.kind == InputKind::user && input.value) inputs.push_back(make_input(model, *input.value, symbols, generator));
  }
  return inputs;
}

}  // namespace dsc
