// Operators on each element.
#include <ATen/ATen.h>

#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>
#include <span>

#include "deploy/decompositions.h"
#include "ops/arguments.h"

namespace dsc {
namespace {

using at::Scalar;
using at::Tensor;

// OpenVINO's SoftPlus has neither.
bool has_beta_or_threshold(const Node& node) { return is_given(node, "beta") || is_given(node, "threshold"); }

Tensor softplus(const Tensor& self, const Scalar& beta, const Scalar& threshold) {
  const Tensor scaled = at::mul(self, beta);
  return at::where(at::gt(scaled, threshold), self, at::div(at::softplus(scaled), beta));
}

Tensor round_to(const Tensor& self, std::int64_t decimals) {
  if (decimals == 0) return at::round(self);
  const Scalar factor = std::pow(10.0, static_cast<double>(std::abs(decimals)));
  return decimals > 0 ? at::div(at::round(at::mul(self, factor)), factor) : at::mul(at::round(at::div(self, factor)), factor);
}

Tensor logit(const Tensor& self, std::optional<double> eps) {
  const Tensor x = eps ? at::clamp(self, *eps, 1 - *eps) : self;
  return at::log(at::div(x, at::rsub(x, 1)));
}

Tensor self_times(const Tensor& self, const Tensor& other, const Tensor& logarithm) {
  const Tensor product = at::where(at::eq(self, 0), at::zeros_like(logarithm), at::mul(self, logarithm));
  return at::where(at::isnan(other), at::full_like(logarithm, kNan), product);
}
Tensor as_float(const Tensor& x) { return x.is_floating_point() ? x : at::_to_copy(x, at::kFloat); }
Tensor xlogy(const Tensor& self, const Tensor& other) { return self_times(self, as_float(other), at::log(as_float(other))); }
Tensor xlog1py(const Tensor& self, const Tensor& other) { return self_times(self, as_float(other), at::log1p(as_float(other))); }

Tensor sinc(const Tensor& self) {
  const Tensor x = at::mul(self, std::numbers::pi);
  const Tensor is_zero = at::eq(x, 0);
  return at::where(is_zero, at::ones_like(x), at::div(at::sin(x), at::where(is_zero, at::ones_like(x), x)));
}

// Of equal infinities the difference would be NaN.
Tensor join_logarithms(const Tensor& self, const Tensor& other, const Tensor& rest) {
  const Tensor same_infinity = at::logical_and(at::isinf(self), at::eq(self, other));
  return at::where(same_infinity, self, at::add(at::maximum(self, other), rest));
}
Tensor logaddexp(const Tensor& self, const Tensor& other) {
  return join_logarithms(self, other, at::log1p(at::exp(at::neg(at::abs(at::sub(self, other))))));
}
Tensor logaddexp2(const Tensor& self, const Tensor& other) {
  const Tensor ratio = at::exp(at::mul(at::abs(at::sub(self, other)), -std::numbers::ln2));
  return join_logarithms(self, other, at::mul(at::log1p(ratio), 1 / std::numbers::ln2));
}

Tensor entropy(const Tensor& self) {
  const Tensor positive = at::where(at::gt(self, 0), self, at::ones_like(self));
  const Tensor other = at::where(at::eq(self, 0), at::zeros_like(self), at::full_like(self, -kInfinity));
  const Tensor result = at::where(at::gt(self, 0), at::neg(at::mul(self, at::log(positive))), other);
  return at::where(at::isnan(self), self, result);
}

Tensor polynomial(const Tensor& x, std::span<const double> from_highest) {
  Tensor sum = at::full_like(x, from_highest[0]);
  for (const double next : from_highest.subspan(1)) sum = at::add(at::mul(sum, x), next);
  return sum;
}

// The modified Bessel function of order 0, within 1e-6 of its size. source: Abramowitz and Stegun 1964, 9.8.1 and 9.8.2.
Tensor bessel_i0(const Tensor& self) {
  constexpr std::array kNear{0.0045813, 0.0360768, 0.2659732, 1.2067492, 3.0899424, 3.5156229, 1.0};
  constexpr std::array kFar{0.00392377, -0.01647633, 0.02635537, -0.02057706, 0.00916281, -0.00157565, 0.00225319, 0.01328592, 0.39894228};
  const Tensor size = at::abs(as_float(self)), t = at::div(size, 3.75), far = at::clamp_min(size, 3.75);
  const Tensor half = at::exp(at::div(far, 2));  // squared below: the whole overflows before the result does
  const Tensor grown = at::mul(at::mul(half, at::div(polynomial(at::mul(at::reciprocal(far), 3.75), kFar), at::sqrt(far))), half);
  return at::where(at::lt(size, 3.75), polynomial(at::mul(t, t), kNear), grown);
}

Tensor heaviside(const Tensor& self, const Tensor& values) {
  const Tensor step = at::_to_copy(at::gt(self, 0), self.scalar_type());
  return at::where(at::eq(self, 0), values, step);
}

Tensor hypot(const Tensor& self, const Tensor& other) { return at::sqrt(at::add(at::mul(self, self), at::mul(other, other))); }

// Euclid's algorithm, with as many steps as two Fibonacci numbers of 32 bits need; engines know no more bits.
constexpr int kEuclidSteps = 46;
Tensor gcd(const Tensor& self, const Tensor& other) {
  Tensor a = at::abs(self), b = at::abs(other);
  for (int step = 0; step < kEuclidSteps; ++step) {
    const Tensor is_done = at::eq(b, 0);
    const Tensor rest = at::remainder(a, at::where(is_done, at::ones_like(b), b));
    a = at::where(is_done, a, b);
    b = at::where(is_done, at::zeros_like(rest), rest);
  }
  return a;
}
Tensor lcm(const Tensor& self, const Tensor& other) {
  const Tensor common = at::gcd(self, other), is_zero = at::eq(common, 0);
  const Tensor part = at::div(self, at::where(is_zero, at::ones_like(common), common), "trunc");
  return at::abs(at::mul(part, other));
}

// The other one where one is NaN.
Tensor fmax(const Tensor& self, const Tensor& other) {
  return at::where(at::isnan(other), self, at::where(at::isnan(self), other, at::maximum(self, other)));
}
Tensor fmin(const Tensor& self, const Tensor& other) {
  return at::where(at::isnan(other), self, at::where(at::isnan(self), other, at::minimum(self, other)));
}

// A zero's sign is read off its reciprocal.
Tensor is_negative(const Tensor& self) {
  if (!self.is_floating_point()) return at::lt(self, 0);
  return at::logical_or(at::lt(self, 0), at::logical_and(at::eq(self, 0), at::lt(at::reciprocal(self), 0)));
}
Tensor copysign(const Tensor& self, const Tensor& other) {
  const Tensor size = at::abs(as_float(self));
  return at::where(is_negative(other), at::neg(size), size);
}

Tensor deg2rad(const Tensor& self) { return at::mul(self, std::numbers::pi / 180); }
Tensor rad2deg(const Tensor& self) { return at::mul(self, 180 / std::numbers::pi); }

Tensor shift_right(const Tensor& self, const Tensor& other) {
  return at::div(self, at::pow(at::full_like(other, 2), other), "floor");
}

// Powers of an even grid, one end of which is a tensor.
using Type = std::optional<at::ScalarType>;
Tensor powers(const Tensor& grid, double base, Type dtype) {
  const Tensor result = at::pow(Scalar(base), grid);
  return dtype && *dtype != result.scalar_type() ? at::_to_copy(result, *dtype) : result;
}
using Where = std::optional<at::Device>;
using Laid = std::optional<at::Layout>;
Tensor logspace(const Tensor& start, const Tensor& end, std::int64_t steps, double base, Type dtype, Laid, Where, std::optional<bool>) {
  return powers(at::linspace(start, end, steps), base, dtype);
}
Tensor logspace_from(const Scalar& start, const Tensor& end, std::int64_t steps, double base, Type dtype, Laid, Where, std::optional<bool>) {
  return powers(at::linspace(start, end, steps), base, dtype);
}
Tensor logspace_to(const Tensor& start, const Scalar& end, std::int64_t steps, double base, Type dtype, Laid, Where, std::optional<bool>) {
  return powers(at::linspace(start, end, steps), base, dtype);
}

Tensor native_dropout_backward(const Tensor& gradient, const Tensor& mask, double scale) { return at::mul(at::mul(gradient, mask), scale); }

Tensor isposinf(const Tensor& self) { return at::eq(self, kInfinity); }
Tensor isneginf(const Tensor& self) { return at::eq(self, -kInfinity); }
Tensor sgn(const Tensor& self) { return at::sign(self); }
Tensor square(const Tensor& self) { return at::mul(self, self); }
Tensor mish(const Tensor& self) { return at::mul(self, at::tanh(at::softplus(self))); }

Tensor lerp(const Tensor& self, const Tensor& end, const Tensor& weight) { return at::add(self, at::mul(weight, at::sub(end, self))); }
Tensor lerp_scalar(const Tensor& self, const Tensor& end, const Scalar& weight) { return at::add(self, at::mul(at::sub(end, self), weight)); }

Tensor addcmul(const Tensor& self, const Tensor& a, const Tensor& b, const Scalar& value) {
  return at::add(self, at::mul(at::mul(a, b), value));
}

Tensor leaky(const Tensor& self, const Tensor&, const Scalar& lower, const Scalar& upper, bool, std::optional<at::Generator>) {
  return at::leaky_relu(self, (lower.toDouble() + upper.toDouble()) / 2);
}

Tensor nan_to_num(const Tensor& self, std::optional<double> nan, std::optional<double> most, std::optional<double> least) {
  if (!self.is_floating_point()) return at::clone(self);
  const double largest = self.scalar_type() == at::kDouble ? std::numeric_limits<double>::max() : std::numeric_limits<float>::max();
  Tensor x = at::where(at::eq(self, kInfinity), at::full_like(self, most.value_or(largest)), self);
  x = at::where(at::eq(x, -kInfinity), at::full_like(self, least.value_or(-largest)), x);
  return at::where(at::isnan(x), at::full_like(self, nan.value_or(0)), x);
}

}  // namespace

const Decompositions& elementwise_decompositions() {
  static const Decompositions table = {
      {"aten.softplus", decomposition(softplus, has_beta_or_threshold)},
      {"aten.round.decimals", decomposition(round_to, always)},
      {"aten.logit", decomposition(logit)},
      {"aten.xlogy.Tensor", decomposition(xlogy)},
      {"aten.special_xlog1py.default", decomposition(xlog1py)},
      {"aten.sinc", decomposition(sinc)},
      {"aten.logaddexp", decomposition(logaddexp, always)},
      {"aten.logaddexp2", decomposition(logaddexp2)},
      {"aten.special_entr", decomposition(entropy)},
      {"aten.i0", decomposition(bessel_i0)},
      {"aten.gcd", decomposition(gcd, always)},
      {"aten.lcm", decomposition(lcm)},
      {"aten.heaviside", decomposition(heaviside)},
      {"aten.hypot", decomposition(hypot)},
      {"aten.fmax", decomposition(fmax)},
      {"aten.fmin", decomposition(fmin)},
      {"aten.signbit", decomposition(is_negative)},
      {"aten.copysign.Tensor", decomposition(copysign)},
      {"aten.deg2rad", decomposition(deg2rad)},
      {"aten.rad2deg", decomposition(rad2deg)},
      {"aten.bitwise_right_shift.Tensor", decomposition(shift_right)},
      {"aten.logspace.Tensor_Tensor", decomposition(logspace)},
      {"aten.logspace.Scalar_Tensor", decomposition(logspace_from)},
      {"aten.logspace.Tensor_Scalar", decomposition(logspace_to)},
      {"aten.native_dropout_backward", decomposition(native_dropout_backward)},
      {"aten.isposinf", decomposition(isposinf)},
      {"aten.isneginf", decomposition(isneginf)},
      {"aten.sgn", decomposition(sgn)},
      {"aten.square", decomposition(square)},
      {"aten.mish", decomposition(mish)},
      {"aten.lerp.Tensor", decomposition(lerp)},
      {"aten.lerp.Scalar", decomposition(lerp_scalar)},
      {"aten.addcmul", decomposition(addcmul)},
      {"aten.rrelu_with_noise", decomposition(leaky)},
      {"aten.nan_to_num", decomposition(nan_to_num)},
  };
  return table;
}

}  // namespace dsc
