#include "deploy/lanes.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <set>

#include "dscompress/error.h"
#include "exec/convert.h"
#include "ir/dim_fit.h"

namespace dsc {
namespace {

constexpr std::int64_t kUnknownSize = 4;  // of a symbol without a hint
constexpr std::int64_t kChanges[] = {1, 3};

// Every symbol that stands alone somewhere in the graph, with its example's value.
std::map<std::string, Dim> symbols_of(const Graph& graph) {
  std::map<std::string, Dim> symbols;
  const auto see = [&](const Value* value) {
    if (!value) return;
    const auto add = [&](const Dim& dim) {
      if (const std::string name = dim.is_fixed() ? "" : symbol_of(dim.expression); !name.empty()) symbols.emplace(name, dim);
    };
    if (value->is_tensor()) {
      for (const Dim& dim : value->tensor().sizes) add(dim);
    } else {
      add(std::get<SymbolType>(value->type()).expression);
    }
  };
  for (const GraphInput& input : graph.inputs()) see(input.value);
  for (const Node* node : graph.nodes()) {
    for (const Value* output : node->outputs()) see(output);
  }
  return symbols;
}

// Whether a symbol occurs in an expression: without a value for it the expression cannot be evaluated.
bool depends_on(const std::string& expression, const std::string& symbol, SymbolValues values) {
  values.erase(symbol);
  return !evaluate_dim(expression, values);
}

std::set<std::string> expressions_of(const Node& node) {
  std::set<std::string> expressions;
  for (const NamedArgument& argument : node.arguments()) {
    for (const Value* value : values_of(argument.value)) {
      if (!value->is_tensor()) {
        expressions.insert(std::get<SymbolType>(value->type()).expression.expression);
        continue;
      }
      for (const Dim& dim : value->tensor().sizes) expressions.insert(dim.expression);
    }
  }
  expressions.erase("");
  return expressions;
}

}  // namespace

Lanes make_lanes(const Graph& graph, const Node& node, bool together) {
  Lanes lanes;
  const auto symbols = symbols_of(graph);
  SymbolValues base;
  for (const auto& [name, dim] : symbols) {
    base[name] = dim.size > 0 ? dim.size : kUnknownSize;
    lanes.expressions[name] = dim.expression;
  }
  lanes.values.push_back(base);
  lanes.changed.emplace_back();
  std::set<std::int64_t> done;
  for (const auto& [name, dim] : symbols) {
    const auto expressions = expressions_of(node);
    const bool occurs = std::any_of(expressions.begin(), expressions.end(), [&](const std::string& e) { return depends_on(e, name, base); });
    if (!occurs || (together && !done.insert(base[name]).second)) continue;
    for (const std::int64_t change : kChanges) {
      SymbolValues values = base;
      for (auto& [other, value] : values) {
        if (other == name || (together && value == base[name])) value += change;
      }
      lanes.values.push_back(std::move(values));
      lanes.changed.push_back(name);
    }
  }
  if (lanes.count() == 1) {  // a second run all the same: what differs without a change is data
    lanes.values.push_back(base);
    lanes.changed.emplace_back();
  }
  return lanes;
}

std::vector<std::int64_t> sizes_in(const Lanes& lanes, const Dim& dim) {
  if (dim.is_fixed()) return std::vector<std::int64_t>(lanes.count(), dim.size);
  std::vector<std::int64_t> sizes;
  for (const SymbolValues& values : lanes.values) {
    const auto size = evaluate_dim(dim.expression, values);
    if (!size) throw Error(ErrorCode::unsupported, "the size " + dim.expression + " is not understood");
    sizes.push_back(*size);
  }
  return sizes;
}

Dim dim_of(const Lanes& lanes, const std::vector<std::int64_t>& sizes) {
  std::vector<SizeSample> samples;
  for (std::size_t lane = 0; lane < lanes.count(); ++lane) samples.push_back({&lanes.values[lane], sizes[lane], lanes.changed[lane]});
  const auto expression = fit_size(samples, lanes.expressions);
  // One that cannot be written is known to be open, and no more.
  if (!expression) return {sizes.front(), "unknown(" + std::to_string(sizes.front()) + ")"};
  return {sizes.front(), *expression};
}

c10::IValue example_of(const Lanes& lanes, std::size_t lane, const Value& value) {
  if (!value.is_tensor()) {
    const auto& symbol = std::get<SymbolType>(value.type());
    if (symbol.kind != ScalarKind::sym_int) throw Error(ErrorCode::unsupported, "%" + value.name() + " is a number that is no size");
    return sizes_in(lanes, symbol.expression)[lane];
  }
  std::vector<std::int64_t> sizes;
  for (const Dim& dim : value.tensor().sizes) sizes.push_back(sizes_in(lanes, dim)[lane]);
  const c10::ScalarType dtype = to_c10(value.tensor().dtype);
  if (!c10::isFloatingType(dtype)) return at::zeros(sizes, dtype);
  auto generator = at::detail::createCPUGenerator(lane);
  return at::rand(sizes, generator, at::kFloat).to(dtype);
}

}  // namespace dsc
