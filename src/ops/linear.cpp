// Linear layers and matrix products: contracted dimensions are tied, the others pass.
#include <algorithm>
#include <map>

#include "ops/arguments.h"
#include "ops/einsum.h"
#include "ops/experts.h"
#include "ops/op_info.h"

namespace dsc {
namespace {

double product_of(const Value* value, const SizeOf& size) {
  double product = 1;
  for (std::int64_t d = 0; d < value->tensor().rank(); ++d) product *= size(value, d);
  return product;
}

void tie_linear(Ties& ties, const Node& node) {
  const Value* input = node.find_value("input");
  const Value* weight = node.find_value("weight");
  const Value* bias = node.find_value("bias");
  std::int64_t rank = input->tensor().rank();
  ties.tie(ties.axis(input, rank - 1), ties.axis(weight, weight->tensor().rank() - 1));
  Axes result = ties.axes(input);
  result.pop_back();
  if (weight->tensor().rank() == 2) {
    ties.set_role(weight, 1, Role::consumes);
    ties.set_role(weight, 0, Role::produces);
    result.push_back(ties.axis(weight, 0));
    if (bias && bias->tensor().rank() == 1) {
      ties.tie(ties.axis(bias, 0), result.back());
      ties.set_role(bias, 0, Role::scales);
    }
  }
  ties.define(node.output(), std::move(result));
}

double macs_linear(const Node& node, const SizeOf& size) {
  const Value* weight = node.find_value("weight");
  return product_of(node.output(), size) * size(weight, weight->tensor().rank() - 1);
}

// a[..., m, k] @ b[..., k, n], with vectors for either and broadcast batch dimensions.
Axes tie_product(Ties& ties, const Value* a, const Value* b, const Value* output) {
  Axes left = ties.axes(a), right = ties.axes(b);
  std::int64_t contracted_b = right.size() == 1 ? 0 : static_cast<std::int64_t>(right.size()) - 2;
  ties.tie(left.back(), right[static_cast<std::size_t>(contracted_b)]);
  ties.set_role(a, static_cast<std::int64_t>(left.size()) - 1, Role::consumes);
  ties.set_role(b, contracted_b, Role::consumes);
  if (find_look_up(a)) ties.set_role(a, 1, Role::produces);  // a matrix of a stack, times a column
  if (right.size() >= 2) ties.set_role(b, static_cast<std::int64_t>(right.size()) - 1, Role::produces);
  Axes rows, columns;
  left.pop_back();
  if (!left.empty()) {
    rows.push_back(left.back());
    left.pop_back();
  }
  if (right.size() >= 2) {
    columns.push_back(right.back());
    right.pop_back();
  }
  right.pop_back();
  std::vector<Dim> batch_dims = ties.dims(output);
  batch_dims.resize(batch_dims.size() - rows.size() - columns.size());
  Axes result = ties.broadcast({left, right}, batch_dims);
  result.insert(result.end(), rows.begin(), rows.end());
  result.insert(result.end(), columns.begin(), columns.end());
  return result;
}

void tie_matmul(Ties& ties, const Node& node) {
  const std::vector<Value*> operands = tensor_arguments(node);
  ties.define(node.output(), tie_product(ties, operands.at(0), operands.at(1), node.output()));
}

double macs_matmul(const Node& node, const SizeOf& size) {
  const Value* a = tensor_arguments(node).at(0);
  return product_of(node.output(), size) * size(a, a->tensor().rank() - 1);
}

// addmm(input, mat1, mat2), baddbmm(input, batch1, batch2): input is added, broadcast.
void tie_added_product(Ties& ties, const Node& node) {
  const std::vector<Value*> operands = tensor_arguments(node);
  Axes product = tie_product(ties, operands.at(1), operands.at(2), node.output());
  for (std::int64_t d = 0; d < operands[0]->tensor().rank(); ++d) ties.set_role(operands[0], d, Role::scales);
  ties.define(node.output(), ties.broadcast({product, ties.axes(operands[0])}, ties.dims(node.output())));
}

double macs_added_product(const Node& node, const SizeOf& size) {
  const Value* a = tensor_arguments(node).at(1);
  return product_of(node.output(), size) * size(a, a->tensor().rank() - 1);
}

void tie_einsum(Ties& ties, const Node& node) {
  Equation equation = equation_of(node);
  std::vector<Value*> operands = tensor_arguments(node);
  std::map<char, Axis> by_letter;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    for (std::size_t d = 0; d < equation.inputs[i].size(); ++d) {
      char letter = equation.inputs[i][d];
      Axis axis = ties.axis(operands[i], static_cast<std::int64_t>(d));
      ties.set_role(operands[i], static_cast<std::int64_t>(d),
                    equation.output.find(letter) == std::string::npos ? Role::consumes : Role::produces);
      auto [known, is_new] = by_letter.emplace(letter, axis);
      if (is_new) continue;
      if (known->second.size == axis.size) {
        ties.tie(known->second, axis);
        if (axis.is_kept()) known->second = axis;
      } else if (known->second.size == 1) {  // broadcast
        known->second = axis;
      }
    }
  }
  Axes result;
  for (char letter : equation.output) result.push_back(by_letter.at(letter));
  ties.define(node.output(), std::move(result));
}

double macs_einsum(const Node& node, const SizeOf& size) {
  Equation equation = equation_of(node);
  std::vector<Value*> operands = tensor_arguments(node);
  std::map<char, double> extent;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    for (std::size_t d = 0; d < equation.inputs[i].size(); ++d) {
      double& known = extent[equation.inputs[i][d]];
      known = std::max(known, size(operands[i], static_cast<std::int64_t>(d)));
    }
  }
  double macs = 1;
  for (auto [letter, count] : extent) macs *= count;
  return macs;
}

constexpr QuantArguments kLinear{QuantKind::linear, "input", "weight", 0};
constexpr QuantArguments kMatmul{QuantKind::product, "self", "other", -1};
constexpr QuantArguments kMm{QuantKind::product, "self", "mat2", -1};
constexpr QuantArguments kAddmm{QuantKind::linear, "mat1", "mat2", -1};
constexpr QuantArguments kBaddbmm{QuantKind::product, "batch1", "batch2", -1};
constexpr QuantArguments kEinsum{QuantKind::product, "tensors", "tensors", -1};

constexpr std::string_view kLinearWeights[] = {"weight", "bias"};
constexpr std::string_view kMatmulWeights[] = {"other"};
constexpr std::string_view kMmWeights[] = {"mat2"};
constexpr std::string_view kAddmmWeights[] = {"self", "mat2"};

constexpr OpInfo kLinearOps[] = {
    {"aten.linear", tie_linear, nullptr, macs_linear, {.weights = kLinearWeights}, &kLinear},
    {"aten.matmul", tie_matmul, nullptr, macs_matmul, {.weights = kMatmulWeights}, &kMatmul},
    {"aten.mm", tie_matmul, nullptr, macs_matmul, {.weights = kMmWeights}, &kMm},
    {"aten.bmm", tie_matmul, nullptr, macs_matmul, {}, &kMm},
    {"aten.mv", tie_matmul, nullptr, macs_matmul},
    {"aten.dot", tie_matmul, nullptr, macs_matmul},
    {"aten.addmm", tie_added_product, nullptr, macs_added_product, {.weights = kAddmmWeights}, &kAddmm},
    {"aten.baddbmm", tie_added_product, nullptr, macs_added_product, {}, &kBaddbmm},
    {"aten.einsum", tie_einsum, nullptr, macs_einsum, {}, &kEinsum},
    {.op = "aten.bilinear", .traits = {.weights = kLinearWeights}},
};

}  // namespace

std::span<const OpInfo> linear_ops() { return kLinearOps; }

}  // namespace dsc
