#include "exec/kernels/shared_batch_norm.h"

#include <ATen/Functions.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

namespace dsc {
namespace {

using Doubles = std::vector<double>;

at::Tensor as_tensor(const Doubles& values) { return at::tensor(values, at::kDouble); }
Doubles doubles_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kCPU, at::kDouble).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}
at::Tensor floats_beside(const at::Tensor& x, const Doubles& values) { return as_tensor(values).to(x.device(), at::kFloat); }

double values_per_channel(const at::Tensor& x) { return static_cast<double>(x.numel() / std::max<std::int64_t>(1, x.size(1))); }

// x * scale + offset, channel by channel, in one pass: what a batch norm in evaluation is.
at::Tensor scaled_channels(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset) {
  const at::Tensor zeros = at::zeros_like(scale), ones = at::ones_like(scale);
  return std::get<0>(at::native_batch_norm(x, scale, offset, zeros, ones, /*training=*/false, /*momentum=*/0, /*eps=*/0));
}

ChannelStatistics own_statistics(const at::Tensor& x) {
  const auto [mean, variance] = at::batch_norm_update_stats(x, {}, {}, 0);
  return {values_per_channel(x), doubles_of(mean), doubles_of(variance)};
}

class Normalised : public torch::autograd::Function<Normalised> {
 public:
  // weight, bias, mean, variance: f32 [channels]; x: f32. count: values of a channel over all ranks.
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            const at::Tensor& mean, const at::Tensor& variance, double eps, double count, Ranks* ranks) {
    context->save_for_backward({x, weight, mean, variance});
    context->saved_data["eps"] = eps;
    context->saved_data["count"] = count;
    context->saved_data["ranks"] = reinterpret_cast<std::int64_t>(ranks);
    return std::get<0>(at::native_batch_norm(x, weight, bias, mean, variance, /*training=*/false, /*momentum=*/0, eps));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved.at(0), &weight = saved.at(1), &mean = saved.at(2), &variance = saved.at(3);
    const double eps = context->saved_data.at("eps").toDouble(), count = context->saved_data.at("count").toDouble();
    auto& ranks = *reinterpret_cast<Ranks*>(context->saved_data.at("ranks").toInt());
    const at::Tensor dy = gradients.at(0).contiguous(x.suggest_memory_format());
    const auto own = at::native_batch_norm_backward(dy, x, weight, mean, variance, {}, {}, /*train=*/false, eps, {false, true, true});
    const at::Tensor &weight_gradient = std::get<1>(own), &bias_gradient = std::get<2>(own);
    Doubles products = doubles_of(weight_gradient), sums = doubles_of(bias_gradient);  // of dy * normalised x, and of dy
    sum_over_ranks(ranks, products, sums);
    const Doubles w = doubles_of(weight), m = doubles_of(mean), v = doubles_of(variance);
    Doubles of_dy(w.size()), of_x(w.size()), offset(w.size());
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double inverse = 1 / std::sqrt(v[i] + eps);
      of_dy[i] = w[i] * inverse;
      of_x[i] = -of_dy[i] * inverse * products[i] / count;
      offset[i] = -of_dy[i] * sums[i] / count - of_x[i] * m[i];
    }
    std::vector<std::int64_t> along(static_cast<std::size_t>(x.dim()), 1);
    along[1] = -1;
    at::Tensor dx = scaled_channels(x, floats_beside(x, of_x), floats_beside(x, offset));
    dx.addcmul_(dy, floats_beside(x, of_dy).view(along));
    return {dx, weight_gradient, bias_gradient, {}, {}, {}, {}, {}};
  }
};

at::Tensor floats_or(const std::optional<at::Tensor>& given, const at::Tensor& x, double otherwise) {
  return given && given->defined() ? given->to(at::kFloat) : at::full({x.size(1)}, otherwise, x.options().dtype(at::kFloat).requires_grad(false));
}

}  // namespace

ChannelStatistics of_all_ranks(Ranks& ranks, ChannelStatistics own) {
  if (ranks.is_alone()) return own;
  const std::size_t channels = own.mean.size();
  Doubles sent{own.count};
  sent.insert(sent.end(), own.mean.begin(), own.mean.end());
  sent.insert(sent.end(), own.variance.begin(), own.variance.end());
  ChannelStatistics whole{0, Doubles(channels, 0), Doubles(channels, 0)};
  for (const at::Tensor& part : ranks.all_of(as_tensor(sent))) {
    const auto* numbers = part.const_data_ptr<double>();
    const double count = numbers[0], sum = whole.count + count;
    for (std::size_t i = 0; i < channels; ++i) {
      const double mean = numbers[1 + i], variance = numbers[1 + channels + i], distance = mean - whole.mean[i];
      whole.variance[i] = (whole.variance[i] * whole.count + variance * count + distance * distance * whole.count * count / sum) / sum;
      whole.mean[i] += distance * count / sum;
    }
    whole.count = sum;
  }
  return whole;
}

void sum_over_ranks(Ranks& ranks, Doubles& first, Doubles& second) {
  if (ranks.is_alone()) return;
  const at::Tensor both = at::cat({as_tensor(first), as_tensor(second)});
  ranks.sum({both});
  const auto* sums = both.const_data_ptr<double>();
  std::copy(sums, sums + first.size(), first.begin());
  std::copy(sums + first.size(), sums + first.size() + second.size(), second.begin());
}

at::Tensor shared_batch_norm(const BatchNorm& norm, Ranks& ranks) {
  const at::Tensor x = norm.input.to(at::kFloat);
  at::Tensor mean, variance;
  double count = 0;
  {
    c10::NoGradGuard no_grad;
    const ChannelStatistics whole = of_all_ranks(ranks, own_statistics(x));
    update_running_statistics(norm, whole.mean, whole.variance, whole.count);
    mean = floats_beside(x, whole.mean);
    variance = floats_beside(x, whole.variance);
    count = whole.count;
  }
  const at::Tensor y = Normalised::apply(x, floats_or(norm.weight, x, 1), floats_or(norm.bias, x, 0), mean, variance, norm.eps, count, &ranks);
  return y.to(norm.input.scalar_type());
}

}  // namespace dsc
