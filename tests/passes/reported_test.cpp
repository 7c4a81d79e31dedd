// Networks that users of other compression tools reported as broken there, cut and quantised by this one.
//
//   github.com/VainF/Torch-Pruning              #146 #268 #415 #451 #481
//   github.com/tianyic/only_train_once_personal_footprint   #39 #50
//   github.com/microsoft/nni                    #5416
//   github.com/pytorch/pytorch                  #36888 #39239 #173075
//   github.com/openvinotoolkit/nncf             #1715 #1936
//   github.com/Tencent/ncnn                     #1304
#include <gtest/gtest.h>

#include <string>

#include "deploy/openvino_engine.h"
#include "deploy/text_model.h"
#include "ops/cut_check.h"
#include "passes/quantize/trained_network.h"

namespace dsc {
namespace {

struct Reported {
  const char* name;
  std::size_t groups;  // that can shrink
  const char* graph;
};

std::ostream& operator<<(std::ostream& out, const Reported& reported) { return out << reported.name; }

class ReportedCut : public testing::TestWithParam<Reported> {};

TEST_P(ReportedCut, EqualsTheNetworkWithThoseChannelsZeroed) {
  const Model model = test::text_model(GetParam().graph);
  const ChannelGroups groups(model);
  EXPECT_EQ(groups.groups().size(), GetParam().groups) << test::describe(groups);
  for (std::uint64_t seed : {1, 2, 3}) test::expect_cut_equals_zeroed(model, 0.3 * static_cast<double>(seed), seed);
}

INSTANTIATE_TEST_SUITE_P(Prune, ReportedCut, testing::Values(
    // Torch-Pruning #146, #415: a tensor concatenated with itself; the reader kept the channels of one copy.
    Reported{"ConcatenatedWithItself", 2, R"text(graph {
      param %w1 "c1.weight": f32[8, 3, 1, 1]
      param %g "bn.weight": f32[8]
      param %b "bn.bias": f32[8]
      buffer %m "bn.running_mean": f32[8]
      buffer %v "bn.running_var": f32[8]
      param %w2 "c2.weight": f32[6, 16, 1, 1]
      param %w3 "c3.weight": f32[4, 6, 1, 1]
      input %x: f32[s0{2}, 3, 7, 7]
      %c1: f32[s0{2}, 8, 7, 7] = aten.conv2d.default(input=%x, weight=%w1, bias=None)
      %n: f32[s0{2}, 8, 7, 7] = aten.batch_norm.default(input=%c1, weight=%g, bias=%b, running_mean=%m, running_var=%v, training=false, momentum=0.1, eps=1e-05, cudnn_enabled=false)
      %r: f32[s0{2}, 8, 7, 7] = aten.gelu.default(self=%n)
      %cat: f32[s0{2}, 16, 7, 7] = aten.cat.default(tensors=[%r, %r], dim=1)
      %c2: f32[s0{2}, 6, 7, 7] = aten.conv2d.default(input=%cat, weight=%w2, bias=None)
      %r2: f32[s0{2}, 6, 7, 7] = aten.relu.default(self=%c2)
      %c3: f32[s0{2}, 4, 7, 7] = aten.conv2d.default(input=%r2, weight=%w3, bias=None)
      output %c3
    })text"},
    // Torch-Pruning #481: branches of a wide and deep network, one of a single output, became one group.
    Reported{"WideAndDeep", 3, R"text(graph {
      param %w1 "mlp.0.weight": f32[16, 12]
      param %w2 "mlp.1.weight": f32[8, 16]
      param %w3 "mlp.2.weight": f32[1, 8]
      param %w4 "linear.weight": f32[3, 12]
      param %w5 "lin2.weight": f32[1, 4]
      input %x: f32[s0{2}, 12]
      %a: f32[s0{2}, 16] = aten.linear.default(input=%x, weight=%w1, bias=None)
      %ar: f32[s0{2}, 16] = aten.relu.default(self=%a)
      %b: f32[s0{2}, 8] = aten.linear.default(input=%ar, weight=%w2, bias=None)
      %br: f32[s0{2}, 8] = aten.relu.default(self=%b)
      %c: f32[s0{2}, 1] = aten.linear.default(input=%br, weight=%w3, bias=None)
      %d: f32[s0{2}, 3] = aten.linear.default(input=%x, weight=%w4, bias=None)
      %cat: f32[s0{2}, 4] = aten.cat.default(tensors=[%d, %c], dim=-1)
      %e: f32[s0{2}, 1] = aten.linear.default(input=%cat, weight=%w5, bias=None)
      %s: f32[s0{2}, 1] = aten.sigmoid.default(self=%e)
      output %s
    })text"},
    // Torch-Pruning #451: each channel of a 1-D convolution becomes several inputs of the layer behind flatten.
    Reported{"FlattenedSequences", 2, R"text(graph {
      param %w1 "conv1.weight": f32[12, 1, 3]
      param %b1 "conv1.bias": f32[12]
      param %w2 "conv2.weight": f32[8, 12, 3]
      param %w3 "dense.weight": f32[2, 32]
      input %x: f32[s0{2}, 1, 4]
      %c1: f32[s0{2}, 12, 4] = aten.conv1d.default(input=%x, weight=%w1, bias=%b1, stride=[1], padding=[1])
      %r1: f32[s0{2}, 12, 4] = aten.relu.default(self=%c1)
      %c2: f32[s0{2}, 8, 4] = aten.conv1d.default(input=%r1, weight=%w2, bias=None, stride=[1], padding=[1])
      %r2: f32[s0{2}, 8, 4] = aten.relu.default(self=%c2)
      %f: f32[s0{2}, 32] = aten.flatten.using_ints(self=%r2, start_dim=1)
      %d: f32[s0{2}, 2] = aten.linear.default(input=%f, weight=%w3, bias=None)
      output %d
    })text"},
    // only_train_once #50: one layer reads two pieces of a split, another the rest.
    Reported{"SharedLayerBehindASplit", 3, R"text(graph {
      param %w1 "block1.weight": f32[16, 4, 1, 1]
      param %w2 "block2.weight": f32[6, 4, 1, 1]
      param %w3 "block3.weight": f32[4, 8, 1, 1]
      param %w4 "tail.weight": f32[2, 6, 1, 1]
      input %x: f32[s0{2}, 4, 5, 5]
      %c: f32[s0{2}, 16, 5, 5] = aten.conv2d.default(input=%x, weight=%w1, bias=None)
      [%p: f32[s0{2}, 4, 5, 5], %q: f32[s0{2}, 4, 5, 5], %r: f32[s0{2}, 8, 5, 5]] = aten.split_with_sizes.default(self=%c, split_sizes=[4, 4, 8], dim=1)
      %a: f32[s0{2}, 6, 5, 5] = aten.conv2d.default(input=%p, weight=%w2, bias=None)
      %b: f32[s0{2}, 6, 5, 5] = aten.conv2d.default(input=%q, weight=%w2, bias=None)
      %sum: f32[s0{2}, 6, 5, 5] = aten.mul.Tensor(self=%a, other=%b)
      %t: f32[s0{2}, 2, 5, 5] = aten.conv2d.default(input=%sum, weight=%w4, bias=None)
      %d: f32[s0{2}, 4, 5, 5] = aten.conv2d.default(input=%r, weight=%w3, bias=None)
      output %t
      output %d
    })text"},
    // nni #5416: halves of a layer's channels multiply each other (NAFNet's gate).
    Reported{"GateOfHalves", 1, R"text(graph {
      param %w1 "c1.weight": f32[12, 3, 1, 1]
      param %b1 "c1.bias": f32[12]
      param %w2 "c2.weight": f32[4, 6, 1, 1]
      input %x: f32[s0{2}, 3, 6, 6]
      %pad: f32[s0{2}, 3, 8, 8] = aten.pad.default(self=%x, pad=[1, 1, 1, 1], mode="constant", value=0.0)
      %c: f32[s0{2}, 12, 8, 8] = aten.conv2d.default(input=%pad, weight=%w1, bias=%b1)
      [%a: f32[s0{2}, 6, 8, 8], %b: f32[s0{2}, 6, 8, 8]] = aten.chunk.default(self=%c, chunks=2, dim=1)
      %m: f32[s0{2}, 6, 8, 8] = aten.mul.Tensor(self=%a, other=%b)
      %d: f32[s0{2}, 4, 8, 8] = aten.conv2d.default(input=%m, weight=%w2, bias=None)
      output %d
    })text"},
    // only_train_once #39: ShuffleNet's concatenation, shuffle and slices.
    Reported{"ShuffledChannels", 4, R"text(graph {
      param %w1 "c1.weight": f32[4, 3, 1, 1]
      param %w2 "c2.weight": f32[4, 3, 1, 1]
      param %w3 "c3.weight": f32[5, 4, 1, 1]
      param %w4 "c4.weight": f32[3, 4, 1, 1]
      input %x: f32[s0{2}, 3, 6, 6]
      %a: f32[s0{2}, 4, 6, 6] = aten.conv2d.default(input=%x, weight=%w1, bias=None)
      %b: f32[s0{2}, 4, 6, 6] = aten.conv2d.default(input=%x, weight=%w2, bias=None)
      %cat: f32[s0{2}, 8, 6, 6] = aten.cat.default(tensors=[%a, %b], dim=1)
      %view: f32[s0{2}, 2, 4, 6, 6] = aten.view.default(self=%cat, size=[-1, 2, 4, 6, 6])
      %turned: f32[s0{2}, 4, 2, 6, 6] = aten.transpose.int(self=%view, dim0=1, dim1=2)
      %flat: f32[s0{2}, 8, 6, 6] = aten.reshape.default(self=%turned, shape=[-1, 8, 6, 6])
      %low: f32[s0{2}, 4, 6, 6] = aten.slice.Tensor(self=%flat, dim=1, start=0, end=4)
      %high: f32[s0{2}, 4, 6, 6] = aten.slice.Tensor(self=%flat, dim=1, start=4, end=8)
      %c: f32[s0{2}, 5, 6, 6] = aten.conv2d.default(input=%low, weight=%w3, bias=None)
      %d: f32[s0{2}, 3, 6, 6] = aten.conv2d.default(input=%high, weight=%w4, bias=None)
      output %c
      output %d
    })text"},
    // Torch-Pruning #268: group norms behind a concatenation of two widths.
    Reported{"GroupNormBehindAConcatenation", 3, R"text(graph {
      param %w1 "c1.weight": f32[8, 3, 1, 1]
      param %w2 "c2.weight": f32[4, 3, 1, 1]
      param %g "gn.weight": f32[12]
      param %b "gn.bias": f32[12]
      param %w3 "c3.weight": f32[2, 12, 1, 1]
      input %x: f32[s0{2}, 3, 5, 5]
      %a: f32[s0{2}, 8, 5, 5] = aten.conv2d.default(input=%x, weight=%w1, bias=None)
      %c: f32[s0{2}, 4, 5, 5] = aten.conv2d.default(input=%x, weight=%w2, bias=None)
      %cat: f32[s0{2}, 12, 5, 5] = aten.cat.default(tensors=[%a, %c], dim=1)
      %n: f32[s0{2}, 12, 5, 5] = aten.group_norm.default(input=%cat, num_groups=3, weight=%g, bias=%b)
      %d: f32[s0{2}, 2, 5, 5] = aten.conv2d.default(input=%n, weight=%w3, bias=None)
      output %d
    })text"}),
    [](const auto& info) { return std::string(info.param.name); });

// Quantised after training on `inputs`, in the graph and in OpenVINO's kernels beside f32.
void expect_quantises(const char* graph, const std::vector<at::Tensor>& inputs, double tolerance) {
  const Model base = test::text_model(graph);
  Model model = base.clone();
  test::MemoryDataset data(inputs.at(0), {});
  test::FakeContext context(model, {.train = &data});
  const PassResult result = test::quantize("{}").run(model, context);
  EXPECT_GT(test::statistic(result, "weight_grids"), 0);
  const at::Tensor expected = test::run_model(base, inputs[0]), found = test::run_model(model, inputs[0]);
  const double scale = std::max(1e-6, expected.abs().max().item<double>());
  EXPECT_LE((found - expected).abs().max().item<double>() / scale, tolerance);
  if (!openvino_available()) return;
  EXPECT_LE((make_openvino_engine(model)->run(inputs)[0] - found).abs().max().item<double>() / scale, 0.02);
}

constexpr const char* kTwoLayers = R"text(graph {
  param %w1 "c1.weight": f32[8, 3, 3, 3]
  param %b1 "c1.bias": f32[8]
  param %w2 "c2.weight": f32[4, 8, 3, 3]
  input %x: f32[s0{2}, 3, 6, 6]
  %c1: f32[s0{2}, 8, 6, 6] = aten.conv2d.default(input=%x, weight=%w1, bias=%b1, stride=[1, 1], padding=[1, 1])
  %r: f32[s0{2}, 8, 6, 6] = aten.relu.default(self=%c1)
  %c2: f32[s0{2}, 4, 6, 6] = aten.conv2d.default(input=%r, weight=%w2, bias=None, stride=[1, 1], padding=[1, 1])
  output %c2
})text";

// pytorch #39239, #36888: an observer that sees zeros alone has no range to divide by.
TEST(ReportedQuantize, CalibrationOnZeros) { expect_quantises(kTwoLayers, {at::zeros({8, 3, 6, 6})}, 0.03); }

// pytorch #173075: a narrow range far from zero. Zero has to be exact (padding), so steps are coarse, but no coarser than that.
TEST(ReportedQuantize, LargeValuesOfANarrowRange) { expect_quantises(kTwoLayers, {test::noise({8, 3, 6, 6}, 1, 0.3) + 1000}, 0.03); }

// nncf #1715: two layers share a weight; it has one grid, whoever reads it.
TEST(ReportedQuantize, SharedWeights) {
  expect_quantises(R"text(graph {
    param %w "c.weight": f32[3, 3, 3, 3]
    input %x: f32[s0{2}, 3, 6, 6]
    %a: f32[s0{2}, 3, 6, 6] = aten.conv2d.default(input=%x, weight=%w, bias=None, stride=[1, 1], padding=[1, 1])
    %r: f32[s0{2}, 3, 6, 6] = aten.relu.default(self=%a)
    %b: f32[s0{2}, 3, 6, 6] = aten.conv2d.default(input=%r, weight=%w, bias=None, stride=[1, 1], padding=[1, 1])
    output %b
  })text", {test::noise({16, 3, 6, 6}, 2)}, 0.03);
}

// ncnn #1304: grouped convolutions that are not depthwise.
TEST(ReportedQuantize, GroupedConvolutions) {
  expect_quantises(R"text(graph {
    param %w1 "c1.weight": f32[8, 2, 3, 3]
    param %w2 "c2.weight": f32[6, 4, 3, 3]
    input %x: f32[s0{2}, 4, 6, 6]
    %a: f32[s0{2}, 8, 6, 6] = aten.conv2d.default(input=%x, weight=%w1, bias=None, stride=[1, 1], padding=[1, 1], dilation=[1, 1], groups=2)
    %r: f32[s0{2}, 8, 6, 6] = aten.relu.default(self=%a)
    %b: f32[s0{2}, 6, 6, 6] = aten.conv2d.default(input=%r, weight=%w2, bias=None, stride=[1, 1], padding=[1, 1], dilation=[1, 1], groups=2)
    output %b
  })text", {test::noise({16, 4, 6, 6}, 3)}, 0.03);
}

// nncf #1936: two layers read one concatenation, whose parts have ranges of their own.
TEST(ReportedQuantize, ConcatenationThatTwoLayersRead) {
  expect_quantises(R"text(graph {
    param %w1 "c1.weight": f32[4, 3, 1, 1]
    param %w2 "c2.weight": f32[5, 7, 1, 1]
    param %w3 "c3.weight": f32[5, 7, 3, 3]
    input %x: f32[s0{2}, 3, 6, 6]
    %a: f32[s0{2}, 4, 6, 6] = aten.conv2d.default(input=%x, weight=%w1, bias=None)
    %cat: f32[s0{2}, 7, 6, 6] = aten.cat.default(tensors=[%a, %x], dim=1)
    %b: f32[s0{2}, 5, 6, 6] = aten.conv2d.default(input=%cat, weight=%w2, bias=None)
    %c: f32[s0{2}, 5, 6, 6] = aten.conv2d.default(input=%cat, weight=%w3, bias=None, stride=[1, 1], padding=[1, 1])
    %d: f32[s0{2}, 5, 6, 6] = aten.add.Tensor(self=%b, other=%c)
    output %d
  })text", {test::noise({16, 3, 6, 6}, 4)}, 0.03);
}

}  // namespace
}  // namespace dsc
