// One small network for each way in which operators tie channels: cut at random, compared with the zeroed network.
#include <gtest/gtest.h>

#include <string>

#include "ops/cut_check.h"
#include "ops/text_model.h"

namespace dsc {
namespace {

struct Case {
  const char* name;
  std::size_t groups;  // expected
  const char* body;
};

const Case kCases[] = {
    {"ConcatenationKeepsOffsets", 2, R"(
  param %w1 "a.weight": f32[6, 3, 1, 1]
  param %w2 "b.weight": f32[4, 3, 1, 1]
  param %w3 "c.weight": f32[5, 10, 1, 1]
  input %x: f32[s0{2}, 3, 4, 4]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  %b: f32[] = aten.conv2d.default(input=%x, weight=%w2)
  %c: f32[] = aten.cat.default(tensors=[%a, %b], dim=1)
  %r: f32[] = aten.relu.default(self=%c)
  %y: f32[] = aten.conv2d.default(input=%r, weight=%w3)
  output %y
)"},
    {"ChunksHaveTheirOwnGroups", 2, R"(
  param %w1 "a.weight": f32[8, 3, 1, 1]
  param %w2 "b.weight": f32[5, 4, 1, 1]
  param %w3 "c.weight": f32[5, 4, 1, 1]
  input %x: f32[s0{2}, 3, 4, 4]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  [%b: f32[], %c: f32[]] = aten.chunk.default(self=%a, chunks=2, dim=1)
  %d: f32[] = aten.conv2d.default(input=%b, weight=%w2)
  %e: f32[] = aten.conv2d.default(input=%c, weight=%w3)
  %y: f32[] = aten.add.Tensor(self=%d, other=%e)
  output %y
)"},
    {"SplitAndSliceFollow", 3, R"(
  param %w1 "a.weight": f32[12, 3]
  param %w2 "b.weight": f32[5, 4]
  param %w3 "c.weight": f32[5, 5]
  param %w4 "d.weight": f32[5, 3]
  input %x: f32[s0{2}, 3]
  %a: f32[] = aten.linear.default(input=%x, weight=%w1)
  [%b: f32[], %c: f32[]] = aten.split_with_sizes.default(self=%a, split_sizes=[4, 8], dim=-1)
  %d: f32[] = aten.slice.Tensor(self=%c, dim=1, start=0, end=5)
  %e: f32[] = aten.slice.Tensor(self=%c, dim=1, start=-3, end=9223372036854775807)
  %f: f32[] = aten.linear.default(input=%b, weight=%w2)
  %g: f32[] = aten.linear.default(input=%d, weight=%w3)
  %h: f32[] = aten.linear.default(input=%e, weight=%w4)
  %i: f32[] = aten.add.Tensor(self=%f, other=%g)
  %y: f32[] = aten.add.Tensor(self=%i, other=%h)
  output %y
)"},
    {"NarrowFollows", 3, R"(
  param %w1 "a.weight": f32[9, 3]
  param %w2 "b.weight": f32[5, 4]
  param %w3 "c.weight": f32[5, 3]
  input %x: f32[s0{2}, 3]
  %a: f32[] = aten.linear.default(input=%x, weight=%w1)
  %b: f32[] = aten.narrow.default(self=%a, dim=1, start=0, length=4)
  %c: f32[] = aten.narrow.default(self=%a, dim=-1, start=-3, length=3)
  %d: f32[] = aten.linear.default(input=%b, weight=%w2)
  %e: f32[] = aten.linear.default(input=%c, weight=%w3)
  %y: f32[] = aten.add.Tensor(self=%d, other=%e)
  output %y
)"},
    {"FlattenRepeatsChannels", 1, R"(
  param %w1 "a.weight": f32[6, 3, 3, 3]
  param %b1 "a.bias": f32[6]
  param %w2 "b.weight": f32[5, 54]
  input %x: f32[s0{2}, 3, 5, 5]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1, bias=%b1)
  %r: f32[] = aten.relu_.default(self=%a)
  %f: f32[] = aten.flatten.using_ints(self=%r, start_dim=1)
  %y: f32[] = aten.linear.default(input=%f, weight=%w2)
  output %y
)"},
    {"DepthwiseFollowsItsInput", 2, R"(
  param %w1 "a.weight": f32[6, 3, 1, 1]
  param %w2 "b.weight": f32[6, 1, 3, 3]
  param %w3 "c.weight": f32[8, 6, 1, 1]
  param %w4 "d.weight": f32[5, 8, 1, 1]
  input %x: f32[s0{2}, 3, 5, 5]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  %b: f32[] = aten.conv2d.default(input=%a, weight=%w2, bias=None, stride=[1, 1], padding=[1, 1], dilation=[1, 1], groups=6)
  %c: f32[] = aten.conv2d.default(input=%b, weight=%w3)
  %y: f32[] = aten.conv2d.default(input=%c, weight=%w4)
  output %y
)"},
    {"DepthwiseMultiplierAddsChannelsWithin", 2, R"(
  param %w1 "a.weight": f32[6, 3, 1, 1]
  param %w2 "b.weight": f32[18, 1, 3, 3]
  param %b2 "b.bias": f32[18]
  param %w3 "c.weight": f32[5, 18, 1, 1]
  input %x: f32[s0{2}, 3, 5, 5]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  %b: f32[] = aten.conv2d.default(input=%a, weight=%w2, bias=%b2, stride=[1, 1], padding=[1, 1], dilation=[1, 1], groups=6)
  %y: f32[] = aten.conv2d.default(input=%b, weight=%w3)
  output %y
)"},
    {"GroupedConvolutionLosesGroupsOrChannelsWithin", 3, R"(
  param %w1 "a.weight": f32[12, 3, 1, 1]
  param %w2 "b.weight": f32[20, 3, 3, 3]
  param %w3 "c.weight": f32[5, 20, 1, 1]
  input %x: f32[s0{2}, 3, 5, 5]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  %b: f32[] = aten.conv2d.default(input=%a, weight=%w2, bias=None, stride=[1, 1], padding=[1, 1], dilation=[1, 1], groups=4)
  %y: f32[] = aten.conv2d.default(input=%b, weight=%w3)
  output %y
)"},
    {"TransposedConvolution", 2, R"(
  param %w1 "a.weight": f32[6, 3, 1, 1]
  param %w2 "b.weight": f32[6, 8, 2, 2]
  param %b2 "b.bias": f32[8]
  param %w3 "c.weight": f32[5, 8, 1, 1]
  input %x: f32[s0{2}, 3, 4, 4]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  %b: f32[] = aten.conv_transpose2d.input(input=%a, weight=%w2, bias=%b2, stride=[2, 2])
  %y: f32[] = aten.conv2d.default(input=%b, weight=%w3)
  output %y
)"},
    {"GroupedTransposedConvolution", 3, R"(
  param %w1 "a.weight": f32[12, 3, 1, 1]
  param %w2 "b.weight": f32[12, 4, 2, 2]
  param %b2 "b.bias": f32[12]
  param %w3 "c.weight": f32[5, 12, 1, 1]
  input %x: f32[s0{2}, 3, 4, 4]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  %b: f32[] = aten.conv_transpose2d.input(input=%a, weight=%w2, bias=%b2, stride=[2, 2], padding=[0, 0], output_padding=[0, 0], groups=3)
  %y: f32[] = aten.conv2d.default(input=%b, weight=%w3)
  output %y
)"},
    {"OneDimensionalConvolutions", 1, R"(
  param %w1 "a.weight": f32[6, 3, 3]
  param %w2 "b.weight": f32[5, 6, 3]
  input %x: f32[s0{2}, 3, 9]
  %a: f32[] = aten.conv1d.default(input=%x, weight=%w1)
  %p: f32[] = aten.max_pool1d.default(self=%a, kernel_size=[2])
  %y: f32[] = aten.conv1d.default(input=%p, weight=%w2)
  output %y
)"},
    {"ThreeDimensionalConvolutions", 1, R"(
  param %w1 "a.weight": f32[6, 3, 3, 3, 3]
  param %w2 "b.weight": f32[5, 6, 1, 1, 1]
  input %x: f32[s0{2}, 3, 4, 4, 4]
  %a: f32[] = aten.conv3d.default(input=%x, weight=%w1)
  %p: f32[] = aten.avg_pool3d.default(self=%a, kernel_size=[2, 2, 2])
  %y: f32[] = aten.conv3d.default(input=%p, weight=%w2)
  output %y
)"},
    {"ChannelShuffleByViews", 3, R"(
  param %w1 "a.weight": f32[12, 3, 1, 1]
  param %w2 "b.weight": f32[8, 12, 1, 1]
  param %w3 "c.weight": f32[5, 8, 1, 1]
  input %x: f32[s0{2}, 3, 4, 4]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  %n: sym_int s0{2} = aten.sym_size.int(self=%x, dim=0)
  %v: f32[] = aten.view.default(self=%a, size=[%n, 3, 4, 4, 4])
  %t: f32[] = aten.transpose.int(self=%v, dim0=1, dim1=2)
  %c: f32[] = aten.contiguous.default(self=%t)
  %s: f32[] = aten.view.default(self=%c, size=[%n, 12, 4, 4])
  %b: f32[] = aten.conv2d.default(input=%s, weight=%w2)
  %y: f32[] = aten.conv2d.default(input=%b, weight=%w3)
  output %y
)"},
    {"ChannelShuffleOperator", 2, R"(
  param %w1 "a.weight": f32[12, 3, 1, 1]
  param %w3 "c.weight": f32[5, 12, 1, 1]
  input %x: f32[s0{2}, 3, 4, 4]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  %s: f32[] = aten.channel_shuffle.default(self=%a, groups=3)
  %y: f32[] = aten.conv2d.default(input=%s, weight=%w3)
  output %y
)"},
    {"PixelShuffleMovesBlocks", 1, R"(
  param %w1 "a.weight": f32[24, 3, 1, 1]
  param %w2 "b.weight": f32[5, 6, 1, 1]
  input %x: f32[s0{2}, 3, 3, 3]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  %p: f32[] = aten.pixel_shuffle.default(self=%a, upscale_factor=2)
  %y: f32[] = aten.conv2d.default(input=%p, weight=%w2)
  output %y
)"},
    {"PixelUnshuffleRepeatsChannels", 1, R"(
  param %w1 "a.weight": f32[6, 3, 1, 1]
  param %w2 "b.weight": f32[5, 24, 1, 1]
  input %x: f32[s0{2}, 3, 4, 4]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  %p: f32[] = aten.pixel_unshuffle.default(self=%a, downscale_factor=2)
  %y: f32[] = aten.conv2d.default(input=%p, weight=%w2)
  output %y
)"},
    {"SqueezeExcite", 2, R"(
  param %w1 "a.weight": f32[8, 3, 1, 1]
  param %w2 "fc1.weight": f32[4, 8, 1, 1]
  param %b2 "fc1.bias": f32[4]
  param %w3 "fc2.weight": f32[8, 4, 1, 1]
  param %b3 "fc2.bias": f32[8]
  param %w4 "b.weight": f32[5, 8, 1, 1]
  input %x: f32[s0{2}, 3, 4, 4]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  %m: f32[] = aten.mean.dim(self=%a, dim=[2, 3], keepdim=true)
  %c: f32[] = aten.conv2d.default(input=%m, weight=%w2, bias=%b2)
  %d: f32[] = aten.silu.default(self=%c)
  %e: f32[] = aten.conv2d.default(input=%d, weight=%w3, bias=%b3)
  %g: f32[] = aten.sigmoid.default(self=%e)
  %h: f32[] = aten.mul.Tensor(self=%a, other=%g)
  %y: f32[] = aten.conv2d.default(input=%h, weight=%w4)
  output %y
)"},
    {"InstanceNormAndPrelu", 1, R"(
  param %w1 "a.weight": f32[6, 3, 1, 1]
  param %g "n.weight": f32[6]
  param %h "n.bias": f32[6]
  param %p "p.weight": f32[6]
  param %w2 "b.weight": f32[5, 6, 1, 1]
  input %x: f32[s0{2}, 3, 4, 4]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  %n: f32[] = aten.instance_norm.default(input=%a, weight=%g, bias=%h, running_mean=None, running_var=None, use_input_stats=true, momentum=0.1, eps=1e-05, cudnn_enabled=false)
  %r: f32[] = aten.prelu.default(self=%n, weight=%p)
  %y: f32[] = aten.conv2d.default(input=%r, weight=%w2)
  output %y
)"},
    {"GatedFeedForward", 1, R"(
  param %w1 "gate.weight": f32[10, 6]
  param %w2 "up.weight": f32[10, 6]
  param %w3 "down.weight": f32[6, 10]
  input %x: f32[s0{2}, 4, 6]
  %a: f32[] = aten.linear.default(input=%x, weight=%w1)
  %g: f32[] = aten.silu.default(self=%a)
  %u: f32[] = aten.linear.default(input=%x, weight=%w2)
  %m: f32[] = aten.mul.Tensor(self=%g, other=%u)
  %y: f32[] = aten.linear.default(input=%m, weight=%w3)
  output %y
)"},
    {"GatedLinearUnit", 1, R"(
  param %w1 "a.weight": f32[10, 6]
  param %w2 "b.weight": f32[4, 5]
  input %x: f32[s0{2}, 6]
  %a: f32[] = aten.linear.default(input=%x, weight=%w1)
  %g: f32[] = aten.glu.default(self=%a, dim=-1)
  %y: f32[] = aten.linear.default(input=%g, weight=%w2)
  output %y
)"},
    {"FusedQkvAttention", 3, R"(
  param %w1 "qkv.weight": f32[48, 8]
  param %b1 "qkv.bias": f32[48]
  param %w2 "proj.weight": f32[8, 16]
  param %w3 "head.weight": f32[5, 8]
  input %x: f32[s0{2}, 6, 8]
  %n: sym_int s0{2} = aten.sym_size.int(self=%x, dim=0)
  %a: f32[] = aten.linear.default(input=%x, weight=%w1, bias=%b1)
  %v: f32[] = aten.reshape.default(self=%a, shape=[%n, 6, 3, 4, 4])
  %p: f32[] = aten.permute.default(self=%v, dims=[2, 0, 3, 1, 4])
  [%q: f32[], %k: f32[], %u: f32[]] = aten.unbind.int(self=%p)
  %o: f32[] = aten.scaled_dot_product_attention.default(query=%q, key=%k, value=%u)
  %t: f32[] = aten.transpose.int(self=%o, dim0=1, dim1=2)
  %r: f32[] = aten.reshape.default(self=%t, shape=[%n, 6, 16])
  %z: f32[] = aten.linear.default(input=%r, weight=%w2)
  %y: f32[] = aten.linear.default(input=%z, weight=%w3)
  output %y
)"},
    {"GroupedQueryAttentionByExpand", 4, R"(
  param %wq "q.weight": f32[24, 8]
  param %wk "k.weight": f32[8, 8]
  param %wv "v.weight": f32[8, 8]
  param %wo "o.weight": f32[5, 24]
  input %x: f32[s0{2}, 6, 8]
  %n: sym_int s0{2} = aten.sym_size.int(self=%x, dim=0)
  %q0: f32[] = aten.linear.default(input=%x, weight=%wq)
  %q1: f32[] = aten.view.default(self=%q0, size=[%n, 6, 6, 4])
  %q: f32[] = aten.transpose.int(self=%q1, dim0=1, dim1=2)
  %k0: f32[] = aten.linear.default(input=%x, weight=%wk)
  %k1: f32[] = aten.view.default(self=%k0, size=[%n, 6, 2, 4])
  %k2: f32[] = aten.transpose.int(self=%k1, dim0=1, dim1=2)
  %k3: f32[] = aten.unsqueeze.default(self=%k2, dim=2)
  %k4: f32[] = aten.expand.default(self=%k3, size=[%n, 2, 3, 6, 4])
  %k: f32[] = aten.reshape.default(self=%k4, shape=[%n, 6, 6, 4])
  %v0: f32[] = aten.linear.default(input=%x, weight=%wv)
  %v1: f32[] = aten.view.default(self=%v0, size=[%n, 6, 2, 4])
  %v2: f32[] = aten.transpose.int(self=%v1, dim0=1, dim1=2)
  %v: f32[] = aten.repeat_interleave.self_int(self=%v2, repeats=3, dim=1)
  %o: f32[] = aten.scaled_dot_product_attention.default(query=%q, key=%k, value=%v, attn_mask=None, dropout_p=0.0, is_causal=true)
  %t: f32[] = aten.transpose.int(self=%o, dim0=1, dim1=2)
  %r: f32[] = aten.reshape.default(self=%t, shape=[%n, 6, 24])
  %y: f32[] = aten.linear.default(input=%r, weight=%wo)
  output %y
)"},
    {"HeadsMergedWithTheBatch", 3, R"(
  param %wq "q.weight": f32[16, 8]
  param %wk "k.weight": f32[16, 8]
  param %wv "v.weight": f32[16, 8]
  param %wo "o.weight": f32[5, 16]
  input %x: f32[s0{2}, 6, 8]
  %n: sym_int s0{2} = aten.sym_size.int(self=%x, dim=0)
  %m: sym_int "4*s0"{8} = _operator.mul(%n, 4)
  %q0: f32[] = aten.linear.default(input=%x, weight=%wq)
  %q1: f32[] = aten.view.default(self=%q0, size=[%n, 6, 4, 4])
  %q2: f32[] = aten.transpose.int(self=%q1, dim0=1, dim1=2)
  %q: f32[] = aten.reshape.default(self=%q2, shape=[%m, 6, 4])
  %k0: f32[] = aten.linear.default(input=%x, weight=%wk)
  %k1: f32[] = aten.view.default(self=%k0, size=[%n, 6, 4, 4])
  %k2: f32[] = aten.permute.default(self=%k1, dims=[0, 2, 3, 1])
  %k: f32[] = aten.reshape.default(self=%k2, shape=[%m, 4, 6])
  %s: f32[] = aten.bmm.default(self=%q, mat2=%k)
  %z: f32[] = aten.softmax.int(self=%s, dim=-1)
  %v0: f32[] = aten.linear.default(input=%x, weight=%wv)
  %v1: f32[] = aten.view.default(self=%v0, size=[%n, 6, 4, 4])
  %v2: f32[] = aten.transpose.int(self=%v1, dim0=1, dim1=2)
  %v: f32[] = aten.reshape.default(self=%v2, shape=[%m, 6, 4])
  %o: f32[] = aten.bmm.default(self=%z, mat2=%v)
  %p: f32[] = aten.view.default(self=%o, size=[%n, 4, 6, 4])
  %t: f32[] = aten.transpose.int(self=%p, dim0=1, dim1=2)
  %r: f32[] = aten.reshape.default(self=%t, shape=[%n, 6, -1])
  %y: f32[] = aten.linear.default(input=%r, weight=%wo)
  output %y
)"},
    {"PatchesMergedWithBatchAndChannels", 2, R"(
  param %w1 "a.weight": f32[6, 3, 1, 1]
  param %w2 "b.weight": f32[8, 6]
  param %w3 "c.weight": f32[6, 8]
  param %w4 "d.weight": f32[5, 6, 1, 1]
  input %x: f32[s0{2}, 3, 4, 4]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  %v1: f32[] = aten.view.default(self=%a, size=[-1, 2, 2, 2])
  %t1: f32[] = aten.transpose.int(self=%v1, dim0=1, dim1=2)
  %v2: f32[] = aten.reshape.default(self=%t1, shape=[-1, 6, 4, 4])
  %t2: f32[] = aten.transpose.int(self=%v2, dim0=1, dim1=3)
  %v3: f32[] = aten.reshape.default(self=%t2, shape=[-1, 4, 6])
  %b: f32[] = aten.linear.default(input=%v3, weight=%w2)
  %r: f32[] = aten.relu.default(self=%b)
  %c: f32[] = aten.linear.default(input=%r, weight=%w3)
  %s: f32[] = aten.add.Tensor(self=%v3, other=%c)
  %v4: f32[] = aten.view.default(self=%s, size=[-1, 4, 4, 6])
  %t3: f32[] = aten.transpose.int(self=%v4, dim0=1, dim1=3)
  %v5: f32[] = aten.reshape.default(self=%t3, shape=[-1, 2, 2, 2])
  %t4: f32[] = aten.transpose.int(self=%v5, dim0=1, dim1=2)
  %v6: f32[] = aten.reshape.default(self=%t4, shape=[-1, 6, 4, 4])
  %y: f32[] = aten.conv2d.default(input=%v6, weight=%w4)
  output %y
)"},
    {"KernelsOfEachExample", 2, R"(
  param %w1 "a.weight": f32[4, 3, 1, 1]
  param %k "kernels": f32[3, 24]
  param %w3 "c.weight": f32[5, 6, 1, 1]
  input %x: f32[s0{2}, 3, 4, 4]
  %n: sym_int s0{2} = aten.sym_size.int(self=%x, dim=0)
  %g: f32[] = aten.mean.dim(self=%x, dim=[2, 3])
  %m: f32[] = aten.matmul.default(self=%g, other=%k)
  %w: f32[] = aten.view.default(self=%m, size=[-1, 4, 1, 1])
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  %e: f32[] = aten.relu.default(self=%a)
  %n4: sym_int "4*s0"{8} = _operator.mul(%n, 4)
  %f: f32[] = aten.reshape.default(self=%e, shape=[1, %n4, 4, 4])
  %b: f32[] = aten.conv2d.default(input=%f, weight=%w, bias=None, stride=[1, 1], padding=[0, 0], dilation=[1, 1], groups=%n)
  %c: f32[] = aten.view.default(self=%b, size=[%n, 6, 4, 4])
  %y: f32[] = aten.conv2d.default(input=%c, weight=%w3)
  output %y
)"},
    {"WindowsUnfoldedAndFolded", 2, R"(
  param %w1 "a.weight": f32[6, 3, 1, 1]
  param %w2 "b.weight": f32[54, 54]
  param %w3 "c.weight": f32[5, 6, 1, 1]
  input %x: f32[s0{2}, 3, 4, 4]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  %u: f32[] = aten.im2col.default(self=%a, kernel_size=[3, 3], dilation=[1, 1], padding=[1, 1], stride=[1, 1])
  %t: f32[] = aten.transpose.int(self=%u, dim0=1, dim1=2)
  %b: f32[] = aten.linear.default(input=%t, weight=%w2)
  %v: f32[] = aten.transpose.int(self=%b, dim0=1, dim1=2)
  %f: f32[] = aten.col2im.default(self=%v, output_size=[4, 4], kernel_size=[3, 3], dilation=[1, 1], padding=[1, 1], stride=[1, 1])
  %y: f32[] = aten.conv2d.default(input=%f, weight=%w3)
  output %y
)"},
    {"NormalisedWeights", 2, R"(
  param %w1 "a.weight": f32[6, 3, 1]
  param %v "b.v": f32[8, 6, 3]
  param %g "b.g": f32[8, 1, 1]
  param %w3 "c.weight": f32[5, 8, 1]
  input %x: f32[s0{2}, 3, 7]
  %a: f32[] = aten.conv1d.default(input=%x, weight=%w1)
  %w: f32[] = aten._weight_norm.default(v=%v, g=%g, dim=0)
  %b: f32[] = aten.conv1d.default(input=%a, weight=%w)
  %y: f32[] = aten.conv1d.default(input=%b, weight=%w3)
  output %y
)"},
    {"StackedBidirectionalLstm", 2, R"(
  param %w0 "embed.weight": f32[6, 3]
  param %a1 "l0.ih": f32[32, 6]
  param %a2 "l0.hh": f32[32, 8]
  param %a3 "l0.bih": f32[32]
  param %a4 "l0.bhh": f32[32]
  param %b1 "l0r.ih": f32[32, 6]
  param %b2 "l0r.hh": f32[32, 8]
  param %b3 "l0r.bih": f32[32]
  param %b4 "l0r.bhh": f32[32]
  param %w3 "c.weight": f32[5, 16]
  input %x: f32[s0{2}, 7, 3]
  %n: sym_int s0{2} = aten.sym_size.int(self=%x, dim=0)
  %e: f32[] = aten.linear.default(input=%x, weight=%w0)
  %h: f32[] = aten.zeros.default(size=[2, %n, 8])
  %c: f32[] = aten.zeros.default(size=[2, %n, 8])
  %y0: f32[], %y1: f32[], %y2: f32[] = aten.lstm.input(input=%e, hx=[%h, %c], params=[%a1, %a2, %a3, %a4, %b1, %b2, %b3, %b4], has_biases=true, num_layers=1, dropout=0.0, train=false, bidirectional=true, batch_first=true)
  %y: f32[] = aten.linear.default(input=%y0, weight=%w3)
  output %y
)"},
    {"GatedRecurrentLayers", 2, R"(
  param %w0 "embed.weight": f32[6, 3]
  param %a1 "l0.ih": f32[24, 6]
  param %a2 "l0.hh": f32[24, 8]
  param %b1 "l1.ih": f32[24, 8]
  param %b2 "l1.hh": f32[24, 8]
  param %w3 "c.weight": f32[5, 8]
  input %x: f32[s0{2}, 7, 3]
  %n: sym_int s0{2} = aten.sym_size.int(self=%x, dim=0)
  %e: f32[] = aten.linear.default(input=%x, weight=%w0)
  %h: f32[] = aten.zeros.default(size=[2, %n, 8])
  %y0: f32[], %y1: f32[] = aten.gru.input(input=%e, hx=%h, params=[%a1, %a2, %b1, %b2], has_biases=false, num_layers=2, dropout=0.0, train=false, bidirectional=false, batch_first=true)
  %z: f32[] = aten.select.int(self=%y1, dim=0, index=1)
  %y: f32[] = aten.linear.default(input=%z, weight=%w3)
  output %y
)"},
    {"EinsumHeads", 3, R"(
  param %wq "q.weight": f32[4, 5, 8]
  param %wk "k.weight": f32[4, 5, 8]
  param %wv "v.weight": f32[4, 6, 8]
  param %wo "o.weight": f32[4, 6, 3]
  input %x: f32[s0{2}, 6, 8]
  %q: f32[] = aten.einsum.default(equation="bld,hed->bhle", tensors=[%x, %wq])
  %k: f32[] = aten.einsum.default(equation="bld,hed->bhle", tensors=[%x, %wk])
  %v: f32[] = aten.einsum.default(equation="...ld,hed->...hle", tensors=[%x, %wv])
  %s: f32[] = aten.einsum.default(equation="bhle,bhme->bhlm", tensors=[%q, %k])
  %p: f32[] = aten.softmax.int(self=%s, dim=-1)
  %o: f32[] = aten.matmul.default(self=%p, other=%v)
  %y: f32[] = aten.einsum.default(equation="bhle,hed->bld", tensors=[%o, %wo])
  output %y
)"},
    {"RotatedHalvesGoTogether", 2, R"(
  param %wq "q.weight": f32[16, 8]
  param %wk "k.weight": f32[16, 8]
  buffer %f "inv_freq": f32[4]
  input %x: f32[s0{2}, 6, 8]
  %n: sym_int s0{2} = aten.sym_size.int(self=%x, dim=0)
  %i: f32[] = aten.arange.default(end=6)
  %if: f32[] = aten.to.dtype(self=%i, dtype=f32)
  %i1: f32[] = aten.unsqueeze.default(self=%if, dim=1)
  %f1: f32[] = aten.unsqueeze.default(self=%f, dim=0)
  %a: f32[] = aten.mul.Tensor(self=%i1, other=%f1)
  %e: f32[] = aten.cat.default(tensors=[%a, %a], dim=-1)
  %cos: f32[] = aten.cos.default(self=%e)
  %sin: f32[] = aten.sin.default(self=%e)
  %q0: f32[] = aten.linear.default(input=%x, weight=%wq)
  %q1: f32[] = aten.view.default(self=%q0, size=[%n, 6, 2, 8])
  %q: f32[] = aten.transpose.int(self=%q1, dim0=1, dim1=2)
  %l: f32[] = aten.slice.Tensor(self=%q, dim=3, start=0, end=4)
  %h: f32[] = aten.slice.Tensor(self=%q, dim=3, start=4, end=9223372036854775807)
  %g: f32[] = aten.neg.default(self=%h)
  %r: f32[] = aten.cat.default(tensors=[%g, %l], dim=-1)
  %qc: f32[] = aten.mul.Tensor(self=%q, other=%cos)
  %rs: f32[] = aten.mul.Tensor(self=%r, other=%sin)
  %qr: f32[] = aten.add.Tensor(self=%qc, other=%rs)
  %k0: f32[] = aten.linear.default(input=%x, weight=%wk)
  %k1: f32[] = aten.view.default(self=%k0, size=[%n, 6, 2, 8])
  %k: f32[] = aten.transpose.int(self=%k1, dim0=1, dim1=2)
  %kt: f32[] = aten.transpose.int(self=%k, dim0=-2, dim1=-1)
  %s: f32[] = aten.matmul.default(self=%qr, other=%kt)
  %y: f32[] = aten.sum.dim_IntList(self=%s, dim=[1])
  output %y
)"},
    {"InterleavedRotationTiesPairs", 1, R"(
  param %w "a.weight": f32[8, 3]
  param %v "b.weight": f32[5, 4]
  param %u "c.weight": f32[5, 4]
  input %x: f32[s0{2}, 3]
  %a: f32[] = aten.linear.default(input=%x, weight=%w)
  %e: f32[] = aten.slice.Tensor(self=%a, dim=1, start=0, end=9223372036854775807, step=2)
  %o: f32[] = aten.slice.Tensor(self=%a, dim=1, start=1, end=9223372036854775807, step=2)
  %b: f32[] = aten.linear.default(input=%e, weight=%v)
  %c: f32[] = aten.linear.default(input=%o, weight=%u)
  %y: f32[] = aten.add.Tensor(self=%b, other=%c)
  output %y
)"},
    {"PaddedChannelsFollowTheSum", 2, R"(
  param %w1 "a.weight": f32[6, 3, 1, 1]
  param %w2 "b.weight": f32[10, 6, 3, 3]
  param %w3 "c.weight": f32[5, 10, 1, 1]
  input %x: f32[s0{2}, 3, 8, 8]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  %b: f32[] = aten.conv2d.default(input=%a, weight=%w2, bias=None, stride=[2, 2], padding=[1, 1])
  %s: f32[] = aten.slice.Tensor(self=%a, dim=2, start=0, end=9223372036854775807, step=2)
  %t: f32[] = aten.slice.Tensor(self=%s, dim=3, start=0, end=9223372036854775807, step=2)
  %p: f32[] = aten.pad.default(self=%t, pad=[0, 0, 0, 0, 2, 2], mode="constant", value=0.0)
  %c: f32[] = aten.add.Tensor(self=%b, other=%p)
  %y: f32[] = aten.conv2d.default(input=%c, weight=%w3)
  output %y
)"},
    {"EmbeddingsAndFreeParameters", 1, R"(
  param %e "embed.weight": f32[11, 6]
  param %t "cls_token": f32[1, 1, 6]
  param %p "positions": f32[1, 5, 6]
  param %w "a.weight": f32[5, 6]
  constant %ids "ids": i64[2, 4]
  input %x: f32[s0{2}, 4, 1]
  %n: sym_int s0{2} = aten.sym_size.int(self=%x, dim=0)
  %a: f32[] = aten.embedding.default(weight=%e, indices=%ids)
  %i: f32[] = aten.slice.Tensor(self=%a, dim=0, start=0, end=1)
  %b: f32[] = aten.mul.Tensor(self=%i, other=%x)
  %c: f32[] = aten.expand.default(self=%t, size=[%n, -1, -1])
  %d: f32[] = aten.cat.default(tensors=[%c, %b], dim=1)
  %f: f32[] = aten.add.Tensor(self=%d, other=%p)
  %g: f32[] = aten.select.int(self=%f, dim=1, index=0)
  %y: f32[] = aten.linear.default(input=%g, weight=%w)
  output %y
)"},
    {"WeightUsedTwiceIsTied", 1, R"(
  param %w "a.weight": f32[6, 6]
  param %v "b.weight": f32[6, 4]
  param %u "c.weight": f32[3, 6]
  input %x: f32[s0{2}, 4]
  %a: f32[] = aten.linear.default(input=%x, weight=%v)
  %b: f32[] = aten.linear.default(input=%a, weight=%w)
  %c: f32[] = aten.relu.default(self=%b)
  %d: f32[] = aten.linear.default(input=%c, weight=%w)
  %y: f32[] = aten.linear.default(input=%d, weight=%u)
  output %y
)"},
    {"LookedUpBiasTable", 3, R"(
  param %w1 "qk.weight": f32[12, 8]
  param %w2 "v.weight": f32[12, 8]
  param %w3 "o.weight": f32[5, 12]
  param %t "table": f32[4, 3]
  constant %i "index": i64[36]
  input %x: f32[s0{2}, 6, 8]
  %n: sym_int s0{2} = aten.sym_size.int(self=%x, dim=0)
  %a: f32[] = aten.linear.default(input=%x, weight=%w1)
  %b: f32[] = aten.view.default(self=%a, size=[%n, 6, 3, 4])
  %q: f32[] = aten.transpose.int(self=%b, dim0=1, dim1=2)
  %k: f32[] = aten.transpose.int(self=%q, dim0=-2, dim1=-1)
  %s: f32[] = aten.matmul.default(self=%q, other=%k)
  %r: f32[] = aten.index.Tensor(self=%t, indices=[%i])
  %g: f32[] = aten.view.default(self=%r, size=[6, 6, -1])
  %h: f32[] = aten.permute.default(self=%g, dims=[2, 0, 1])
  %j: f32[] = aten.unsqueeze.default(self=%h, dim=0)
  %z: f32[] = aten.add.Tensor(self=%s, other=%j)
  %p: f32[] = aten.softmax.int(self=%z, dim=-1)
  %c: f32[] = aten.linear.default(input=%x, weight=%w2)
  %d: f32[] = aten.view.default(self=%c, size=[%n, 6, 3, 4])
  %v: f32[] = aten.transpose.int(self=%d, dim0=1, dim1=2)
  %o: f32[] = aten.matmul.default(self=%p, other=%v)
  %m: f32[] = aten.transpose.int(self=%o, dim0=1, dim1=2)
  %f: f32[] = aten.flatten.using_ints(self=%m, start_dim=2)
  %y: f32[] = aten.linear.default(input=%f, weight=%w3)
  output %y
)"},
    {"TransposedWeightsAndAddedProducts", 2, R"(
  param %w1 "a.weight": f32[4, 7]
  param %b1 "a.bias": f32[7]
  param %w2 "b.weight": f32[6, 7]
  param %w3 "c.weight": f32[6, 3]
  input %x: f32[s0{2}, 4]
  %a: f32[] = aten.addmm.default(self=%b1, mat1=%x, mat2=%w1)
  %t: f32[] = aten.t.default(self=%w2)
  %b: f32[] = aten.mm.default(self=%a, mat2=%t)
  %y: f32[] = aten.matmul.default(self=%b, other=%w3)
  output %y
)"},
    {"SwappedDimensionsFollow", 1, R"(
  param %w1 "a.weight": f32[6, 3]
  param %w2 "b.weight": f32[5, 6]
  input %x: f32[s0{2}, 4, 3]
  %a: f32[] = aten.linear.default(input=%x, weight=%w1)
  %b: f32[] = aten.swapdims.default(self=%a, dim0=1, dim1=2)
  %c: f32[] = aten.swapaxes.default(self=%b, axis0=-1, axis1=-2)
  %y: f32[] = aten.linear.default(input=%c, weight=%w2)
  output %y
)"},
    {"FillsAndMasksFollow", 1, R"(
  param %w1 "a.weight": f32[6, 3]
  param %w2 "b.weight": f32[5, 6]
  input %x: f32[s0{2}, 3]
  %a: f32[] = aten.linear.default(input=%x, weight=%w1)
  %z: f32[] = aten.full.default(size=[6], fill_value=0.5)
  %m: f32[] = aten.gt.Tensor(self=%a, other=%z)
  %o: f32[] = aten.where.ScalarOther(condition=%m, self=%a, other=0.0)
  %r: f32[] = aten.repeat.default(self=%z, repeats=[1, 1])
  %b: f32[] = aten.add.Tensor(self=%o, other=%r)
  %y: f32[] = aten.linear.default(input=%b, weight=%w2)
  output %y
)"},
};

class CutOperators : public testing::TestWithParam<Case> {};

TEST_P(CutOperators, EqualsZeroed) {
  Model model = test::text_model(GetParam().body);
  ChannelGroups groups(model);
  EXPECT_EQ(groups.groups().size(), GetParam().groups) << test::describe(groups);
  EXPECT_TRUE(groups.unknown_operators().empty());
  for (std::uint64_t seed = 1; seed <= 3; ++seed) test::expect_cut_equals_zeroed(model, 0.25 * static_cast<double>(seed), seed);
}

INSTANTIATE_TEST_SUITE_P(Each, CutOperators, testing::ValuesIn(kCases), [](const auto& info) { return std::string(info.param.name); });

// Of numbers from 1 to 2 (from 0 to 1 where only those have a result), so that all are finite.
class CutFunctions : public testing::TestWithParam<const char*> {};

TEST_P(CutFunctions, KeepChannels) {
  const std::string call = GetParam();
  Model model = test::text_model(R"(
  param %w1 "a.weight": f32[6, 3, 1, 1]
  param %w2 "b.weight": f32[5, 6, 1, 1]
  input %x: f32[s0{2}, 3, 4, 4]
  %a: f32[] = aten.conv2d.default(input=%x, weight=%w1)
  %s: f32[] = aten.sigmoid.default(self=%a)
  %t: f32[] = aten.add.Scalar(self=%s, other=1)
  %b: f32[] = aten.)" + call + R"(
  %y: f32[] = aten.conv2d.default(input=%b, weight=%w2)
  output %y
)");
  ChannelGroups groups(model);
  EXPECT_EQ(groups.groups().size(), 1U) << test::describe(groups);
  EXPECT_TRUE(groups.unknown_operators().empty());
  test::expect_cut_equals_zeroed(model, 0.5, 1);
}

INSTANTIATE_TEST_SUITE_P(Each, CutFunctions,
                         testing::Values("asin.default(self=%s)", "acos.default(self=%s)", "atan.default(self=%t)", "sinh.default(self=%t)",
                                         "cosh.default(self=%t)", "asinh.default(self=%t)", "acosh.default(self=%t)", "atanh.default(self=%s)",
                                         "erfc.default(self=%t)", "erfinv.default(self=%s)", "lgamma.default(self=%t)", "digamma.default(self=%t)",
                                         "polygamma.default(n=1, self=%t)", "i0.default(self=%t)", "sinc.default(self=%t)", "log10.default(self=%t)",
                                         "hardshrink.default(self=%t)", "softshrink.default(self=%t)", "special_entr.default(self=%t)",
                                         "special_erfcx.default(self=%t)", "special_i0e.default(self=%t)", "special_i1.default(self=%t)",
                                         "special_ndtri.default(self=%s)", "special_log_ndtr.default(self=%t)",
                                         "special_xlog1py.default(self=%s, other=%t)", "xlogy.Tensor(self=%s, other=%t)",
                                         "logaddexp.default(self=%s, other=%t)", "logaddexp2.default(self=%s, other=%t)",
                                         "hypot.default(self=%s, other=%t)", "copysign.Tensor(self=%s, other=%t)", "fmax.default(self=%s, other=%t)",
                                         "fmin.default(self=%s, other=%t)", "igamma.default(self=%s, other=%t)", "frac.default(self=%s)"),
                         [](const auto& info) { return std::string(info.param).substr(0, std::string(info.param).find('.')); });

}  // namespace
}  // namespace dsc
