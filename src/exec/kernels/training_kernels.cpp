#include "exec/kernels/training_kernels.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <mutex>

#include "core/random.h"
#include "exec/kernels/batch_norm.h"
#include "exec/kernels/live_batch_norm.h"

namespace dsc {
namespace {

using c10::IValue;
using Stack = std::vector<IValue>;

constexpr std::int64_t kLargestScores = std::int64_t{1} << 28;  // elements; beyond, the flash kernel's small memory counts more
constexpr std::int64_t kGrain = 16384;

std::optional<at::Tensor> optional_tensor(const IValue& value) {
  return value.isNone() ? std::nullopt : std::optional<at::Tensor>(value.toTensor());
}

bool computes_in_bf16(const at::Tensor& tensor) {
  if (tensor.device().type() != c10::DeviceType::CPU) return false;
  if (at::autocast::is_autocast_enabled(at::kCPU)) return at::autocast::get_autocast_dtype(at::kCPU) == at::kBFloat16;
  return tensor.scalar_type() == at::kBFloat16;
}

std::uint64_t draw_seed() {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  const std::scoped_lock lock(generator.mutex());
  return at::check_generator<at::CPUGeneratorImpl>(generator)->random64();
}

// 0 with probability p, else 1 / (1 - p): the same for any number of threads. Sixteen bits decide an element.
template <class T>
void fill_mask(T* mask, std::int64_t size, double p, std::uint64_t seed) {
  const auto dropped = static_cast<std::uint32_t>(std::llround(p * 65536));
  const T kept = static_cast<T>(1 / (1 - p)), zero = static_cast<T>(0);
  at::parallel_for(0, (size + 3) / 4, kGrain / 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::uint64_t bits = mix_bits(seed + static_cast<std::uint64_t>(i) * kGoldenGamma);
      const std::int64_t last = std::min<std::int64_t>(4 * i + 4, size);
      for (std::int64_t k = 4 * i; k < last; ++k, bits >>= 16) mask[k] = (bits & 0xFFFFU) < dropped ? zero : kept;
    }
  });
}

bool has_mask_kernel(const at::Tensor& input) {
  const bool type = input.scalar_type() == at::kFloat || input.scalar_type() == at::kBFloat16;
  return type && computes_in_bf16(input) && input.is_non_overlapping_and_dense();
}

at::Tensor drop(const at::Tensor& input, double p) {
  if (p <= 0 || p >= 1 || !has_mask_kernel(input)) return at::dropout(input, p, true);
  at::Tensor mask = at::empty_like(input, input.options().requires_grad(false));
  const std::uint64_t seed = draw_seed();
  if (input.scalar_type() == at::kFloat) fill_mask(mask.data_ptr<float>(), mask.numel(), p, seed);
  else fill_mask(mask.data_ptr<at::BFloat16>(), mask.numel(), p, seed);
  return input * mask;
}

void return_one(Stack& stack, at::Tensor result) {
  stack.clear();
  stack.emplace_back(std::move(result));
}

// input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled
BatchNorm batch_norm_arguments(const Stack& stack) {
  return {.input = stack.at(0).toTensor(), .weight = optional_tensor(stack.at(1)), .bias = optional_tensor(stack.at(2)),
          .running_mean = optional_tensor(stack.at(3)), .running_var = optional_tensor(stack.at(4)), .training = stack.at(5).toBool(),
          .momentum = stack.at(6).toDouble(), .eps = stack.at(7).toDouble()};
}

void batch_norm_of(Stack& stack) { return_one(stack, batch_norm(batch_norm_arguments(stack))); }

at::Tensor per_channel(const std::optional<at::Tensor>& given, const at::Tensor& like, double otherwise) {
  return given && given->defined() ? *given : at::full_like(like, otherwise);
}

void dropout(Stack& stack) {  // input, p, train
  const at::Tensor input = stack.at(0).toTensor();
  const double p = stack.at(1).toDouble();
  const bool train = stack.at(2).toBool();
  return_one(stack, train ? drop(input, p) : input);
}

at::Tensor repeat_heads(const at::Tensor& tensor, std::int64_t heads) {
  return tensor.size(-3) == heads ? tensor : at::repeat_interleave(tensor, heads / tensor.size(-3), -3);
}

// Adds what the mask says to the scores: false entries become -infinity.
at::Tensor masked(const at::Tensor& scores, const at::Tensor& mask) {
  if (mask.scalar_type() != at::kBool) return scores + mask.to(scores.scalar_type());
  return at::masked_fill(scores, at::logical_not(mask), -std::numeric_limits<double>::infinity());
}

struct Attention {
  at::Tensor query, key, value;  // [.., heads, positions, size]
  std::optional<at::Tensor> mask;
  double dropout = 0;
  bool is_causal = false;
  double scale = 1;
  bool shares_heads = false;     // fewer key heads than query heads
};

bool is_worth_composing(const Attention& a) {
  if (!computes_in_bf16(a.query) || a.query.dim() < 3 || a.query.numel() == 0) return false;
  return a.query.numel() / a.query.size(-1) * a.key.size(-2) <= kLargestScores;
}

// softmax(query key' scale + mask) value (Vaswani et al. 2017, section 3.2.1).
at::Tensor compose(const Attention& a) {
  const std::int64_t heads = a.query.size(-3);
  const at::Tensor key = a.shares_heads ? repeat_heads(a.key, heads) : a.key, value = a.shares_heads ? repeat_heads(a.value, heads) : a.value;
  at::Tensor scores = at::matmul(a.query * a.scale, key.transpose(-2, -1));
  if (a.is_causal) {
    const at::Tensor causal = at::ones({a.query.size(-2), key.size(-2)}, a.query.options().dtype(at::kBool).requires_grad(false)).tril();
    scores = masked(scores, causal);
  }
  if (a.mask) scores = masked(scores, *a.mask);
  at::Tensor weights = at::softmax(scores, -1);
  if (a.dropout > 0) weights = drop(weights, a.dropout);
  return at::matmul(weights, value);
}

void scaled_dot_product_attention(Stack& stack) {  // query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa
  Attention a{stack.at(0).toTensor(), stack.at(1).toTensor(), stack.at(2).toTensor(), optional_tensor(stack.at(3))};
  a.dropout = stack.at(4).toDouble();
  a.is_causal = stack.at(5).toBool();
  const std::optional<double> scale = stack.at(6).isNone() ? std::nullopt : std::optional<double>(stack.at(6).toDouble());
  a.shares_heads = stack.at(7).toBool();
  a.scale = scale.value_or(1 / std::sqrt(static_cast<double>(a.query.size(-1))));
  at::Tensor result = is_worth_composing(a) ? compose(a)
                                            : at::scaled_dot_product_attention(a.query, a.key, a.value, a.mask, a.dropout, a.is_causal, scale, a.shares_heads);
  return_one(stack, std::move(result));
}

constexpr std::size_t kNormArguments = 9;  // of both schemas

BatchNorm::Rectifier rectifier_arguments(const Stack& stack) {
  return {optional_tensor(stack.at(kNormArguments)), stack.at(kNormArguments + 1).toDouble()};
}

}  // namespace

void renormalise_batch(Stack& stack) {
  const BatchNorm norm = batch_norm_arguments(stack);
  if (!norm.training || !norm.running_mean || !norm.running_var) return;
  at::Tensor r, d;
  {
    const at::NoGradGuard no_grad;
    const auto [mean, variance] = at::batch_norm_update_stats(norm.input.to(at::kFloat), {}, {}, 0);
    const at::Tensor inverse = (*norm.running_var + norm.eps).rsqrt();
    r = (variance + norm.eps).sqrt() * inverse;
    d = (mean - *norm.running_mean) * inverse;
  }
  const at::Tensor weight = per_channel(norm.weight, r, 1), bias = per_channel(norm.bias, d, 0);
  stack[1] = weight * r;
  stack[2] = bias + weight * d;
  stack[3] = norm.running_mean->detach().clone();
  stack[4] = norm.running_var->detach().clone();
}

void rectified_batch_norm(Stack& stack) {
  BatchNorm norm = batch_norm_arguments(stack);
  norm.rectifier = rectifier_arguments(stack);
  return_one(stack, batch_norm(norm));
}

void rectified_live_batch_norm(Stack& stack) {  // input, weight, bias, running_mean, running_var, phase, momentum, eps, training
  BatchNorm norm = live_batch_norm_arguments(stack.at(0).toTensor(), optional_tensor(stack.at(1)), stack.at(2).toTensor(), stack.at(3).toTensor(),
                                             stack.at(4).toTensor(), stack.at(5).toTensor(), stack.at(6).toDouble(), stack.at(7).toDouble(),
                                             stack.at(8).toBool());
  norm.rectifier = rectifier_arguments(stack);
  return_one(stack, batch_norm(norm));
}

Builtin find_training_kernel(std::string_view target) {
  if (target == "aten.batch_norm.default") return batch_norm_of;
  if (target == "aten.dropout.default") return dropout;
  if (target == "aten.scaled_dot_product_attention.default") return scaled_dot_product_attention;
  return nullptr;
}

}  // namespace dsc
