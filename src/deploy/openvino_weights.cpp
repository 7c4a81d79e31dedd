// FakeQuantize over a Constant, as integers:
//
//   before  FakeQuantize(Constant f32 [64, 32, 3, 3], low, high)
//   after   Multiply(Subtract(Convert(Constant i8), zero_point), scale)      no Subtract where zero_point is 0
//
// At most 16 levels are stored as i4, groups as [channels, groups, group], which the plugins' weight decompression takes. Integer
// kernels take i8 alone: where activations are integers too, a Convert to i8 lies between, which is folded on loading.
// Leaves alone: more than 256 levels, and output ranges that differ from the input's.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <openvino/core/graph_util.hpp>
#include <openvino/core/model.hpp>
#include <openvino/core/rt_info.hpp>
#include <openvino/op/add.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/convert.hpp>
#include <openvino/op/fake_quantize.hpp>
#include <openvino/op/multiply.hpp>
#include <openvino/op/reshape.hpp>
#include <openvino/op/subtract.hpp>
#include <openvino/op/util/gather_base.hpp>
#include <optional>
#include <vector>

#include "deploy/openvino_decoder.h"

namespace dsc {
namespace {

using ov::op::v0::Constant;
using ov::op::v0::FakeQuantize;

std::shared_ptr<Constant> constant_input(const FakeQuantize& node, std::size_t i) {
  return std::dynamic_pointer_cast<Constant>(node.get_input_node_shared_ptr(i));
}

struct Range {
  std::vector<float> low, high;
  ov::Shape shape;
  std::size_t scale_count() const { return low.size(); }
};

std::optional<Range> find_range(const FakeQuantize& node) {
  const auto low = constant_input(node, 1), high = constant_input(node, 2);
  const auto out_low = constant_input(node, 3), out_high = constant_input(node, 4);
  if (!low || !high || !out_low || !out_high || low->get_shape() != high->get_shape()) return std::nullopt;
  Range range{low->cast_vector<float>(), high->cast_vector<float>(), low->get_shape()};
  if (out_low->cast_vector<float>() != range.low || out_high->cast_vector<float>() != range.high) return std::nullopt;
  return range;
}

struct IntegerWeights {
  at::Tensor values;               // i8, of the data's shape
  std::vector<float> scale, zero_point;
};

at::Tensor broadcast(const std::vector<float>& values, const ov::Shape& shape) {
  return at::tensor(values, at::kDouble).reshape(std::vector<std::int64_t>(shape.begin(), shape.end()));
}

// Levels are numbered from the lowest signed integer that makes a symmetric range symmetric: -127 for 255, -128 for 256.
IntegerWeights quantize(const Constant& data, const Range& range, std::size_t levels) {
  IntegerWeights result;
  const auto lowest = -static_cast<double>(levels / 2);
  for (std::size_t c = 0; c < range.low.size(); ++c) {
    const double step = (static_cast<double>(range.high[c]) - range.low[c]) / static_cast<double>(levels - 1);
    result.scale.push_back(static_cast<float>(step));
    result.zero_point.push_back(static_cast<float>(std::nearbyint(lowest - (step > 0 ? range.low[c] / step : 0))));
  }
  const at::Tensor step = broadcast(result.scale, range.shape), zero = broadcast(result.zero_point, range.shape);
  const std::vector<float> elements = data.cast_vector<float>();
  const ov::Shape shape = data.get_shape();
  at::Tensor level = at::tensor(at::ArrayRef<float>(elements), at::kDouble).reshape(std::vector<std::int64_t>(shape.begin(), shape.end()));
  level.div_(at::where(step > 0, step, 1.0)).round_().add_(zero).mul_(step > 0);
  result.values = level.clamp_(lowest, lowest + static_cast<double>(levels - 1)).to(at::kChar).contiguous();
  return result;
}

// Rows of groups as a third dimension, where the result is reshaped to the weight's own two. Empty: no groups.
ov::Shape shape_of_groups(const FakeQuantize& node, const ov::Shape& data) {
  const auto users = node.get_output_target_inputs(0);
  if (users.size() != 1 || data.size() != 2) return {};
  const auto* reshape = dynamic_cast<const ov::op::v1::Reshape*>(users.begin()->get_node());
  if (!reshape || reshape->get_output_partial_shape(0).is_dynamic()) return {};
  const ov::Shape weight = reshape->get_output_shape(0);
  if (weight.size() != 2 || weight[0] == 0 || data[0] % weight[0] != 0 || data[0] == weight[0]) return {};
  return {weight[0], data[0] / weight[0], data[1]};
}

// Whether OpenVINO's linear layers that decompress their weights as they go compute with groups of this length. Found by trying
// lengths from 2 to 256 with few rows on the CPU plugin of 2026.4: with others it gives wrong numbers, or NaN, and no error.
bool fits_kernels(std::size_t group, const ov::element::Type& type) {
  return group % 4 == 0 && (type == ov::element::i8 || group <= 32 || group % 32 == 0);
}

bool is_table(const FakeQuantize& node) {
  const auto users = node.get_output_target_inputs(0);
  return !users.empty() && std::all_of(users.begin(), users.end(), [](const auto& user) {
    return dynamic_cast<const ov::op::util::GatherBase*>(user.get_node()) != nullptr;
  });
}

void store_as_integers(const std::shared_ptr<FakeQuantize>& node, bool weights_alone) {
  const auto data = constant_input(*node, 0);
  const auto range = find_range(*node);
  if (!data || !range || node->get_levels() > 256 || range->shape.size() > data->get_shape().size()) return;
  const IntegerWeights weights = quantize(*data, *range, node->get_levels());
  const ov::Shape groups = shape_of_groups(*node, data->get_shape());
  const ov::Shape shape = groups.empty() ? data->get_shape() : groups;
  const ov::Shape scales = groups.empty() || range->scale_count() == 1 ? range->shape : ov::Shape{groups[0], groups[1], 1};
  const bool is_packed = node->get_levels() <= 16;
  const auto type = is_packed ? ov::element::i4 : ov::element::i8;
  const auto* begin = weights.values.const_data_ptr<std::int8_t>();
  const auto integers = Constant::create(type, shape, std::vector<std::int8_t>(begin, begin + weights.values.numel()));
  integers->set_friendly_name(data->get_friendly_name());
  std::shared_ptr<ov::Node> whole = integers;
  if (is_packed && !weights_alone && !is_table(*node)) whole = std::make_shared<ov::op::v0::Convert>(integers, ov::element::i8);
  const auto convert = std::make_shared<ov::op::v0::Convert>(whole, ov::element::f32);
  convert->set_friendly_name(data->get_friendly_name() + "/Convert");
  std::shared_ptr<ov::Node> centred = convert;
  const bool symmetric = std::all_of(weights.zero_point.begin(), weights.zero_point.end(), [](float z) { return z == 0; });
  if (!symmetric) centred = std::make_shared<ov::op::v1::Subtract>(convert, Constant::create(ov::element::f32, scales, weights.zero_point));
  const auto scaled = std::make_shared<ov::op::v1::Multiply>(centred, Constant::create(ov::element::f32, scales, weights.scale));
  std::shared_ptr<ov::Node> result = scaled;
  if (!groups.empty() && !fits_kernels(groups[2], type)) {
    // Zeros that keep such kernels from being chosen: the file stays small, the plugin computes the weights when it loads it.
    result = std::make_shared<ov::op::v1::Add>(scaled, Constant::create(ov::element::f32, {1, 1, 1}, {0.0F}));
  }
  ov::copy_runtime_info(node, {whole, convert, centred, scaled, result});
  result->set_friendly_name(node->get_friendly_name());
  ov::replace_node(node, result);
}

}  // namespace

void store_integer_weights(ov::Model& model) {
  const auto nodes = model.get_ordered_ops();
  const bool weights_alone = std::none_of(nodes.begin(), nodes.end(), [](const auto& node) {
    const auto quantize = std::dynamic_pointer_cast<FakeQuantize>(node);
    return quantize && !constant_input(*quantize, 0);
  });
  for (const auto& node : nodes) {
    if (const auto quantize = std::dynamic_pointer_cast<FakeQuantize>(node)) store_as_integers(quantize, weights_alone);
  }
}

}  // namespace dsc
