#include "exec/kernels/batch_norm.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include "exec/kernels/batch_norm_kernels.h"
#include "exec/kernels/remade_values.h"
#include "exec/kernels/shared_batch_norm.h"
#include "parallel/current_ranks.h"

namespace dsc {
namespace {

constexpr std::size_t kBlock = 16384;      // elements whose sums stay in float; also what a thread takes at a time
constexpr std::size_t kVector = 16;        // floats
constexpr std::size_t kLongestPeriod = 1024;

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

// A tensor's memory as rows of channels, cut into blocks of whole periods.
struct Rows {
  std::size_t channels, size, period, block;

  explicit Rows(const at::Tensor& x) : channels(static_cast<std::size_t>(x.size(1))), size(static_cast<std::size_t>(x.numel())) {
    period = std::lcm(channels, kVector);
    if (period > kLongestPeriod) period = channels;
    while (period < 4 * kVector) period *= 2;
    block = std::max<std::size_t>(1, kBlock / period) * period;
  }
  std::size_t blocks() const { return (size + block - 1) / block; }
  double count() const { return static_cast<double>(size / channels); }

  Floats repeat(const Doubles& values) const {
    Floats repeated(period);
    for (std::size_t i = 0; i < period; ++i) repeated[i] = static_cast<float>(values[i % channels]);
    return repeated;
  }
  // body(begin, size) for each block, on all threads.
  template <class Body>
  void for_blocks(Body body) const {
    at::parallel_for(0, static_cast<std::int64_t>(blocks()), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) body(i * block, std::min(block, size - i * block));
    });
  }
  // Two sums for each channel; add(begin, size, first sums, second sums) adds a block's.
  template <class Add>
  std::pair<Doubles, Doubles> sums(Add add) const {
    Floats partial(2 * period * blocks());
    for_blocks([&](std::size_t begin, std::size_t length) {
      float* own = partial.data() + begin / block * 2 * period;
      add(begin, length, own, own + period);
    });
    Doubles total(2 * period);
    for (std::size_t i = 0; i < partial.size(); i += total.size()) {
      for (std::size_t j = 0; j < total.size(); ++j) total[j] += partial[i + j];
    }
    Doubles first(channels), second(channels);
    for (std::size_t i = 0; i < period; ++i) {
      first[i % channels] += total[i];
      second[i % channels] += total[period + i];
    }
    return {std::move(first), std::move(second)};
  }
};

// A value of bf16 stands for its 16 bits.
template <class T>
const T* elements(const at::Tensor& x) {
  return static_cast<const T*>(x.const_data_ptr());
}
template <class T>
T* to_write(at::Tensor& x) {
  return static_cast<T*>(x.mutable_data_ptr());
}
// body(float{} or std::uint16_t{})
template <class Body>
void with_element(const at::Tensor& x, Body body) {
  if (x.scalar_type() == at::kFloat)
    body(float{});
  else
    body(std::uint16_t{});
}

Doubles doubles(const at::Tensor& x) {
  const at::Tensor copy = x.to(at::kDouble).contiguous();
  return {copy.const_data_ptr<double>(), copy.const_data_ptr<double>() + copy.numel()};
}
at::Tensor tensor_of(const Doubles& values, at::ScalarType type) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, at::kDouble);
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<double>());
  return tensor.to(type);
}

// Sums are of differences from the first row, so that a mean far from zero costs no digits.
ChannelStatistics statistics_of(const at::Tensor& x) {
  const Rows rows(x);
  Doubles first(rows.channels);
  const Doubles row = doubles(x[0].select(1, 0).select(1, 0));
  std::copy(row.begin(), row.end(), first.begin());
  const Floats shift = rows.repeat(first);
  Doubles sum, square;
  with_element(x, [&]<class T>(T) {
    std::tie(sum, square) = rows.sums([&](std::size_t begin, std::size_t size, float* sums, float* squares) {
      kernels::add_moments(elements<T>(x) + begin, size, rows.period, shift.data(), sums, squares);
    });
  });
  ChannelStatistics statistics{rows.count(), std::move(first), std::move(square)};
  for (std::size_t i = 0; i < rows.channels; ++i) {
    const double mean = sum[i] / rows.count();
    statistics.variance[i] = std::max(0.0, statistics.variance[i] / rows.count() - mean * mean);
    statistics.mean[i] += mean;
  }
  return statistics;
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr kernels::Range kEverything{-kInfinity, kInfinity};

// The forward map as coefficients of each channel.
struct Affine {
  Floats scale, offset;

  Affine(const Rows& rows, const Doubles& weight, const Doubles& bias, const Doubles& mean, const Doubles& inverse) {
    Doubles scales(rows.channels), offsets(rows.channels);
    for (std::size_t i = 0; i < rows.channels; ++i) {
      scales[i] = weight[i] * inverse[i];
      offsets[i] = bias[i] - mean[i] * scales[i];
    }
    scale = rows.repeat(scales);
    offset = rows.repeat(offsets);
  }
  kernels::Map map(kernels::Range range) const { return {scale.data(), offset.data(), range}; }
};

// min(max(affine(x) + addend, low), high)
at::Tensor map_forward(const at::Tensor& x, const std::optional<at::Tensor>& addend, const Affine& affine, kernels::Range range) {
  const Rows rows(x);
  at::Tensor y = at::empty_like(x, x.options().requires_grad(false));
  with_element(x, [&]<class T>(T) {
    rows.for_blocks([&](std::size_t begin, std::size_t size) {
      const T* from = elements<T>(x) + begin;
      T* to = to_write<T>(y) + begin;
      if (addend)
        kernels::scale_and_join(from, elements<T>(*addend) + begin, to, size, rows.period, affine.scale.data(), affine.offset.data(), range);
      else
        kernels::scale_and_add(from, to, size, rows.period, affine.scale.data(), affine.offset.data(), range);
    });
  });
  return y;
}

// dy where the result lay strictly inside the range.
at::Tensor gradient_inside(const at::Tensor& y, const at::Tensor& dy, kernels::Range range) {
  const Rows rows(y);
  at::Tensor dz = at::empty_like(y);
  with_element(y, [&]<class T>(T) {
    rows.for_blocks([&](std::size_t begin, std::size_t size) {
      kernels::pass_inside(elements<T>(y) + begin, elements<T>(dy) + begin, to_write<T>(dz) + begin, size, range);
    });
  });
  return dz;
}

// Of z = affine(x), given the gradient dy of z cut to the map's range.
struct NormGradients {
  Doubles weight, bias;
  at::Tensor x;  // undefined: not wanted
};

NormGradients gradients_of(const at::Tensor& x, const at::Tensor& dy, const Affine& affine, kernels::Range range, const Doubles& w, const Doubles& m,
                           const Doubles& r, double count, Ranks& ranks, bool wants_x) {
  const Rows rows(x);
  const Floats means = rows.repeat(m);
  Doubles sum, product;
  with_element(x, [&]<class T>(T) {
    std::tie(sum, product) = rows.sums([&](std::size_t begin, std::size_t size, float* sums, float* products) {
      kernels::add_products(elements<T>(x) + begin, elements<T>(dy) + begin, size, rows.period, affine.map(range), means.data(), sums, products);
    });
  });
  NormGradients found{product, sum, {}};
  for (std::size_t i = 0; i < rows.channels; ++i) found.weight[i] *= r[i];
  sum_over_ranks(ranks, sum, product);
  if (!wants_x) return found;
  Doubles of_dz(rows.channels), of_x(rows.channels), offset(rows.channels);
  for (std::size_t i = 0; i < rows.channels; ++i) {
    of_dz[i] = w[i] * r[i];
    of_x[i] = -of_dz[i] * r[i] * r[i] * product[i] / count;
    offset[i] = -of_dz[i] * sum[i] / count - of_x[i] * m[i];
  }
  found.x = at::empty_like(x);
  const Floats a = rows.repeat(of_dz), b = rows.repeat(of_x), c = rows.repeat(offset);
  with_element(x, [&]<class T>(T) {
    rows.for_blocks([&](std::size_t begin, std::size_t size) {
      kernels::combine(elements<T>(x) + begin, elements<T>(dy) + begin, to_write<T>(found.x) + begin, size, rows.period, affine.map(range), a.data(),
                       b.data(), c.data());
    });
  });
  return found;
}

class Normalise : public torch::autograd::Function<Normalise> {
 public:
  // weight, bias, mean, inverse (1 / standard deviation): [channels]; count: values of a channel over all ranks; remade: the result is
  // made again in backward, from x and the addend.
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            const at::Tensor& mean, const at::Tensor& inverse, const std::optional<at::Tensor>& addend, double low, double high,
                            double count, Ranks* ranks, bool remade) {
    const Affine affine(Rows(x), doubles(weight), doubles(bias), doubles(mean), doubles(inverse));
    at::Tensor y = map_forward(x, addend, affine, {static_cast<float>(low), static_cast<float>(high)});
    context->save_for_backward({x, weight, bias, mean, inverse, !addend ? at::Tensor() : remade ? *addend : y});
    context->saved_data["adds"] = addend.has_value();
    context->saved_data["remade"] = remade;
    context->saved_data["low"] = low;
    context->saved_data["high"] = high;
    context->saved_data["count"] = count;
    context->saved_data["ranks"] = reinterpret_cast<std::int64_t>(ranks);
    return y;
  }

  // Without an addend the sign of y is computed again from x, which saves a pass of its own; with one, the addend's gradient
  // has to be made anyway.
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    auto& data = context->saved_data;
    const at::Tensor& x = saved.at(0);
    kernels::Range range{static_cast<float>(data.at("low").toDouble()), static_cast<float>(data.at("high").toDouble())};
    at::Tensor dy = gradients.at(0).to(x.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast), addend_gradient;
    const Doubles w = doubles(saved.at(1)), m = doubles(saved.at(3)), r = doubles(saved.at(4));
    const Affine affine(Rows(x), w, doubles(saved.at(2)), m, r);
    if (data.at("adds").toBool()) {
      const at::Tensor y = data.at("remade").toBool() ? map_forward(x, saved.at(5), affine, range) : saved.at(5);
      dy = addend_gradient = gradient_inside(y, dy, range);
      range = kEverything;
    }
    const NormGradients found = gradients_of(x, dy, affine, range, w, m, r, data.at("count").toDouble(),
                                             *reinterpret_cast<Ranks*>(data.at("ranks").toInt()), context->needs_input_grad(0));
    const at::ScalarType type = saved.at(1).scalar_type();
    return {found.x, tensor_of(found.weight, type), tensor_of(found.bias, type), {}, {}, addend_gradient, {}, {}, {}, {}, {}};
  }
};

void update(const at::Tensor& running, const Doubles& now, double momentum) {
  running.mul_(1 - momentum).add_(tensor_of(now, running.scalar_type()).to(running.device()), momentum);
}

bool is_rows(const at::Tensor& x) {
  const bool type = x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kFloat;
  return type && x.is_cpu() && x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

bool has_kernel(const BatchNorm& norm, const Ranks& ranks) {
  const at::Tensor& x = norm.input;
  if (!norm.training || !norm.running_mean || !norm.running_var || !is_rows(x) || x.numel() <= x.size(1)) return false;
  if (!norm.rectifier) return x.scalar_type() == at::kBFloat16 && (x.size(1) % kVector != 0 || !ranks.is_alone());
  const auto& addend = norm.rectifier->addend;
  return !addend || (addend->is_cpu() && addend->scalar_type() == x.scalar_type() && addend->sizes() == x.sizes());
}

at::Tensor given_or(const std::optional<at::Tensor>& given, const at::Tensor& x, double otherwise) {
  return given && given->defined() ? *given : at::full({x.size(1)}, otherwise, x.options().dtype(at::kFloat).requires_grad(false));
}

at::Tensor normalise(const BatchNorm& norm, Ranks& ranks) {
  const at::Tensor& x = norm.input;
  at::Tensor mean, inverse;
  double count = 0;
  {
    c10::NoGradGuard no_grad;
    const ChannelStatistics statistics = of_all_ranks(ranks, statistics_of(x));
    update_running_statistics(norm, statistics.mean, statistics.variance, statistics.count);
    count = statistics.count;
    Doubles deviations = statistics.variance;
    for (double& v : deviations) v = 1 / std::sqrt(v + norm.eps);
    mean = tensor_of(statistics.mean, at::kDouble);
    inverse = tensor_of(deviations, at::kDouble);
  }
  kernels::Range range = kEverything;
  std::optional<at::Tensor> addend;
  if (norm.rectifier) {
    range = {0, static_cast<float>(norm.rectifier->ceiling)};
    if (norm.rectifier->addend) addend = norm.rectifier->addend->contiguous(at::MemoryFormat::ChannelsLast);
  }
  const at::Tensor weight = given_or(norm.weight, x, 1), bias = given_or(norm.bias, x, 0);
  RemadeValues* values = RemadeValues::current();
  // What is made again from something that is made again itself would need a chain of passes: every second sum is kept.
  const bool remade = values && norm.rectifier && !(addend && values->has(*addend));
  at::Tensor y = Normalise::apply(x, weight, bias, mean, inverse, addend, static_cast<double>(range.low), static_cast<double>(range.high), count,
                                  &ranks, remade);
  if (remade) {
    values->add(y, [x = x.detach(), addend = addend ? std::optional(addend->detach()) : std::nullopt,
                    affine = Affine(Rows(x), doubles(weight), doubles(bias), doubles(mean), doubles(inverse)),
                    range] { return map_forward(x, addend, affine, range); });
  }
  return y;
}

at::Tensor rectify(const at::Tensor& y, const BatchNorm::Rectifier& rectifier) {
  at::Tensor joined = rectifier.addend ? at::add(y, *rectifier.addend) : y;
  return std::isinf(rectifier.ceiling) ? at::relu_(joined) : at::hardtanh_(joined, 0, rectifier.ceiling);  // nobody else has it
}

}  // namespace

void update_running_statistics(const BatchNorm& norm, const Doubles& mean, Doubles variance, double count) {
  for (double& v : variance) v *= count / (count - 1);
  if (norm.running_mean && norm.running_mean->defined()) update(*norm.running_mean, mean, norm.momentum);
  if (norm.running_var && norm.running_var->defined()) update(*norm.running_var, variance, norm.momentum);
}

at::Tensor batch_norm(const BatchNorm& norm) {
  Ranks& ranks = current_ranks();
  if (has_kernel(norm, ranks)) return normalise(norm, ranks);
  const at::Tensor y = norm.training && !ranks.is_alone()
                           ? shared_batch_norm(norm, ranks)
                           : at::batch_norm(norm.input, norm.weight, norm.bias, norm.running_mean, norm.running_var, norm.training, norm.momentum, norm.eps, false);
  return norm.rectifier ? rectify(y, *norm.rectifier) : y;
}

}  // namespace dsc
