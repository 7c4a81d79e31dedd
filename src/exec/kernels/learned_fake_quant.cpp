#include "exec/kernels/learned_fake_quant.h"

#include <ATen/Parallel.h>
#include <ATen/ops/alias.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "exec/kernels/fake_quant.h"
#include "exec/kernels/fake_quant_memory.h"

namespace dsc {
namespace {

kernels::Grid grid_for(const GridSettings& settings, float step) { return settings.grid(std::max(step, kLeastStep)); }

// Of the step's gradient, for a step of so many elements.
float gradient_scale(const GridSettings& settings, std::int64_t elements) {
  const auto largest = static_cast<double>(std::max<std::int64_t>(1, settings.quant_max - settings.zero_point));
  return static_cast<float>(1 / std::sqrt(std::max(1.0, static_cast<double>(elements) * largest)));
}

void bound_to_step(at::Tensor& gradient, const at::Tensor& step) {
  const at::Tensor largest = step.detach().abs().clamp_min(kLeastStep);
  gradient = at::minimum(at::maximum(gradient, -largest), largest);
}

// A tensor as blocks with a step each, in pieces of fixed size: sums over pieces do not depend on the number of threads.
struct Pieces {
  std::int64_t blocks, block_size, pieces_per_block;

  Pieces(const at::Tensor& x, const at::Tensor& step) : blocks(step.numel()), block_size(x.numel() / std::max<std::int64_t>(1, blocks)) {
    pieces_per_block = std::max<std::int64_t>(1, (block_size + kGrain - 1) / kGrain);
  }
  // body(piece, block, first element, elements)
  template <class Body>
  void for_each(Body body) const {
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, block_size));
    at::parallel_for(0, blocks * pieces_per_block, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t piece = begin; piece < end; ++piece) {
        const std::int64_t block = piece / pieces_per_block, first = (piece % pieces_per_block) * kGrain;
        body(piece, block, block * block_size + first, static_cast<std::size_t>(std::min(kGrain, block_size - first)));
      }
    });
  }
};


class LearnedRound : public torch::autograd::Function<LearnedRound> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& step, std::int64_t zero_point,
                            std::int64_t quant_min, std::int64_t quant_max, double share) {
    const GridSettings settings{zero_point, quant_min, quant_max, share};
    const at::Tensor block = dense(x);
    at::Tensor y = at::empty_like(block);
    const auto* steps = step.const_data_ptr<float>();
    for_type(block, [&](auto tag) {
      using T = decltype(tag);
      Pieces(block, step).for_each([&](std::int64_t, std::int64_t of, std::int64_t first, std::size_t size) {
        const T* from = read<T>(block) + first;
        T* to = write<T>(y) + first;
        kernels::round_to_grid(from, to, size, grid_for(settings, steps[of]));
        if (share < 1) kernels::blend(from, to, to, size, static_cast<float>(share));
      });
    });
    context->save_for_backward({block, step});
    settings.save(*context);
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved.at(0), &step = saved.at(1);
    const auto settings = GridSettings::saved(*context);
    const at::Tensor dy = as_laid_out(gradients.at(0), x);
    at::Tensor dx = at::empty_like(x), dstep = at::zeros(step.sizes(), at::kFloat);
    const auto* steps = step.const_data_ptr<float>();
    const Pieces pieces(x, step);
    std::vector<float> sums(static_cast<std::size_t>(pieces.blocks * pieces.pieces_per_block), 0);
    const auto share = static_cast<float>(settings.share);
    for_type(x, [&](auto tag) {
      using T = decltype(tag);
      pieces.for_each([&](std::int64_t piece, std::int64_t of, std::int64_t first, std::size_t size) {
        const T* upper = read<T>(dy) + first;
        T* to = write<T>(dx) + first;
        sums[static_cast<std::size_t>(piece)] = kernels::step_gradient(read<T>(x) + first, upper, to, size, grid_for(settings, steps[of]));
        if (share < 1) kernels::blend(upper, to, to, size, share);
      });
    });
    const float scale = share * gradient_scale(settings, pieces.block_size);
    for (std::size_t i = 0; i < sums.size(); ++i) dstep.data_ptr<float>()[i / static_cast<std::size_t>(pieces.pieces_per_block)] += scale * sums[i];
    bound_to_step(dstep, step);
    return {dx, dstep, {}, {}, {}, {}};
  }
};

// The same out of native operators, for types and devices without own kernels.
at::Tensor learned_round_elsewhere(const at::Tensor& x, const at::Tensor& step, std::int64_t axis, const GridSettings& settings) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
  if (axis >= 0) shape[static_cast<std::size_t>(axis)] = step.numel();
  const double scale = gradient_scale(settings, x.numel() / step.numel());
  const at::Tensor seen = step.alias();
  if (seen.requires_grad()) {
    seen.register_hook([value = step.detach()](at::Tensor gradient) {
      bound_to_step(gradient, value);
      return gradient;
    });
  }
  const at::Tensor slow = seen * scale + (seen * (1 - scale)).detach();  // its value, with a smaller gradient
  const at::Tensor wide = slow.clamp_min(kLeastStep).reshape(axis < 0 ? std::vector<std::int64_t>{} : shape);
  const at::Tensor inside = (x / wide).clamp(static_cast<double>(settings.quant_min - settings.zero_point),
                                             static_cast<double>(settings.quant_max - settings.zero_point));
  const at::Tensor on_grid = ((inside.round() - inside).detach() + inside) * wide;
  return settings.share < 1 ? x + settings.share * (on_grid - x) : on_grid;
}

}  // namespace

at::Tensor learned_fake_quant(const at::Tensor& self, const at::Tensor& step, const at::Tensor& phase, std::int64_t axis,
                              std::int64_t zero_point, std::int64_t quant_min, std::int64_t quant_max) {
  const double share = read_phase(phase).share;
  if (share <= 0) return self;
  if (!has_kernels(self)) return learned_round_elsewhere(self, step, axis, {zero_point, quant_min, quant_max, share}).to(self.scalar_type());
  if (axis < 0 || (axis == 0 && has_blocks(self))) return LearnedRound::apply(self, step, zero_point, quant_min, quant_max, share);
  const at::Tensor first = self.movedim(axis, 0).contiguous();
  return LearnedRound::apply(first, step, zero_point, quant_min, quant_max, share).movedim(0, axis);
}

}  // namespace dsc
