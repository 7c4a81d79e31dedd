#include "exec/open_reshapes.h"

#include <array>
#include <cmath>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "dscompress/error.h"
#include "exec/executor.h"
#include "ops/arguments.h"

namespace dsc {
namespace {

using Sizes = std::vector<std::int64_t>;
using SizesSeen = std::unordered_map<const Value*, Sizes>;

// The argument that lists the sizes of a reshape; empty: another operator.
std::string_view list_of(const Node& node) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kReshapes{
      {{"aten.view", "size"}, {"aten._unsafe_view", "size"}, {"aten.reshape", "shape"}}};
  for (const auto& [op, argument] : kReshapes) {
    if (node.op() == op) return argument;
  }
  return {};
}

Sizes sizes_of(const Value& value) {
  Sizes sizes;
  for (const Dim& dim : value.tensor().sizes) sizes.push_back(dim.size);
  return sizes;
}

// Dimensions of a reshape's input and output with as many elements, which stand for the same positions.
struct Span {
  std::size_t in_begin = 0, in_end = 0, out_begin = 0, out_end = 0;
};
std::vector<Span> spans_of(const Sizes& in, const Sizes& out) {
  std::vector<Span> spans;
  for (std::size_t i = 0, j = 0; i < in.size() && j < out.size();) {
    Span span{i, i + 1, j, j + 1};
    for (std::int64_t a = in[i], b = out[j]; a != b;) {
      if (a < b && span.in_end < in.size())
        a *= in[span.in_end++];
      else if (b < a && span.out_end < out.size())
        b *= out[span.out_end++];
      else
        return {};
    }
    i = span.in_end;
    j = span.out_end;
    spans.push_back(span);
  }
  return spans;
}

std::int64_t product(const Sizes& sizes, std::size_t begin, std::size_t end) {
  std::int64_t result = 1;
  for (; begin < end; ++begin) result *= sizes[begin];
  return result;
}

// The output's dimensions of one span as they are now; none: more than one reading is possible, or none.
std::optional<Sizes> resized(const Sizes& old, std::int64_t before, std::int64_t now) {
  std::vector<std::size_t> larger;  // than 1
  for (std::size_t i = 0; i < old.size(); ++i) {
    if (old[i] != 1) larger.push_back(i);
  }
  Sizes sizes = old;
  if (larger.size() == 1) {
    sizes[larger.front()] = now;
    return sizes;
  }
  if (larger.size() != 2) return std::nullopt;
  const double factor = std::sqrt(static_cast<double>(now) / static_cast<double>(before));
  for (const std::size_t i : larger) sizes[i] = std::llround(static_cast<double>(old[i]) * factor);
  if (sizes[larger[0]] * sizes[larger[1]] != now) return std::nullopt;
  return sizes;
}

// returns: whether the reshape now fits its input.
bool reopen(Graph& graph, Node& node, const Sizes& in_now) {
  const Sizes in = sizes_of(*node.find_value("self")), out = sizes_of(*node.output());
  IntList list = int_list(node, list_of(node));
  if (list.size() != out.size() || in_now.size() != in.size()) return false;
  bool changed = false;
  for (const Span& span : spans_of(in, out)) {
    const std::int64_t before = product(in, span.in_begin, span.in_end), now = product(in_now, span.in_begin, span.in_end);
    if (before == now) continue;
    const auto sizes =
        resized({out.begin() + static_cast<std::ptrdiff_t>(span.out_begin), out.begin() + static_cast<std::ptrdiff_t>(span.out_end)}, before, now);
    if (!sizes) return false;
    for (std::size_t i = span.out_begin; i < span.out_end; ++i) {
      auto* literal = std::get_if<std::int64_t>(&list[i]);
      const std::int64_t size = (*sizes)[i - span.out_begin];
      if (!literal || *literal == -1 || *literal == size) continue;
      *literal = size;
      changed = true;
    }
  }
  if (changed) graph.set_argument(&node, list_of(node), std::move(list));
  return changed;
}

// The reshape that stopped a run which came this far; null: it was something else.
Node* stopped_at(const Graph& graph, const SizesSeen& seen) {
  for (Node* node : graph.nodes()) {
    if (node->outputs().size() != 1 || !node->output()->is_tensor() || seen.contains(node->output())) continue;
    return !list_of(*node).empty() && seen.contains(node->find_value("self")) ? node : nullptr;
  }
  return nullptr;
}

}  // namespace

void open_reshapes(Model& model, const std::vector<at::Tensor>& inputs) {
  std::vector<const Value*> values;
  for (const Node* node : model.graph.nodes()) {
    for (const Value* value : node->outputs()) {
      if (value->is_tensor()) values.push_back(value);
    }
  }
  for (const GraphInput& input : model.graph.inputs()) {
    if (input.value && input.value->is_tensor()) values.push_back(input.value);
  }
  while (true) {
    SizesSeen seen;
    try {
      Executor(model, {}).run(inputs, values, [&](const Value& value, const at::Tensor& tensor) { seen[&value] = tensor.sizes().vec(); });
      return;
    } catch (const Error&) {
      Node* node = stopped_at(model.graph, seen);
      if (!node || !reopen(model.graph, *node, seen.at(node->find_value("self")))) throw;
    }
  }
}

}  // namespace dsc
