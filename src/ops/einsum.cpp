#include "ops/einsum.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "ops/arguments.h"

namespace dsc {
namespace {

// "bij,bjk->bik"
Equation parse_equation(std::string text, const std::vector<std::int64_t>& ranks) {
  std::erase(text, ' ');
  std::size_t arrow = text.find("->");
  std::string left = text.substr(0, arrow);
  Equation equation;
  std::size_t start = 0, widest = 0;
  while (true) {
    std::size_t comma = left.find(',', start);
    equation.inputs.push_back(left.substr(start, comma - start));
    if (comma == std::string::npos) break;
    start = comma + 1;
  }
  auto expand = [](std::string& term, std::size_t count) {
    std::size_t dots = term.find("...");
    if (dots == std::string::npos) return;
    std::string letters;
    for (std::size_t i = count; i > 0; --i) letters += static_cast<char>(i);  // control characters: never letters
    term.replace(dots, 3, letters);
  };
  for (std::size_t i = 0; i < equation.inputs.size() && i < ranks.size(); ++i) {
    std::size_t dots = equation.inputs[i].find("...");
    std::size_t count = dots == std::string::npos ? 0 : static_cast<std::size_t>(ranks[i]) - (equation.inputs[i].size() - 3);
    widest = std::max(widest, count);
    expand(equation.inputs[i], count);
  }
  if (arrow != std::string::npos) {
    equation.output = text.substr(arrow + 2);
    expand(equation.output, widest);
    return equation;
  }
  std::map<char, int> counts;
  for (const std::string& term : equation.inputs) {
    for (char letter : term) ++counts[letter];
  }
  for (std::size_t i = widest; i > 0; --i) equation.output += static_cast<char>(i);
  for (auto [letter, count] : counts) {
    if (count == 1 && letter >= 'A') equation.output += letter;
  }
  return equation;
}

bool has(const std::string& term, char letter) { return term.find(letter) != std::string::npos; }

bool has_repeated_letter(const std::string& term) { return std::set<char>(term.begin(), term.end()).size() != term.size(); }

// Where each letter of `to` stands in `from`.
std::vector<std::int64_t> order_of(const std::string& from, const std::string& to) {
  std::vector<std::int64_t> order;
  for (const char letter : to) order.push_back(static_cast<std::int64_t>(from.find(letter)));
  return order;
}

// Inserts the operators of one linear layer before its einsum, with their types.
class LinearWriter {
 public:
  LinearWriter(Model& model, Node* einsum) : graph_(model.graph), model_(model), einsum_(einsum) {}

  void write(const EinsumLinear& linear) {
    const Equation equation = equation_of(*einsum_);
    const auto operands = tensor_arguments(*einsum_);
    Value *x = operands[1 - linear.weight], *weight = operands[linear.weight];
    x = permute(x, equation.inputs[1 - linear.weight], linear.rows + linear.columns);
    if (linear.columns.size() > 1) x = join(x, linear.columns.size());
    std::vector<Dim> added;
    for (const char letter : linear.outputs) added.push_back(weight->tensor().sizes[equation.inputs[linear.weight].find(letter)]);
    const std::int64_t outputs = become_matrix(weight, equation.inputs[linear.weight], linear);
    std::vector<Dim> sizes(x->tensor().sizes.begin(), x->tensor().sizes.end() - 1);
    sizes.push_back({.size = outputs});
    Value* y = insert("aten.linear.default", {{"input", x}, {"weight", weight}}, sizes);
    if (linear.outputs.size() > 1) {
      IntList list;
      for (const Dim& dim : added) list.emplace_back(dim.size);
      sizes.pop_back();
      sizes.insert(sizes.end(), added.begin(), added.end());
      y = insert("aten.unflatten.int", {{"self", y}, {"dim", std::int64_t{-1}}, {"sizes", list}}, sizes);
    }
    y = permute(y, linear.rows + linear.outputs, equation.output);
    graph_.replace_uses(einsum_->output(), y);
    graph_.erase(einsum_);
  }

 private:
  Value* insert(const char* target, std::vector<NamedArgument> arguments, std::vector<Dim> sizes) {
    TensorType type{.dtype = einsum_->output()->tensor().dtype, .sizes = std::move(sizes)};
    Node* node = graph_.insert(einsum_, target, std::move(arguments), {{graph_.unique_name(einsum_->output()->name() + "_product"), std::move(type)}});
    graph_.copy_origin(node, einsum_);
    return node->output();
  }

  Value* permute(Value* value, const std::string& from, const std::string& to) {
    if (from == to) return value;
    IntList list;
    std::vector<Dim> sizes;
    for (const std::int64_t dim : order_of(from, to)) {
      list.emplace_back(dim);
      sizes.push_back(value->tensor().sizes[static_cast<std::size_t>(dim)]);
    }
    return insert("aten.permute.default", {{"self", value}, {"dims", list}}, std::move(sizes));
  }

  // The last `count` dimensions as one; all of them have the sizes of weights.
  Value* join(Value* value, std::size_t count) {
    std::vector<Dim> sizes = value->tensor().sizes;
    std::int64_t joined = 1;
    for (std::size_t i = 0; i < count; ++i) {
      joined *= sizes.back().size;
      sizes.pop_back();
    }
    sizes.push_back({.size = joined});
    const auto first = -static_cast<std::int64_t>(count);
    return insert("aten.flatten.using_ints", {{"self", value}, {"start_dim", first}, {"end_dim", std::int64_t{-1}}}, std::move(sizes));
  }

  std::int64_t become_matrix(Value* value, const std::string& letters, const EinsumLinear& linear) {
    const std::string name = graph_.find_input(value)->target;
    const at::Tensor weight = model_.weights.get(name);
    std::int64_t outputs = 1;
    for (const char letter : linear.outputs) outputs *= weight.size(static_cast<std::int64_t>(letters.find(letter)));
    const at::Tensor matrix = weight.detach().permute(order_of(letters, linear.outputs + linear.columns)).reshape({outputs, weight.numel() / outputs});
    model_.weights.set(name, matrix.contiguous());
    TensorType type = value->tensor();
    type.strides.clear();
    type.sizes = {{.size = outputs}, {.size = weight.numel() / outputs}};
    graph_.set_type(value, std::move(type));
    return outputs;
  }

  Graph& graph_;
  Model& model_;
  Node* einsum_;
};

}  // namespace

Equation equation_of(const Node& node) {
  std::vector<std::int64_t> ranks;
  for (const Value* operand : tensor_arguments(node)) ranks.push_back(operand->tensor().rank());
  return parse_equation(text_or(node, "equation", ""), ranks);
}

bool is_product(const Node& einsum) {
  const Equation equation = equation_of(einsum);
  if (equation.inputs.size() != 2 || std::any_of(equation.inputs.begin(), equation.inputs.end(), has_repeated_letter)) return false;
  return std::any_of(equation.inputs[0].begin(), equation.inputs[0].end(), [&](char letter) {
    return has(equation.inputs[1], letter) && !has(equation.output, letter);
  });
}

std::optional<EinsumLinear> find_einsum_linear(const Graph& graph, const Node& einsum) {
  if (einsum.op() != "aten.einsum" || !is_product(einsum)) return std::nullopt;
  const auto operands = tensor_arguments(einsum);
  const auto is_own_parameter = [&](const Value* value) {
    const GraphInput* input = graph.find_input(value);
    return input && input->kind == InputKind::parameter && value->uses().size() == 1;
  };
  EinsumLinear found;
  if (is_own_parameter(operands[0]) == is_own_parameter(operands[1])) return std::nullopt;
  found.weight = is_own_parameter(operands[0]) ? 0 : 1;
  const Equation equation = equation_of(einsum);
  const std::string &own = equation.inputs[found.weight], &other = equation.inputs[1 - found.weight];
  for (const char letter : own) {
    if (has(other, letter) == has(equation.output, letter)) return std::nullopt;  // kept beside, or summed over alone
    (has(other, letter) ? found.columns : found.outputs) += letter;
  }
  for (const char letter : other) {
    if (has(own, letter)) continue;
    if (!has(equation.output, letter)) return std::nullopt;
    found.rows += letter;
  }
  // A dimension of 1 that stands for any size.
  for (const char letter : found.columns) {
    const auto size_of = [&](const Value* value, const std::string& letters) { return value->tensor().sizes[letters.find(letter)]; };
    if (size_of(operands[found.weight], own) != size_of(operands[1 - found.weight], other)) return std::nullopt;
  }
  return found.outputs.empty() ? std::nullopt : std::optional(found);
}

void turn_einsums_into_linears(Model& model) {
  for (Node* node : model.graph.nodes()) {
    if (const auto linear = find_einsum_linear(model.graph, *node)) LinearWriter(model, node).write(*linear);
  }
}

}  // namespace dsc
