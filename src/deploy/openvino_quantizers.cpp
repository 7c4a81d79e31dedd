// FakeQuantize behind a normalisation whose result a residual add reads as well:
//
//   before  n = Add(Multiply(x, gamma), beta)      q = FakeQuantize(n, low, high)      s = Add(n, ...)
//   after   n = Add(Multiply(x, gamma), beta)      s = Add(n, ...)
//           m = Add(Multiply(x, 2 gamma), 2 beta)  q = FakeQuantize(m, 2 low, 2 high, output range as before)
//
// The CPU plugin fuses a quantiser into the step before it only where nothing else reads that step; alone it is a pass over the
// tensor, two where the rest is bf16. The factor of 2 changes no rounding and keeps the two steps from being merged again.
//
// And activations of fewer levels than a byte has, which the CPU plugin would leave in floating point:
//
//   before  FakeQuantize(x, -64 s, 63 s, levels 128)      after  FakeQuantize(Clamp(x, -64 s, 63 s), -128 s, 127 s, levels 256)
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <openvino/core/graph_util.hpp>
#include <openvino/core/model.hpp>
#include <openvino/core/rt_info.hpp>
#include <openvino/op/add.hpp>
#include <openvino/op/clamp.hpp>
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

constexpr std::size_t kLevels = 256;

// Grids of bytes that hold the integers first .. first + levels - 1: with a sign where those are symmetric.
std::int64_t first_byte(std::int64_t first, std::size_t levels) {
  const auto half = static_cast<std::int64_t>(levels / 2);
  return first == -half ? -static_cast<std::int64_t>(kLevels / 2) : first;
}

void take_all_levels(FakeQuantize& quantize) {
  const auto low = float_constant(quantize, 1), high = float_constant(quantize, 2);
  const auto out_low = float_constant(quantize, 3), out_high = float_constant(quantize, 4);
  if (!low || !high || !out_low || !out_high || ov::shape_size(low->get_shape()) != 1 || ov::shape_size(high->get_shape()) != 1) return;
  const float from = low->cast_vector<float>()[0], to = high->cast_vector<float>()[0];
  if (out_low->cast_vector<float>()[0] != from || out_high->cast_vector<float>()[0] != to || !(to > from)) return;
  const double step = (static_cast<double>(to) - from) / static_cast<double>(quantize.get_levels() - 1);
  const std::int64_t first = first_byte(std::llround(from / step), quantize.get_levels());
  const auto clamp = std::make_shared<ov::op::v0::Clamp>(quantize.input_value(0), from, to);
  clamp->set_friendly_name(quantize.get_friendly_name() + "/Clamp");
  ov::copy_runtime_info(quantize.shared_from_this(), clamp);
  const auto bound = [](double value) { return Constant::create(ov::element::f32, {}, {static_cast<float>(value)}); };
  const double lowest = step * static_cast<double>(first), highest = step * static_cast<double>(first + static_cast<std::int64_t>(kLevels) - 1);
  quantize.input(0).replace_source_output(clamp);
  for (const std::size_t i : {1, 3}) quantize.input(i).replace_source_output(bound(lowest));
  for (const std::size_t i : {2, 4}) quantize.input(i).replace_source_output(bound(highest));
  quantize.set_levels(kLevels);
}

}  // namespace

void widen_quantizers(ov::Model& model) {
  for (const auto& node : model.get_ordered_ops()) {
    const auto quantize = std::dynamic_pointer_cast<FakeQuantize>(node);
    const bool is_weight = quantize && std::dynamic_pointer_cast<Constant>(quantize->get_input_node_shared_ptr(0));
    if (quantize && !is_weight && quantize->get_levels() < kLevels) take_all_levels(*quantize);
  }
}

void give_quantizers_own_steps(ov::Model& model) {
  for (const auto& node : model.get_ordered_ops()) {
    if (const auto quantize = std::dynamic_pointer_cast<FakeQuantize>(node)) give_own_step(*quantize);
  }
}

}  // namespace dsc
