// FakeQuantize behind a normalisation whose result a residual add reads as well:
//
//   before  n = Add(Multiply(x, gamma), beta)      q = FakeQuantize(n, low, high)      s = Add(n, ...)
//   after   n = Add(Multiply(x, gamma), beta)      s = Add(n, ...)
//           m = Add(Multiply(x, 2 gamma), 2 beta)  q = FakeQuantize(m, 2 low, 2 high, output range as before)
//
// The CPU plugin fuses a quantiser into the step before it only where nothing else reads that step; alone it is a pass over the
// tensor, two where the rest is bf16. The factor of 2 changes no rounding and keeps the two steps from being merged again.
#include <cstddef>
#include <memory>
#include <openvino/core/graph_util.hpp>
#include <openvino/core/model.hpp>
#include <openvino/core/rt_info.hpp>
#include <openvino/op/add.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/fake_quantize.hpp>
#include <openvino/op/multiply.hpp>
#include <string>
#include <vector>

#include "deploy/openvino_decoder.h"

namespace dsc {
namespace {

using ov::op::v0::Constant;
using ov::op::v0::FakeQuantize;

std::shared_ptr<Constant> float_constant(const ov::Node& node, std::size_t i) {
  auto constant = std::dynamic_pointer_cast<Constant>(node.get_input_node_shared_ptr(i));
  return constant && constant->get_element_type() == ov::element::f32 ? constant : nullptr;
}

std::shared_ptr<Constant> twice(const Constant& constant) {
  std::vector<float> values = constant.cast_vector<float>();
  for (float& value : values) value *= 2;
  return Constant::create(ov::element::f32, constant.get_shape(), values);
}

void give_own_step(FakeQuantize& quantize) {
  const auto add = std::dynamic_pointer_cast<ov::op::v1::Add>(quantize.get_input_node_shared_ptr(0));
  if (!add || add->get_output_target_inputs(0).size() < 2) return;
  const auto multiply = std::dynamic_pointer_cast<ov::op::v1::Multiply>(add->get_input_node_shared_ptr(0));
  const auto beta = float_constant(*add, 1), low = float_constant(quantize, 1), high = float_constant(quantize, 2);
  const auto gamma = multiply ? float_constant(*multiply, 1) : nullptr;
  if (!beta || !gamma || !low || !high || multiply->get_output_target_inputs(0).size() != 1) return;
  const auto scaled = std::make_shared<ov::op::v1::Multiply>(multiply->input_value(0), twice(*gamma));
  const auto shifted = std::make_shared<ov::op::v1::Add>(scaled, twice(*beta));
  scaled->set_friendly_name(quantize.get_friendly_name() + "/Multiply");
  shifted->set_friendly_name(quantize.get_friendly_name() + "/Add");
  ov::copy_runtime_info(multiply, scaled);
  ov::copy_runtime_info(add, shifted);
  quantize.input(0).replace_source_output(shifted);
  quantize.input(1).replace_source_output(twice(*low));
  quantize.input(2).replace_source_output(twice(*high));
}

}  // namespace

void give_quantizers_own_steps(ov::Model& model) {
  for (const auto& node : model.get_ordered_ops()) {
    if (const auto quantize = std::dynamic_pointer_cast<FakeQuantize>(node)) give_own_step(*quantize);
  }
}

}  // namespace dsc
