#include "exec/fake_quant.h"

#include <ATen/Parallel.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/fake_quantize_per_channel_affine.h>
#include <ATen/ops/fake_quantize_per_tensor_affine.h>
#include <ATen/ops/tensor.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <vector>

#include "exec/fake_quant_kernels.h"
#include "ops/quantization.h"

namespace dsc {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements for a thread to be worth waking

bool has_kernels(const at::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}
// One block of memory, in whatever order of dimensions.
at::Tensor dense(const at::Tensor& x) { return x.is_non_overlapping_and_dense() ? x : x.contiguous(); }

kernels::Grid grid_of(const QuantParams& params, QuantRange range) {
  return {params.scale, 1.0F / params.scale, static_cast<float>(range.minimum - params.zero_point),
          static_cast<float>(range.maximum - params.zero_point)};
}

// Calls body(pointer type tag) for the element type: float, or uint16_t for bf16.
template <class Body>
void for_type(const at::Tensor& x, Body body) {
  if (x.scalar_type() == at::kFloat) body(float{});
  else body(std::uint16_t{});
}
template <class T>
const T* read(const at::Tensor& x) { return static_cast<const T*>(x.const_data_ptr()); }
template <class T>
T* write(at::Tensor& x) { return static_cast<T*>(x.mutable_data_ptr()); }

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

// Rounds to a fixed grid; the gradient passes where nothing was clamped.
class RoundToGrid : public torch::autograd::Function<RoundToGrid> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, double scale, std::int64_t zero_point,
                            std::int64_t quant_min, std::int64_t quant_max) {
    const at::Tensor block = dense(x);
    at::Tensor y = at::empty_like(block);
    const kernels::Grid grid = grid_of({static_cast<float>(scale), zero_point}, {quant_min, quant_max});
    for_type(block, [&](auto tag) {
      using T = decltype(tag);
      at::parallel_for(0, block.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
        kernels::round_to_grid(read<T>(block) + begin, write<T>(y) + begin, static_cast<std::size_t>(end - begin), grid);
      });
    });
    context->save_for_backward({block});
    context->saved_data["scale"] = scale;
    context->saved_data["zero_point"] = zero_point;
    context->saved_data["quant_min"] = quant_min;
    context->saved_data["quant_max"] = quant_max;
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    const at::Tensor x = context->get_saved_variables().at(0);
    const at::Tensor dy = gradients.at(0).strides() == x.strides() ? gradients[0] : at::empty_like(x).copy_(gradients[0]);
    at::Tensor dx = at::empty_like(x);
    auto& saved = context->saved_data;
    const kernels::Grid grid = grid_of({static_cast<float>(saved["scale"].toDouble()), saved["zero_point"].toInt()},
                                       {saved["quant_min"].toInt(), saved["quant_max"].toInt()});
    for_type(x, [&](auto tag) {
      using T = decltype(tag);
      at::parallel_for(0, x.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
        kernels::pass_inside(read<T>(x) + begin, read<T>(dy) + begin, write<T>(dx) + begin, static_cast<std::size_t>(end - begin), grid);
      });
    });
    return {dx, {}, {}, {}, {}};
  }
};

// Rounds each of the first dimension's slices to its own grid; nothing is clamped, so the gradient passes whole.
class RoundChannels : public torch::autograd::Function<RoundChannels> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& weight, std::int64_t channels,
                            std::int64_t quant_min, std::int64_t quant_max, bool symmetric) {
    const at::Tensor block = dense(weight);
    at::Tensor y = at::empty_like(block);
    const auto size = static_cast<std::size_t>(block.numel() / std::max<std::int64_t>(channels, 1));
    const QuantRange range{quant_min, quant_max};
    for_type(block, [&](auto tag) {
      using T = decltype(tag);
      const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, static_cast<std::int64_t>(size)));
      at::parallel_for(0, channels, grain, [&](std::int64_t begin, std::int64_t end) {
        for (auto channel = static_cast<std::size_t>(begin); channel < static_cast<std::size_t>(end); ++channel) {
          float low = 0, high = 0;
          kernels::min_max(read<T>(block) + channel * size, size, low, high);
          const kernels::Grid grid = grid_of(choose_quant_params(low, high, range, symmetric), range);
          kernels::round_to_grid(read<T>(block) + channel * size, write<T>(y) + channel * size, size, grid);
        }
      });
    });
    return y;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*, torch::autograd::variable_list gradients) {
    return {gradients.at(0), {}, {}, {}, {}};
  }
};

// Slices of the first dimension are blocks of memory: contiguous, or NHWC.
bool has_blocks(const at::Tensor& weight) {
  return weight.is_non_overlapping_and_dense() && (weight.dim() == 0 || weight.size(0) == 1 || weight.stride(0) * weight.size(0) == weight.numel());
}

void observe(at::Tensor& state, const at::Tensor& x, double momentum) {
  const auto [minimum, maximum] = min_max(x);
  auto* s = state.data_ptr<float>();
  const bool first = s[kRangeMin] > s[kRangeMax];
  const auto move = [&](float& range, double batch) {
    range = first ? static_cast<float>(batch) : static_cast<float>(static_cast<double>(range) + (1 - momentum) * (batch - static_cast<double>(range)));
  };
  move(s[kRangeMin], minimum);
  move(s[kRangeMax], maximum);
}

at::Tensor observe_fake_quant(const at::Tensor& self, const at::Tensor& state, double momentum, std::int64_t quant_min,
                              std::int64_t quant_max, bool symmetric, bool train) {
  at::Tensor on_cpu = state.cpu();
  const auto* s = on_cpu.const_data_ptr<float>();
  if (train && s[kObserve] > 0) {
    observe(on_cpu, self, momentum);
    if (!state.is_cpu()) state.detach().copy_(on_cpu);
  }
  if (s[kQuantize] <= 0 || s[kRangeMin] > s[kRangeMax]) return self;
  const QuantParams params = choose_quant_params(s[kRangeMin], s[kRangeMax], {quant_min, quant_max}, symmetric);
  if (has_kernels(self)) return RoundToGrid::apply(self, static_cast<double>(params.scale), params.zero_point, quant_min, quant_max);
  return at::fake_quantize_per_tensor_affine(self, static_cast<double>(params.scale), params.zero_point, quant_min, quant_max);
}

at::Tensor fake_quant_weight(const at::Tensor& self, std::int64_t axis, std::int64_t quant_min, std::int64_t quant_max, bool symmetric) {
  if (!has_kernels(self)) {
    if (axis < 0) {
      const auto [low, high] = min_max(self);
      const QuantParams params = choose_quant_params(low, high, {quant_min, quant_max}, symmetric);
      return at::fake_quantize_per_tensor_affine(self, static_cast<double>(params.scale), params.zero_point, quant_min, quant_max);
    }
    const auto [scale, zero_point] = choose_channel_params(self.cpu(), axis, {quant_min, quant_max}, symmetric);
    return at::fake_quantize_per_channel_affine(self, scale.to(self.device()), zero_point.to(self.device()), axis, quant_min, quant_max);
  }
  if (axis < 0) return RoundChannels::apply(self, 1, quant_min, quant_max, symmetric);
  if (axis == 0 && has_blocks(self)) return RoundChannels::apply(self, self.size(0), quant_min, quant_max, symmetric);
  const at::Tensor first = self.movedim(axis, 0).contiguous();
  return RoundChannels::apply(first, first.size(0), quant_min, quant_max, symmetric).movedim(0, axis);
}

}  // namespace

at::Tensor make_quant_state() {
  std::vector<float> state(kQuantStateSize, 1.0F);
  state[kRangeMin] = std::numeric_limits<float>::infinity();
  state[kRangeMax] = -state[kRangeMin];
  return at::tensor(state);
}

void register_fake_quant_operators() {
  static const torch::Library library = [] {
    torch::Library made(torch::Library::DEF, "dscompress", std::nullopt, __FILE__, __LINE__);
    made.def("observe_fake_quant(Tensor self, Tensor(a!) state, float momentum, int quant_min, int quant_max, bool symmetric, "
             "bool train=False) -> Tensor", observe_fake_quant);
    made.def("fake_quant_weight(Tensor self, int axis, int quant_min, int quant_max, bool symmetric) -> Tensor", fake_quant_weight);
    return made;
  }();
}

}  // namespace dsc
