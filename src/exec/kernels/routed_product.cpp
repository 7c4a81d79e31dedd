#include "exec/kernels/routed_product.h"

#include <ATen/Functions.h>

namespace dsc {
namespace {

struct Routes {
  at::Tensor order, place;         // row of each place, place of each row
  std::vector<std::int64_t> rows;  // of each expert
};

// Rows in the order of their experts.
Routes sort_rows(const at::Tensor& experts, std::int64_t count) {
  TORCH_CHECK_INDEX(experts.min().item<std::int64_t>() >= -count && experts.max().item<std::int64_t>() < count, "index out of range: there are ", count,
                    " matrices");
  const at::Tensor numbers = at::where(experts < 0, experts + count, experts).to(at::kLong);
  const at::Tensor order = std::get<1>(numbers.sort(/*stable=*/true, /*dim=*/0, /*descending=*/false));
  const at::Tensor rows = at::bincount(numbers, {}, count).cpu();
  return {order, order.argsort(), {rows.const_data_ptr<std::int64_t>(), rows.const_data_ptr<std::int64_t>() + count}};
}

// input: [R, T, I]; matrices: [E, I, O], or [E, O, I] to be transposed. returns: [R, T, O].
at::Tensor multiply_rows(const at::Tensor& input, const at::Tensor& matrices, const at::Tensor& experts, bool transposed) {
  const Routes routes = sort_rows(experts, matrices.size(0));
  // Once each: a piece's own gradient would be as large as the whole.
  const auto inputs = input.index_select(0, routes.order).split_with_sizes(routes.rows);
  const auto parts = matrices.unbind(0);
  std::vector<at::Tensor> outputs;
  for (std::size_t e = 0; e < parts.size(); ++e) {
    if (routes.rows[e] == 0) continue;
    const at::Tensor matrix = transposed ? parts[e].t() : parts[e];
    const at::Tensor product = at::matmul(inputs[e].reshape({-1, input.size(2)}), matrix);
    outputs.push_back(product.view({routes.rows[e], input.size(1), product.size(1)}));
  }
  return at::cat(outputs).index_select(0, routes.place);
}

}  // namespace

void routed_product(std::vector<c10::IValue>& stack) {
  const at::Tensor matrices = stack.at(0).toTensor(), experts = stack.at(1).toTensor().reshape(-1);
  const bool transposed = stack.at(3).toBool(), matrices_left = stack.at(4).toBool();
  at::Tensor input = stack.at(2).toTensor(), output;
  if (experts.numel() == 0) {
    const at::Tensor looked_up = matrices.index_select(0, experts), right = transposed ? looked_up.transpose(1, 2) : looked_up;
    output = matrices_left ? at::matmul(right, input) : at::matmul(input, right);
  } else {
    input = input.expand({experts.size(0), -1, -1});
    // M x = (x' M')'
    output = matrices_left ? multiply_rows(input.transpose(1, 2), matrices, experts, !transposed).transpose(1, 2)
                           : multiply_rows(input, matrices, experts, transposed);
  }
  stack.assign({output});
}

}  // namespace dsc
