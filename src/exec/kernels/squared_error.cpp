#include "exec/kernels/squared_error.h"

#include <ATen/Parallel.h>
#include <ATen/ops/scalar_tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "exec/kernels/plain_memory.h"
#include "exec/kernels/squared_error_kernels.h"

namespace dsc {
namespace {

constexpr std::int64_t kPiece = 4096;  // elements summed in f32 before doubles take over

class SquaredError : public torch::autograd::Function<SquaredError> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& student, const at::Tensor& teacher) {
    const at::Tensor a = dense(student), b = as_laid_out(teacher, a);
    // Sums of pieces of one size, added in order: the result does not depend on the number of threads.
    const std::int64_t pieces = (a.numel() + kPiece - 1) / kPiece;
    std::vector<double> sums(static_cast<std::size_t>(pieces));
    for_type(a, [&](auto tag) {
      using T = decltype(tag);
      at::parallel_for(0, pieces, kGrain / kPiece, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
          const auto size = static_cast<std::size_t>(std::min(kPiece, a.numel() - i * kPiece));
          sums[static_cast<std::size_t>(i)] = kernels::squared_distance(read<T>(a) + i * kPiece, read<T>(b) + i * kPiece, size);
        }
      });
    });
    context->save_for_backward({a, b});
    const double sum = std::accumulate(sums.begin(), sums.end(), 0.0);
    return at::scalar_tensor(sum / static_cast<double>(a.numel()), a.options().dtype(at::kFloat));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &a = saved.at(0), &b = saved.at(1);
    at::Tensor da = at::empty_like(a);
    const float factor = 2 * gradients.at(0).item<float>() / static_cast<float>(a.numel());
    for_type(a, [&](auto tag) {
      using T = decltype(tag);
      at::parallel_for(0, a.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
        kernels::scaled_difference(read<T>(a) + begin, read<T>(b) + begin, write<T>(da) + begin, static_cast<std::size_t>(end - begin), factor);
      });
    });
    return {da, {}};
  }
};

}  // namespace

at::Tensor mean_squared_error(const at::Tensor& a, const at::Tensor& b) {
  if (has_kernels(a) && a.scalar_type() == b.scalar_type() && a.numel() > 0) return SquaredError::apply(a, b.detach());
  return (a.to(at::kFloat) - b.detach().to(at::kFloat)).square().mean();
}

}  // namespace dsc
