#include "exec/kernels/fake_quant.h"

#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/fake_quantize_per_channel_affine.h>
#include <ATen/ops/fake_quantize_per_tensor_affine.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <vector>

#include "exec/kernels/fake_quant_memory.h"
#include "exec/kernels/learned_fake_quant.h"
#include "exec/kernels/live_batch_norm.h"
#include "ops/pair_sums.h"
#include "parallel/current_ranks.h"

namespace dsc {
namespace {

std::pair<double, double> min_max(const at::Tensor& x) {
  if (!has_kernels(x)) {
    const auto [minimum, maximum] = at::aminmax(x.detach());
    return {minimum.item<double>(), maximum.item<double>()};
  }
  const at::Tensor block = dense(x.detach());
  std::mutex mutex;
  float minimum = std::numeric_limits<float>::infinity(), maximum = -minimum;
  for_type(block, [&](auto tag) {
    using T = decltype(tag);
    at::parallel_for(0, block.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
      float low = 0, high = 0;
      kernels::min_max(read<T>(block) + begin, static_cast<std::size_t>(end - begin), low, high);
      const std::lock_guard lock(mutex);
      minimum = std::min(minimum, low);
      maximum = std::max(maximum, high);
    });
  });
  return {minimum, maximum};
}

// Rounds a share of the way to a fixed grid; the gradient passes where nothing was clamped.
class RoundToGrid : public torch::autograd::Function<RoundToGrid> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, double scale, std::int64_t zero_point,
                            std::int64_t quant_min, std::int64_t quant_max, double share) {
    const at::Tensor block = dense(x);
    at::Tensor y = at::empty_like(block);
    const GridSettings settings{zero_point, quant_min, quant_max, share};
    const kernels::Grid grid = settings.grid(static_cast<float>(scale));
    for_type(block, [&](auto tag) {
      using T = decltype(tag);
      at::parallel_for(0, block.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
        const auto size = static_cast<std::size_t>(end - begin);
        kernels::round_to_grid(read<T>(block) + begin, write<T>(y) + begin, size, grid);
        if (share < 1) kernels::blend(read<T>(block) + begin, read<T>(y) + begin, write<T>(y) + begin, size, static_cast<float>(share));
      });
    });
    context->save_for_backward({block});
    context->saved_data["scale"] = scale;
    settings.save(*context);
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    const at::Tensor x = context->get_saved_variables().at(0);
    const at::Tensor dy = as_laid_out(gradients.at(0), x);
    at::Tensor dx = at::empty_like(x);
    const auto settings = GridSettings::saved(*context);
    const kernels::Grid grid = settings.grid(static_cast<float>(context->saved_data.at("scale").toDouble()));
    const auto share = static_cast<float>(settings.share);
    for_type(x, [&](auto tag) {
      using T = decltype(tag);
      at::parallel_for(0, x.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
        const auto size = static_cast<std::size_t>(end - begin);
        kernels::pass_inside(read<T>(x) + begin, read<T>(dy) + begin, write<T>(dx) + begin, size, grid);
        if (share < 1) kernels::blend(read<T>(dy) + begin, read<T>(dx) + begin, write<T>(dx) + begin, size, share);
      });
    });
    return {dx, {}, {}, {}, {}, {}};
  }
};

// Rounds each of the first dimension's slices to its own grid; nothing is clamped, so the gradient passes whole.
class RoundChannels : public torch::autograd::Function<RoundChannels> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& weight, std::int64_t channels,
                            std::int64_t quant_min, std::int64_t quant_max, bool symmetric, const std::optional<at::Tensor>& reach, double share) {
    const at::Tensor block = dense(weight);
    at::Tensor y = at::empty_like(block);
    const float* least_high = reach ? reach->const_data_ptr<float>() : nullptr;
    const auto size = static_cast<std::size_t>(block.numel() / std::max<std::int64_t>(channels, 1));
    const QuantRange range{quant_min, quant_max};
    for_type(block, [&](auto tag) {
      using T = decltype(tag);
      const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, static_cast<std::int64_t>(size)));
      at::parallel_for(0, channels, grain, [&](std::int64_t begin, std::int64_t end) {
        for (auto channel = static_cast<std::size_t>(begin); channel < static_cast<std::size_t>(end); ++channel) {
          float low = 0, high = 0;
          kernels::min_max(read<T>(block) + channel * size, size, low, high);
          if (least_high) high = std::max(high, least_high[channel]);
          const kernels::Grid grid = grid_of(choose_quant_params(low, high, range, symmetric), range);
          const T* from = read<T>(block) + channel * size;
          T* to = write<T>(y) + channel * size;
          kernels::round_to_grid(from, to, size, grid);
          if (share < 1) kernels::blend(from, to, to, size, static_cast<float>(share));
        }
      });
    });
    return y;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*, torch::autograd::variable_list gradients) {
    return {gradients.at(0), {}, {}, {}, {}, {}, {}};
  }
};

std::pair<double, double> min_max_of_all_ranks(const at::Tensor& x) {
  const auto [minimum, maximum] = min_max(x);
  const at::Tensor ends = at::tensor({-minimum, maximum}, at::kDouble);
  current_ranks().take_largest(ends);
  return {-ends.const_data_ptr<double>()[0], ends.const_data_ptr<double>()[1]};
}

void observe(at::Tensor& state, const at::Tensor& x, double momentum) {
  const auto [minimum, maximum] = min_max_of_all_ranks(x);
  auto* s = state.data_ptr<float>();
  const bool first = s[kRangeMin] > s[kRangeMax];
  const auto move = [&](float& range, double batch) {
    range = first ? static_cast<float>(batch) : static_cast<float>(static_cast<double>(range) + (1 - momentum) * (batch - static_cast<double>(range)));
  };
  move(s[kRangeMin], minimum);
  move(s[kRangeMax], maximum);
}

// A share of the way from x to its quantised form, outside the own kernels.
at::Tensor blended(const at::Tensor& x, const at::Tensor& on_grid, double share) { return share < 1 ? x + share * (on_grid - x) : on_grid; }

at::Tensor observe_fake_quant(const at::Tensor& self, const at::Tensor& range, const at::Tensor& phase, double momentum,
                              std::int64_t quant_min, std::int64_t quant_max, bool symmetric, bool train) {
  at::Tensor on_cpu = range.cpu();
  const QuantPhase now = read_phase(phase);
  if (train && now.observe) {
    observe(on_cpu, self, momentum);
    if (!range.is_cpu()) range.detach().copy_(on_cpu);
  }
  const auto* s = on_cpu.const_data_ptr<float>();
  if (now.share <= 0 || s[kRangeMin] > s[kRangeMax]) return self;
  const QuantParams params = choose_quant_params(s[kRangeMin], s[kRangeMax], {quant_min, quant_max}, symmetric);
  if (has_kernels(self)) return RoundToGrid::apply(self, static_cast<double>(params.scale), params.zero_point, quant_min, quant_max, now.share);
  return blended(self, at::fake_quantize_per_tensor_affine(self, static_cast<double>(params.scale), params.zero_point, quant_min, quant_max), now.share);
}

// What grids have to reach beside their own extremes: f32 [C], or [1] for one grid; none: nothing.
std::optional<at::Tensor> find_reach(const at::Tensor& self, std::int64_t axis, std::int64_t paired_axis) {
  if (paired_axis < 0) return std::nullopt;
  const std::int64_t channel_axis = axis >= 0 ? axis : paired_axis == 0 ? 1 : 0;
  const at::Tensor sums = largest_pair_sums(self, channel_axis, paired_axis).contiguous();
  return axis >= 0 ? sums : sums.max().view({1});
}

at::Tensor fake_quant_weight_elsewhere(const at::Tensor& self, std::int64_t axis, QuantRange range, bool symmetric, const std::optional<at::Tensor>& reach) {
  if (axis == kOneGrid) {
    const auto [low, high] = min_max(self);
    const QuantParams params = choose_quant_params(low, reach ? std::max(high, reach->item<double>()) : high, range, symmetric);
    return at::fake_quantize_per_tensor_affine(self, static_cast<double>(params.scale), params.zero_point, range.minimum, range.maximum);
  }
  auto [scale, zero_point] = choose_channel_params(self.cpu(), axis, range, symmetric);
  if (reach) scale = at::maximum(scale, reach->cpu() / static_cast<double>(range.maximum));
  return at::fake_quantize_per_channel_affine(self, scale.to(self.device()), zero_point.to(self.device()), axis, range.minimum, range.maximum);
}

at::Tensor fake_quant_weight(const at::Tensor& self, const at::Tensor& phase, std::int64_t axis, std::int64_t quant_min,
                             std::int64_t quant_max, bool symmetric, std::int64_t paired_axis) {
  const double share = read_phase(phase).share;
  if (share <= 0) return self;
  if (axis == kRowGrids) return fake_quant_weight(self.reshape({-1, self.size(-1)}), phase, 0, quant_min, quant_max, symmetric, -1).view(self.sizes());
  const auto reach = find_reach(self, axis, paired_axis);
  if (!has_kernels(self)) return blended(self, fake_quant_weight_elsewhere(self, axis, {quant_min, quant_max}, symmetric, reach), share);
  if (axis == kOneGrid) return RoundChannels::apply(self, 1, quant_min, quant_max, symmetric, reach, share);
  if (axis == 0 && has_blocks(self)) return RoundChannels::apply(self, self.size(0), quant_min, quant_max, symmetric, reach, share);
  const at::Tensor first = self.movedim(axis, 0).contiguous();
  return RoundChannels::apply(first, first.size(0), quant_min, quant_max, symmetric, reach, share).movedim(0, axis);
}

}  // namespace

at::Tensor make_quant_range() {
  return at::tensor({std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()});
}

at::Tensor make_quant_phase() { return at::ones({kQuantPhaseSize}, at::kFloat); }

QuantPhase read_phase(const at::Tensor& phase) {
  const at::Tensor on_cpu = phase.cpu();
  const auto* p = on_cpu.const_data_ptr<float>();
  return {p[kObserve] > 0, static_cast<double>(p[kShare]), p[kBatchStatistics] > 0};
}

void register_fake_quant_operators() {
  static const torch::Library library = [] {
    torch::Library made(torch::Library::DEF, "dscompress", std::nullopt, __FILE__, __LINE__);
    made.def("observe_fake_quant(Tensor self, Tensor(a!) range, Tensor phase, float momentum, int quant_min, int quant_max, "
             "bool symmetric, bool train=False) -> Tensor", observe_fake_quant);
    made.def("fake_quant_weight(Tensor self, Tensor phase, int axis, int quant_min, int quant_max, bool symmetric, int paired_axis=-1) -> Tensor",
             fake_quant_weight);
    made.def("learned_fake_quant(Tensor self, Tensor step, Tensor phase, int axis, int zero_point, int quant_min, int quant_max) -> Tensor",
             learned_fake_quant);
    made.def("batch_norm_scale(Tensor? weight, Tensor running_var, float eps, int[] weight_sizes, int axis, int groups) -> Tensor", batch_norm_scale);
    made.def("live_batch_norm(Tensor input, Tensor? weight, Tensor bias, Tensor(a!) running_mean, Tensor(b!) running_var, Tensor phase, "
             "float momentum, float eps, bool training=False) -> Tensor", live_batch_norm);
    return made;
  }();
}

}  // namespace dsc
