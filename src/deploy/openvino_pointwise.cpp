// A strided 1x1 convolution of quantised activations, as ResNet's shortcuts have:
//
//   before  Convolution(FakeQuantize(x), w, strides 2)      after  Convolution(StridedSlice(FakeQuantize(x), steps 2), w, strides 1)
//
// OpenVINO 2026.4's INT8 kernel without AVX-512 (jit_avx2_1x1_I8) gathers the elements that such a convolution reads into a
// buffer for each thread, 16 channels at a time, also where 8 are left: the rest lands in the next thread's buffer, and the
// result depends on which thread is faster (of 60 runs with 72 channels and two threads, 45 were wrong).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <openvino/core/graph_util.hpp>
#include <openvino/core/model.hpp>
#include <openvino/core/rt_info.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/convolution.hpp>
#include <openvino/op/fake_quantize.hpp>
#include <openvino/op/strided_slice.hpp>
#include <vector>

#include "deploy/openvino_decoder.h"

namespace dsc {
namespace {

constexpr std::int64_t kGatheredChannels = 16;  // at a time

template <class Numbers>
bool all(const Numbers& numbers, std::size_t value) {
  return std::all_of(numbers.begin(), numbers.end(), [&](auto number) { return static_cast<std::size_t>(number) == value; });
}

// Done on every processor, since files are portable: the slice costs about what the kernel saves.
bool reads_a_part_of_quantised_channels(const ov::op::v1::Convolution& convolution) {
  const ov::PartialShape& weight = convolution.get_input_partial_shape(1);
  if (!weight.is_static() || weight.size() < 3) return false;
  const ov::Shape sizes = weight.to_shape();
  if (!all(std::vector(sizes.begin() + 2, sizes.end()), 1) || all(convolution.get_strides(), 1)) return false;
  if (!all(convolution.get_pads_begin(), 0) || !all(convolution.get_pads_end(), 0)) return false;
  return sizes[1] % kGatheredChannels != 0 && ov::is_type<ov::op::v0::FakeQuantize>(convolution.get_input_node_ptr(0));
}

void slice_in_front(ov::op::v1::Convolution& convolution) {
  const ov::Strides strides = convolution.get_strides();
  const std::size_t rank = strides.size() + 2;
  std::vector<std::int64_t> steps{1, 1};
  steps.insert(steps.end(), strides.begin(), strides.end());
  const auto constant = [&](const std::vector<std::int64_t>& values) { return ov::op::v0::Constant::create(ov::element::i64, {rank}, values); };
  const std::vector<std::int64_t> zeros(rank, 0), whole(rank, 1);  // ones of a mask: from the first to the last
  const auto slice = std::make_shared<ov::op::v1::StridedSlice>(
      convolution.input_value(0), constant(zeros), constant(zeros), constant(steps), whole, whole);
  slice->set_friendly_name(convolution.get_friendly_name() + "/StridedSlice");
  ov::copy_runtime_info(convolution.shared_from_this(), slice);
  convolution.input(0).replace_source_output(slice);
  convolution.set_strides(ov::Strides(strides.size(), 1));
  convolution.validate_and_infer_types();
}

}  // namespace

void slice_before_pointwise(ov::Model& model) {
  for (const auto& node : model.get_ordered_ops()) {
    const auto convolution = ov::as_type_ptr<ov::op::v1::Convolution>(node);
    if (convolution && reads_a_part_of_quantised_channels(*convolution)) slice_in_front(*convolution);
  }
}

}  // namespace dsc
