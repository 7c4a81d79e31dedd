// Inputs that any exported model accepts, made from the graph alone.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "exec/convert.h"
#include "exec/executor.h"
#include "ir/dim_expression.h"

namespace dsc {
namespace {

constexpr std::int64_t kUnknownSize = 8;     // of a symbolic dimension without a hint
constexpr std::int64_t kLargestId = 1000;    // frequent words come first in vocabularies
constexpr std::int64_t kFirstWord = 5;       // below are padding, begin, end and the like

// Operators that hand numbers on as they are, in another shape, type or place.
bool keeps_values(std::string_view op) {
  static const std::set<std::string_view> names{
      "aten.view", "aten.reshape", "aten.slice", "aten.to", "aten._to_copy", "aten.clone", "aten.contiguous",
      "aten.unsqueeze", "aten.squeeze", "aten.expand", "aten.alias", "aten.detach", "aten.permute", "aten.transpose",
      "aten.t", "aten.flatten", "aten.select", "aten.index_select", "aten.cat", "aten.lift_fresh_copy", "aten.unbind"};
  return names.contains(op);
}

// Rows of the smallest embedding table that the input is an index into; none when it is no index.
std::optional<std::int64_t> table_size(const Model& model, const Value* input) {
  std::optional<std::int64_t> rows;
  std::deque<const Value*> open{input};
  std::set<const Value*> seen{input};
  while (!open.empty()) {
    const Value* value = open.front();
    open.pop_front();
    for (const Use& use : value->uses()) {
      if (!use.node) continue;
      const std::string_view op = use.node->op();
      const Value* table = op == "aten.embedding" || op == "aten.embedding_bag" ? use.node->find_value("weight") : nullptr;
      if (table && use.node->find_value("indices") == value && table->is_tensor()) {
        const std::int64_t size = table->tensor().sizes.front().size;
        rows = std::min(rows.value_or(size), size);
      } else if (keeps_values(op)) {
        for (const Value* output : use.node->outputs()) {
          if (seen.insert(output).second) open.push_back(output);
        }
      }
    }
  }
  return rows;
}

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

std::int64_t size_of(const Dim& dim, const SymbolValues& symbols) {
  if (dim.is_fixed()) return dim.size;
  return evaluate_dim(dim.expression, symbols).value_or(dim.size > 0 ? dim.size : kUnknownSize);
}

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
  const std::optional<std::int64_t> rows = dtype == c10::kBool ? std::nullopt : table_size(model, &value);
  if (!rows) return at::ones(sizes, dtype);
  const std::int64_t first = *rows > 2 * kFirstWord ? kFirstWord : 0;
  return at::randint(first, std::min(*rows, kLargestId), sizes, generator, c10::kLong).to(dtype);
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
