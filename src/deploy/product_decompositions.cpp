// Products of matrices and vectors.
#include <ATen/ATen.h>

#include <optional>
#include <tuple>

#include "deploy/decompositions.h"

namespace dsc {
namespace {

using at::Scalar;
using at::Tensor;

Tensor combined(const Tensor& self, const Tensor& product, const Scalar& beta, const Scalar& alpha) {
  return at::add(at::mul(self, beta), at::mul(product, alpha));
}
Tensor addmv(const Tensor& self, const Tensor& matrix, const Tensor& vector, const Scalar& beta, const Scalar& alpha) {
  return combined(self, at::mv(matrix, vector), beta, alpha);
}
Tensor addr(const Tensor& self, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  return combined(self, at::mul(at::unsqueeze(a, 1), at::unsqueeze(b, 0)), beta, alpha);
}
Tensor addbmm(const Tensor& self, const Tensor& a, const Tensor& b, const Scalar& beta, const Scalar& alpha) {
  return combined(self, at::sum(at::bmm(a, b), {0}), beta, alpha);
}

// shapes: a [..., I], b [..., J], weight [O, I, J].
Tensor bilinear(const Tensor& a, const Tensor& b, const Tensor& weight, const std::optional<Tensor>& bias) {
  const std::int64_t outputs = weight.size(0), in_a = weight.size(1), in_b = weight.size(2);
  const Tensor matrix = at::reshape(at::transpose(weight, 0, 1), {in_a, outputs * in_b});
  const Tensor partial = at::reshape(at::matmul(at::reshape(a, {-1, in_a}), matrix), {-1, outputs, in_b});
  Tensor y = at::matmul(partial, at::reshape(b, {-1, in_b, 1}));
  auto sizes = a.sizes().vec();
  sizes.back() = outputs;
  y = at::reshape(y, sizes);
  return bias && bias->defined() ? at::add(y, *bias) : y;
}

// A row that the mask hides everything from is 0, as in a sentence that is filled up on its left. OpenVINO makes it NaN, which the
// next layer multiplies by 0 and spreads to all rows. Such a row sees everything here, and is multiplied by 0 then: a product joins
// what OpenVINO makes of attention and the quantiser behind it, which a choice between two tensors keeps apart.
bool has_mask(const Node& node) { return node.find_value("attn_mask") != nullptr; }
Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value, const std::optional<Tensor>& mask, double dropout, bool is_causal,
                 std::optional<double> scale, bool enable_gqa) {
  const bool is_choice = mask->scalar_type() == at::kBool;
  const Tensor sees = at::any(is_choice ? *mask : at::gt(*mask, -kInfinity), -1, /*keepdim=*/true);
  const Tensor open = is_choice ? at::logical_or(*mask, at::logical_not(sees)) : at::where(sees, *mask, at::zeros_like(*mask));
  const Tensor result = at::scaled_dot_product_attention(query, key, value, open, dropout, is_causal, scale, enable_gqa);
  return at::mul(result, at::_to_copy(sees, result.scalar_type()));
}

// No matrix is refused here, and none is said to have been.
std::tuple<Tensor, Tensor> inv_ex(const Tensor& self, bool) {
  return {at::linalg_inv(self), at::zeros(self.sizes().slice(0, static_cast<std::size_t>(self.dim() - 2)), at::kInt)};
}

}  // namespace

const Decompositions& product_decompositions() {
  static const Decompositions table = {
      {"aten.addmv", decomposition(addmv)},
      {"aten.addr", decomposition(addr)},
      {"aten.addbmm", decomposition(addbmm)},
      {"aten.linalg_inv_ex", decomposition(inv_ex)},
      {"aten.bilinear", decomposition(bilinear)},
      {"aten.scaled_dot_product_attention", decomposition(attention, has_mask)},
  };
  return table;
}

}  // namespace dsc
