// Operators that work on each element alone, with broadcasting: dimensions aligned from the right are tied.
#include "ops/arguments.h"
#include "ops/op_info.h"

namespace dsc {
namespace {

void tie_elementwise(Ties& ties, const Node& node) {
  std::vector<Axes> operands;
  for (const Value* value : tensor_arguments(node)) {
    operands.push_back(ties.axes(value));
    for (std::int64_t d = 0; d < value->tensor().rank(); ++d) ties.set_role(value, d, Role::scales);
  }
  for (const Value* output : node.outputs()) {
    if (output->is_tensor()) ties.define(output, ties.broadcast(operands, ties.dims(output)));
  }
}

// type_as(self, other): only the first tensor counts.
void tie_first(Ties& ties, const Node& node) {
  ties.define(node.output(), ties.axes(tensor_arguments(node).at(0)));
}

// Writes into its first operand, so shapes follow that one.
void tie_copy(Ties& ties, const Node& node) {
  const Value* self = node.find_value("self");
  const Value* source = node.find_value("src");
  ties.define(node.output(), ties.broadcast({ties.axes(self), ties.axes(source)}, ties.dims(node.output())));
}

void tie_prelu(Ties& ties, const Node& node) {
  const Value* input = node.find_value("self");
  const Value* weight = node.find_value("weight");
  if (!input) input = node.find_value("input");
  Axes axes = ties.axes(input);
  if (weight->tensor().rank() == 1 && ties.dims(weight)[0].size > 1 && axes.size() > 1) {
    ties.tie(ties.axis(weight, 0), axes[1]);
    ties.set_role(weight, 0, Role::scales);
  }
  ties.define(node.output(), std::move(axes));
}

// fake_quantize_per_channel_affine(self, scale, zero_point, axis, ...) and quantized_decomposed's (input, scales, ...).
void tie_per_channel(Ties& ties, const Node& node) {
  std::vector<Value*> operands = tensor_arguments(node);
  Axes axes = ties.axes(operands.at(0));
  std::int64_t axis = dim_or(node, "axis", 0, static_cast<std::int64_t>(axes.size()));
  for (std::size_t i = 1; i < operands.size(); ++i) {
    if (operands[i]->tensor().rank() != 1) continue;
    ties.tie(ties.parameter_axes(operands[i]).at(0), axes.at(static_cast<std::size_t>(axis)));
    ties.set_role(operands[i], 0, Role::scales);
  }
  ties.define(node.output(), std::move(axes));
}

// Checks and other operators without a tensor result.
void tie_nothing(Ties&, const Node&) {}

// A symbolic size read from a dimension must go on meaning the same.
void tie_size(Ties& ties, const Node& node) {
  const Value* self = node.find_value("self");
  ties.keep(ties.axis(self, dim_or(node, "dim", 0, self->tensor().rank())), "its size is computed with");
}

template <auto Tie = tie_elementwise>
constexpr OpInfo op(std::string_view name, OpTraits traits = {}) {
  return {name, Tie, nullptr, nullptr, traits};
}

constexpr OpTraits kDropout{.is_dropout = true};
constexpr OpTraits kDrawsNumbers{.is_random = true};
constexpr OpTraits kCombinesMasks{.mask = {MaskUse::combines}};
constexpr OpTraits kInvertsMask{.mask = {MaskUse::inverts}};

// clang-format off
constexpr OpInfo kElementwiseOps[] = {
    op("aten.add"), op("aten.sub"), op("aten.rsub", kInvertsMask), op("aten.mul", {.mask = {MaskUse::weighs}}), op("aten.div"),
    op("aten.pow"), op("aten.fmod"),
    op("aten.remainder"), op("aten.floor_divide"), op("aten.maximum"), op("aten.minimum"), op("aten.atan2"),
    op("aten.neg"), op("aten.abs"), op("aten.sign"), op("aten.exp"), op("aten.exp2"), op("aten.expm1"), op("aten.log"),
    op("aten.log2"), op("aten.log1p"), op("aten.sqrt"), op("aten.rsqrt"), op("aten.square"), op("aten.reciprocal"),
    op("aten.sin"), op("aten.cos"), op("aten.tan"), op("aten.tanh"), op("aten.erf"), op("aten.floor"), op("aten.ceil"),
    op("aten.asin"), op("aten.acos"), op("aten.atan"), op("aten.sinh"), op("aten.cosh"), op("aten.asinh"), op("aten.acosh"), op("aten.atanh"),
    op("aten.erfc"), op("aten.erfinv"), op("aten.lgamma"), op("aten.digamma"), op("aten.polygamma"), op("aten.i0"), op("aten.sinc"),
    op("aten.log10"), op("aten.frac"), op("aten.sgn"), op("aten.deg2rad"), op("aten.rad2deg"), op("aten.hardshrink"), op("aten.softshrink"),
    op("aten.special_entr"), op("aten.special_erfcx"), op("aten.special_i0e"), op("aten.special_i1"), op("aten.special_i1e"),
    op("aten.special_ndtri"), op("aten.special_log_ndtr"), op("aten.special_xlog1py"), op("aten.xlogy"), op("aten.logaddexp"),
    op("aten.logaddexp2"), op("aten.hypot"), op("aten.copysign"), op("aten.fmax"), op("aten.fmin"), op("aten.heaviside"),
    op("aten.nextafter"), op("aten.igamma"), op("aten.igammac"), op("aten.float_power"), op("aten.gcd"), op("aten.lcm"),
    op("aten.bitwise_left_shift"), op("aten.bitwise_right_shift"), op("aten.signbit"), op("aten.isposinf"), op("aten.isneginf"), op("aten.isfinite"),
    op("aten.round"), op("aten.trunc"), op("aten.relu", kHomogeneous), op("aten.relu6"), op("aten.gelu"), op("aten.silu"),
    op("aten.sigmoid"), op("aten.logit"), op("aten.hardswish"), op("aten.hardsigmoid"), op("aten.hardtanh"),
    op("aten.leaky_relu", kHomogeneous), op("aten.rrelu"), op("aten.elu"), op("aten.selu"), op("aten.celu"), op("aten.mish"),
    op("aten.softplus"), op("aten.softsign"), op("aten.log_sigmoid"), op("aten.threshold"), op("aten.clamp"),
    op("aten.clamp_min"), op("aten.clamp_max"), op("aten.clip"), op("aten.dropout", {.is_homogeneous = true, .is_dropout = true}),
    op("aten.feature_dropout", kDropout), op("aten.alpha_dropout", kDropout), op("aten.feature_alpha_dropout", kDropout),
    op("aten.eq", {.mask = {MaskUse::inverts_beside_zero}}), op("aten.ne", {.mask = {MaskUse::combines_beside_zero}}),
    op("aten.lt"), op("aten.le"), op("aten.gt"), op("aten.ge"),
    op("aten.logical_and", kCombinesMasks), op("aten.logical_or", kCombinesMasks), op("aten.logical_not", kInvertsMask),
    op("aten.bitwise_and", kCombinesMasks), op("aten.bitwise_or", kCombinesMasks), op("aten.bitwise_not", kInvertsMask),
    op("aten.__and__", kCombinesMasks), op("aten.__or__", kCombinesMasks), op("aten.logical_xor"), op("aten.bitwise_xor"),
    op("aten.__xor__"), op("aten.isnan"), op("aten.isinf"), op("aten.nan_to_num"),
    op("aten.where", {.mask = {MaskUse::chooses, "condition"}}),
    op("aten.masked_fill", {.mask = {MaskUse::hides, "mask"}}), op("aten.lerp"), op("aten.addcmul"), op("aten.addcdiv"),
    op("aten.contiguous", kMovesHomogeneously),
    op("aten.clone", kMovesHomogeneously), op("aten.detach", kKeepsTensor), op("aten.alias", kKeepsTensor), op("aten.to", kKeepsTensor),
    op("aten._to_copy", kKeepsTensor), op("aten.lift_fresh_copy", kKeepsTensor),
    op("aten.lift_fresh"), op("aten.zeros_like"), op("aten.ones_like"), op("aten.full_like"), op("aten.empty_like"),
    op("aten.rand_like", kDrawsNumbers), op("aten.randn_like", kDrawsNumbers), op("aten.bernoulli", kDrawsNumbers),
    op("aten.fill"), op("aten.zero"), op("aten.float"),
    op("aten.fake_quantize_per_tensor_affine"), op("aten._fake_quantize_learnable_per_tensor_affine"),
    op("quantized_decomposed.quantize_per_tensor"), op("quantized_decomposed.dequantize_per_tensor"),
    op<tie_first>("aten.type_as"), op<tie_copy>("aten.copy"), op<tie_prelu>("aten.prelu"),
    op<tie_per_channel>("aten.fake_quantize_per_channel_affine"),
    op<tie_per_channel>("aten._fake_quantize_learnable_per_channel_affine"),
    op<tie_per_channel>("quantized_decomposed.quantize_per_channel"),
    op<tie_per_channel>("quantized_decomposed.dequantize_per_channel"),
    op<tie_nothing>("aten._assert_tensor_metadata"), op<tie_nothing>("aten._assert_scalar"),
    op<tie_nothing>("aten.sym_constrain_range_for_size"), op<tie_nothing>("aten._assert_async"),
    op<tie_size>("aten.sym_size"),
};
// clang-format on

}  // namespace

std::span<const OpInfo> elementwise_ops() { return kElementwiseOps; }

}  // namespace dsc
