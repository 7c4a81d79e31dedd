#include "deploy/openvino_engine.h"

#include <gtest/gtest.h>

#include "deploy/device_names.h"
#include "deploy/needs_openvino.h"
#include "deploy/text_model.h"
#include "dscompress/error.h"
#include "exec/executor.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

using test::example_tensors;
using test::text_model;

// The oracle is LibTorch's dispatcher on the same graph.
void expect_equal_outputs(const Model& model, const std::vector<at::Tensor>& inputs, Engine& engine, double tolerance = 1e-4) {
  const auto expected = Executor(model, {}).run(inputs), found = engine.run(inputs);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(found[i].sizes(), expected[i].sizes()) << "output " << i;
    ASSERT_EQ(found[i].scalar_type(), expected[i].scalar_type()) << "output " << i;
    EXPECT_TRUE(at::allclose(found[i].to(at::kFloat), expected[i].to(at::kFloat), tolerance, tolerance))
        << "output " << i << ": largest difference " << (found[i].to(at::kFloat) - expected[i].to(at::kFloat)).abs().max().item<float>();
  }
}

void expect_equal_outputs(const Model& model, double tolerance = 1e-4) {
  const auto engine = make_openvino_engine(model);
  for (const std::int64_t symbolic : {2, 5}) expect_equal_outputs(model, example_tensors(model, symbolic), *engine, tolerance);
}

struct EngineCase {
  const char* name;
  const char* text;
  double tolerance = 1e-4;
};
void PrintTo(const EngineCase& value, std::ostream* out) { *out << value.name; }
class OpenVinoEngine : public test::NeedsOpenVino {};
class SameAsLibTorch : public test::NeedsOpenVino, public testing::WithParamInterface<EngineCase> {};
TEST_P(SameAsLibTorch, ForAnyBatch) { expect_equal_outputs(text_model(GetParam().text), GetParam().tolerance); }

INSTANTIATE_TEST_SUITE_P(OpenVino, SameAsLibTorch, testing::Values(
EngineCase{"LinearGeluLayerNorm", R"text(graph {
  param %w "w": f32[6, 4]
  param %b "b": f32[6]
  param %gain "gain": f32[6]
  input %x: f32[s0{2}, 4]
  %linear: f32[s0{2}, 6] = aten.linear.default(input=%x, weight=%w, bias=%b)
  %gelu: f32[s0{2}, 6] = aten.gelu.default(self=%linear, approximate:="tanh")
  %norm: f32[s0{2}, 6] = aten.layer_norm.default(input=%gelu, normalized_shape=[6], weight=%gain)
  output %norm
})text"},
EngineCase{"AttentionWithMask", R"text(graph {
  input %q: f32[s0{2}, 2, 5, 8]
  input %k: f32[s0{2}, 2, 7, 8]
  input %v: f32[s0{2}, 2, 7, 8]
  input %keep: bool[s0{2}, 1, 5, 7]
  %lowest: f32[] = aten.scalar_tensor.default(s=-10000.0, dtype:=f32)
  %zero: f32[] = aten.scalar_tensor.default(s=0.0, dtype:=f32)
  %bias: f32[s0{2}, 1, 5, 7] = aten.where.self(condition=%keep, self=%zero, other=%lowest)
  %masked: f32[s0{2}, 2, 5, 8] = aten.scaled_dot_product_attention.default(query=%q, key=%k, value=%v, attn_mask=%bias, dropout_p=0.5, scale:=0.25)
  output %masked
})text"},
EngineCase{"AttentionToNothing", R"text(graph {
  input %x: f32[s0{2}, 2, 5, 8]
  %place: i64[5] = aten.arange.default(end=5, dtype:=i64, device:=device(cpu), pin_memory:=false)
  %row: i64[5, 1] = aten.unsqueeze.default(self=%place, dim=1)
  %earlier: bool[5, 5] = aten.lt.Tensor(self=%place, other=%row)
  %first: f32[s0{2}, 2, 5, 8] = aten.scaled_dot_product_attention.default(query=%x, key=%x, value=%x, attn_mask=%earlier)
  %lowest: f32[] = aten.scalar_tensor.default(s=-inf, dtype:=f32)
  %zero: f32[] = aten.scalar_tensor.default(s=0.0, dtype:=f32)
  %bias: f32[5, 5] = aten.where.self(condition=%earlier, self=%zero, other=%lowest)
  %second: f32[s0{2}, 2, 5, 8] = aten.scaled_dot_product_attention.default(query=%x, key=%x, value=%first, attn_mask=%bias)
  output %second
})text"},
EngineCase{"GroupedQueryAttention", R"text(graph {
  input %q: f32[s0{2}, 4, 5, 8]
  input %k: f32[s0{2}, 2, 5, 8]
  input %v: f32[s0{2}, 2, 5, 8]
  %causal: f32[s0{2}, 4, 5, 8] = aten.scaled_dot_product_attention.default(query=%q, key=%k, value=%v, is_causal=true, enable_gqa:=true)
  output %causal
})text"},
EngineCase{"EmbeddingAndPositions", R"text(graph {
  param %w "w": f32[9, 4]
  input %ids: i64[s0{2}, 3]
  %embedding: f32[s0{2}, 3, 4] = aten.embedding.default(weight=%w, indices=%ids, padding_idx=0)
  %size: sym_int s0{2} = aten.sym_size.int(self=%ids, dim=0)
  %last: sym_int "s0 - 1"{1} = _operator.sub(%size, 1)
  %range: i64[s0{2}] = aten.arange.start(start=0, end=%size, dtype:=i64, device:=device(cpu), pin_memory:=false)
  %column: i64[s0{2}, 1] = aten.unsqueeze.default(self=%range, dim=1)
  %shifted: i64[s0{2}, 1] = aten.add.Tensor(self=%column, other=%last)
  %ranks: f32[s0{2}, 1] = aten.to.dtype(self=%shifted, dtype=f32)
  %deep: f32[s0{2}, 1, 1] = aten.view.default(self=%ranks, size=[%size, 1, 1])
  %sum: f32[s0{2}, 3, 4] = aten.add.Tensor(self=%embedding, other=%deep)
  output %sum
})text"},
EngineCase{"SplitChunkUnbindCat", R"text(graph {
  input %x: f32[s0{2}, 6, 3]
  [%a: f32[s0{2}, 4, 3], %b: f32[s0{2}, 2, 3]] = aten.split.Tensor(self=%x, split_size=4, dim=1)
  [%c: f32[s0{2}, 2, 3], %d: f32[s0{2}, 2, 3]] = aten.chunk.default(self=%a, chunks=2, dim=-2)
  [%e: f32[s0{2}, 3], %f: f32[s0{2}, 3]] = aten.unbind.int(self=%c, dim=1)
  %sum: f32[s0{2}, 3] = aten.add.Tensor(self=%e, other=%f, alpha=2)
  %row: f32[s0{2}, 1, 3] = aten.unsqueeze.default(self=%sum, dim=1)
  %cat: f32[s0{2}, 5, 3] = aten.cat.default(tensors=[%d, %row, %b], dim=1)
  output %cat
})text"},
EngineCase{"JoinsWithEmptyLists", R"text(graph {
  constant %none "none": f32[0]
  input %x: f32[s0{2}, 6, 3]
  %start: f32[0] = aten.lift_fresh_copy.default(self=%none)
  %kept: f32[0] = aten.detach_.default(self=%start)
  %cat: f32[s0{2}, 6, 3] = aten.cat.default(tensors=[%kept, %x], dim=-2)
  %twice: f32[s0{2}, 12, 3] = aten.cat.default(tensors=[%cat, %kept, %x], dim=1)
  output %twice
})text"},
EngineCase{"Differences", R"text(graph {
  input %x: f32[s0{2}, 6, 3]
  input %ids: i64[s0{2}, 5]
  %first: i64[s0{2}, 1] = aten.slice.Tensor(self=%ids, dim=1, start=0, end=1)
  %before: i64[s0{2}, 1] = aten.sub.Tensor(self=%first, other=1)
  %steps: i64[s0{2}, 5] = aten.diff.default(self=%ids, n=1, dim=-1, prepend=%before)
  %jump: bool[s0{2}, 5] = aten.ne.Scalar(self=%steps, other=1)
  %changes: bool[s0{2}, 4] = aten.diff.default(self=%jump)
  %count: i64[s0{2}, 4] = aten.cumsum.default(self=%changes, dim=-1)
  %second: f32[s0{2}, 4, 3] = aten.diff.default(self=%x, n=2, dim=1)
  output %steps
  output %count
  output %second
})text"},
EngineCase{"WindowsCountedFromTheEnd", R"text(graph {
  input %x: f32[s0{2}, 4, 12, 3]
  %windows: f32[s0{2}, 4, 4, 3, 6] = aten.unfold.default(self=%x, dimension=-2, size=6, step=2)
  %flat: f32[s0{2}, 4, 4, 18] = aten.reshape.default(self=%windows, shape=[-1, 4, 4, 18])
  output %flat
})text"},
EngineCase{"SizeArithmeticInShapes", R"text(graph {
  input %x: f32[s0{2}, 6]
  %size: sym_int s0{2} = aten.sym_size.int(self=%x, dim=0)
  %twice: sym_int "2*s0"{4} = _operator.mul(%size, 2)
  %half: sym_int "((2*s0)//2)"{2} = _operator.floordiv(%twice, 2)
  %flat: f32["2*s0"{4}, 3] = aten.view.default(self=%x, size=[%twice, 3])
  %wide: f32[2, s0{2}, 3] = aten.reshape.default(self=%flat, shape=[2, %half, 3])
  %ones: f32[s0{2}, 3] = aten.full.default(size=[%half, 3], fill_value=1.5, dtype:=f32, device:=device(cpu), pin_memory:=false)
  %sum: f32[2, s0{2}, 3] = aten.add.Tensor(self=%wide, other=%ones)
  %top: f32[2, 3], %where: i64[2, 3] = aten.max.dim(self=%sum, dim=1)
  output %top
  output %where
})text"},
EngineCase{"InfiniteLiterals", R"text(graph {
  input %x: f32[s0{2}, 4]
  input %mask: bool[s0{2}, 4]
  %fill: f32[s0{2}, 4] = aten.masked_fill.Scalar(self=%x, mask=%mask, value=-inf)
  %most: f32[s0{2}, 4] = aten.clamp.default(self=%fill, min=-3.4028234663852886e+38, max=inf)
  %first: f32[s0{2}, 1] = aten.slice.Tensor(self=%x, dim=1, start=0, end=1)
  %cat: f32[s0{2}, 5] = aten.cat.default(tensors=[%fill, %first], dim=1)
  %softmax: f32[s0{2}, 5] = aten.softmax.int(self=%cat, dim=-1)
  output %softmax
  output %most
})text"},
EngineCase{"IndexingWithNone", R"text(graph {
  input %x: f32[s0{2}, 5, 3]
  constant %rows "rows": i64[2]
  %index: f32[s0{2}, 2, 3] = aten.index.Tensor(self=%x, indices=[None, %rows])
  %cut: f32[s0{2}, 1, 3] = aten.slice.Tensor(self=%index, dim=1, start=1, end=9223372036854775807)
  output %cut
})text"},
EngineCase{"NormalisationByTheBatchAlone", R"text(graph {
  input %x: f32[s0{2}, 3, 4]
  %norm: f32[s0{2}, 3, 4] = aten.batch_norm.default(input=%x, weight=None, bias=None, running_mean=None, running_var=None, training=true, momentum=0.0, eps=1e-05, cudnn_enabled=false)
  output %norm
})text"},
EngineCase{"TrainingIsOff", R"text(graph {
  param %w "w": f32[3]
  param %b "b": f32[3]
  buffer %mean "mean": f32[3]
  buffer %var "var": f32[3]
  input %x: f32[s0{2}, 3, 4]
  %norm: f32[s0{2}, 3, 4] = aten.batch_norm.default(input=%x, weight=%w, bias=%b, running_mean=%mean, running_var=%var, training=true, momentum=0.1, eps=1e-05, cudnn_enabled=false)
  %drop: f32[s0{2}, 3, 4] = aten.dropout.default(input=%norm, p=0.5, train=true)
  output %drop
})text"},
// In place: what is read after the change must see it, through every alias.
EngineCase{"ChangeThroughASliceReachesTheBase", R"text(graph {
  input %x: f32[s0{2}, 4, 4]
  %base: f32[s0{2}, 4, 4] = aten.clone.default(self=%x)
  %rows: f32[s0{2}, 2, 4] = aten.slice.Tensor(self=%base, dim=1, start=1, end=3)
  %part: f32[s0{2}, 2, 2] = aten.slice.Tensor(self=%rows, dim=2, start=2, end=4)
  %fill: f32[s0{2}, 2, 2] = aten.fill_.Scalar(self=%part, value=7.0)
  %sum: f32[s0{2}, 4, 4] = aten.add.Tensor(self=%base, other=%x)
  output %sum
  output %rows
})text"},
EngineCase{"ChangeOfTheBaseReachesItsViews", R"text(graph {
  input %x: f32[s0{2}, 4, 4]
  %base: f32[s0{2}, 4, 4] = aten.mul.Tensor(self=%x, other=2)
  %flat: f32[s0{2}, 16] = aten.view.default(self=%base, size=[-1, 16])
  %few: f32[s0{2}, 3] = aten.slice.Tensor(self=%flat, dim=1, start=0, end=3)
  [%left: f32[s0{2}, 4, 2], %right: f32[s0{2}, 4, 2]] = aten.chunk.default(self=%base, chunks=2, dim=2)
  %relu: f32[s0{2}, 4, 4] = aten.relu_.default(self=%base)
  %more: f32[s0{2}, 4, 4] = aten.add_.Tensor(self=%relu, other=%x, alpha=3)
  %twice: f32[s0{2}, 3] = aten.mul.Tensor(self=%few, other=2)
  output %twice
  output %left
  output %base
  output %flat
})text"},
EngineCase{"ChangeThroughViewsThatReorder", R"text(graph {
  input %x: f32[s0{2}, 4, 3]
  %base: f32[s0{2}, 4, 3] = aten.mul.Tensor(self=%x, other=2)
  %turned: f32[s0{2}, 3, 4] = aten.transpose.int(self=%base, dim0=1, dim1=2)
  %last: f32[3, s0{2}, 4] = aten.permute.default(self=%turned, dims=[1, 0, 2])
  %row: f32[s0{2}, 4] = aten.select.int(self=%last, dim=0, index=1)
  %column: f32[s0{2}, 4, 1] = aten.unsqueeze.default(self=%row, dim=-1)
  %add: f32[s0{2}, 4, 1] = aten.add_.Tensor(self=%column, other=5)
  %flat: f32[s0{2}, 12] = aten.view.default(self=%base, size=[-1, 12])
  %few: f32[s0{2}, 2] = aten.slice.Tensor(self=%flat, dim=1, start=3, end=5)
  %zero: f32[s0{2}, 2] = aten.zero_.default(self=%few)
  output %base
  output %turned
  output %row
})text"},
EngineCase{"ChangeOfAPartReachesTheWhole", R"text(graph {
  input %x: f32[s0{2}, 4]
  %base: f32[s0{2}, 4] = aten.mul.Tensor(self=%x, other=2)
  [%a: f32[s0{2}, 2], %b: f32[s0{2}, 2]] = aten.chunk.default(self=%base, chunks=2, dim=1)
  %relu: f32[s0{2}, 2] = aten.relu_.default(self=%b)
  %neg: f32[s0{2}, 2] = aten.neg_.default(self=%a)
  %cat: f32[s0{2}, 4] = aten.cat.default(tensors=[%relu, %a], dim=1)
  output %cat
  output %base
})text"},
EngineCase{"CopyDoesNotReachBack", R"text(graph {
  input %x: f32[s0{2}, 4]
  %copy: f32[s0{2}, 4] = aten.clone.default(self=%x)
  %set: f32[s0{2}, 4] = aten.mul_.Tensor(self=%copy, other=%x)
  %same: f32[s0{2}, 4] = aten.dropout.default(input=%copy, p=0.1, train=false)
  %more: f32[s0{2}, 4] = aten.neg_.default(self=%same)
  %sum: f32[s0{2}, 4] = aten.add.Tensor(self=%x, other=%copy)
  output %sum
})text"},
EngineCase{"InputsThatAreUnusedOrPassedThrough", R"text(graph {
  input %unused: f32[s0{2}, 4]
  input %x: f32[s0{2}, 4]
  input %self_mask: i64[s0{2}, 3]
  %relu: f32[s0{2}, 4] = aten.relu.default(self=%x)
  output %relu
  output %self_mask
  output %relu
})text"},
EngineCase{"AutocastRegion", R"text(graph {
  region autocast("cpu", bf16, true, None) "submod_1"
  region autocast("cpu", None, false, None) "submod_2" in r0
  param %w "w": f32[6, 4]
  input %x: f32[s0{2}, 4]
  %linear: bf16[s0{2}, 6] = aten.linear.default(input=%x, weight=%w, bias=None) in r0
  %relu: bf16[s0{2}, 6] = aten.relu.default(self=%linear) in r0
  %wide: f32[s0{2}, 6] = aten.to.dtype(self=%relu, dtype=f32) in r1
  %sum: f32[s0{2}, 6] = aten.add.Tensor(self=%wide, other=1.0) in r1
  output %sum
})text", 2e-2},
EngineCase{"Scatter", R"text(graph {
  input %x: f32[s0{2}, 5, 3]
  input %part: f32[s0{2}, 2, 3]
  input %row: f32[s0{2}, 3]
  %slice: f32[s0{2}, 5, 3] = aten.slice_scatter.default(self=%x, src=%part, dim=1, start=1, end=5, step=2)
  %select: f32[s0{2}, 5, 3] = aten.select_scatter.default(self=%slice, src=%row, dim=1, index=-1)
  %sum: f32[s0{2}, 5, 3] = aten.add.Tensor(self=%select, other=%x)
  output %sum
})text"},
EngineCase{"ComposedOperators", R"text(graph {
  input %x: f32[s0{2}, 4]
  input %y: f32[s0{2}, 4]
  %hard: f32[s0{2}, 4] = aten.hardshrink.default(self=%x, lambd=0.3)
  %soft: f32[s0{2}, 4] = aten.softshrink.default(self=%hard, lambd=0.2)
  %over: f32[s0{2}, 4] = aten.threshold.default(self=%soft, threshold=0.1, value=2.5)
  %quotient: f32[s0{2}, 4] = aten.addcdiv.default(self=%over, tensor1=%x, tensor2=%over, value:=0.5)
  %whole: f32[s0{2}, 4] = aten.trunc.default(self=%quotient)
  %rest: f32[s0{2}, 4] = aten.frac.default(self=%quotient)
  %power: f32[s0{2}, 4] = aten.exp2.default(self=%rest)
  %sum: f32[s0{2}, 4] = aten.add.Tensor(self=%whole, other=%power)
  %zero: f32[s0{2}, 4] = aten.sub.Tensor(self=%x, other=%x)
  %nan: f32[s0{2}, 4] = aten.div.Tensor(self=%zero, other=%zero)
  %number: f32[s0{2}, 4] = aten.nan_to_num.default(self=%nan, nan=3.0)
  %cosine: f32[s0{2}] = aten.cosine_similarity.default(x1=%x, x2=%y, dim=1)
  %count: i64[s0{2}] = aten.count_nonzero.dim_IntList(self=%hard, dim=[1])
  %norm: f32[s0{2}, 4], %mean: f32[s0{2}, 1], %spread: f32[s0{2}, 1] = aten.native_layer_norm.default(input=%y, normalized_shape=[4], weight=None, bias=None, eps=1e-05)
  output %sum
  output %number
  output %cosine
  output %count
  output %norm
})text"},
EngineCase{"KernelsOfEachExample", R"text(graph {
  param %k "kernels": f32[4, 36]
  param %b "bias": f32[4, 2]
  input %x: f32[s0{2}, 4]
  input %p: f32[s0{2}, 2, 5, 5]
  %n: sym_int s0{2} = aten.sym_size.int(self=%x, dim=0)
  %n2: sym_int "2*s0"{4} = _operator.mul(%n, 2)
  %m: f32[s0{2}, 36] = aten.matmul.default(self=%x, other=%k)
  %w: f32["2*s0"{4}, 2, 3, 3] = aten.view.default(self=%m, size=[-1, 2, 3, 3])
  %c: f32[s0{2}, 2] = aten.matmul.default(self=%x, other=%b)
  %d: f32["2*s0"{4}] = aten.view.default(self=%c, size=[-1])
  %i: f32[1, "2*s0"{4}, 5, 5] = aten.reshape.default(self=%p, shape=[1, %n2, 5, 5])
  %o: f32[1, "2*s0"{4}, 3, 3] = aten.conv2d.default(input=%i, weight=%w, bias=%d, stride=[2, 2], padding=[1, 1], dilation=[1, 1], groups=%n)
  %y: f32[s0{2}, 2, 3, 3] = aten.view.default(self=%o, size=[%n, 2, 3, 3])
  output %y
})text"},
EngineCase{"DecomposedOperators", R"text(graph {
  input %x: f32[s0{2}, 4]
  %softmax: f32[s0{2}, 4] = aten._softmax.default(self=%x, dim=-1, half_to_float=false)
  %copy: f64[s0{2}, 4] = aten._to_copy.default(self=%softmax, dtype:=f64)
  %back: f32[s0{2}, 4] = aten.to.dtype(self=%copy, dtype=f32)
  %log: f32[s0{2}, 4] = aten._log_softmax.default(self=%back, dim=-1, half_to_float=false)
  output %log
})text"}), [](const auto& info) { return std::string(info.param.name); });

TEST_F(OpenVinoEngine, RunsAResidualCnn) { expect_equal_outputs(test::tiny_residual_cnn()); }

TEST_F(OpenVinoEngine, ReportsLayersByTheirNodes) {
  const auto layers = make_openvino_engine(test::tiny_residual_cnn())->layers();
  const auto found = std::find_if(layers.begin(), layers.end(), [](const LayerReport& l) { return l.type == "Convolution"; });
  ASSERT_NE(found, layers.end());
  EXPECT_EQ(found->name, "conv2d,relu");  // the batch norm between them is in the weights
  EXPECT_EQ(found->precision, "f32");
  EXPECT_EQ(found->device, "CPU");
  EXPECT_FALSE(found->primitive.empty());
}

TEST_F(OpenVinoEngine, FixedShapesGiveTheSameOutputs) {
  const Model model = test::tiny_mlp();
  const auto engine = make_openvino_engine(model, {.threads = 1, .performance = "throughput", .shapes = {{3, 8}}});
  expect_equal_outputs(model, example_tensors(model, 3), *engine);
}

TEST_F(OpenVinoEngine, RunsAgainWithOtherSizesAndKeepsEarlierOutputs) {
  const Model model = test::tiny_mlp();
  const auto engine = make_openvino_engine(model);
  const auto first = engine->run(example_tensors(model, 3)).at(0);
  const at::Tensor copy = first.clone();
  engine->run({at::ones({4, 8})});
  EXPECT_TRUE(at::equal(first, copy));
}

std::string refusal(const std::function<void()>& body, ErrorCode code) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.to_text();
  }
  ADD_FAILURE() << "nothing was refused";
  return "";
}

TEST_F(OpenVinoEngine, RefusesAllOperatorsThatItCannotConvert) {
  const Model model = text_model(R"text(graph {
    input %x: f32[s0{2}, 4]
    %first: f32[s0{2}, 4] = aten.special_bessel_j0.default(self=%x) {"stack_trace": "File \"net.py\", line 7, in forward\n    y = bessel(x)"}
    %relu: f32[s0{2}, 4] = aten.relu.default(self=%first)
    %second: f32[s0{2}, 4] = aten.igamma.default(self=%relu, other=%x)
    output %second
  })text");
  const std::string text = refusal([&] { make_openvino_engine(model); }, ErrorCode::unsupported);
  for (const char* part : {"aten.special_bessel_j0.default", "net.py:7", "%first", "aten.igamma.default", "%second"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is missing in:\n" << text;
  }
  EXPECT_EQ(text.find("relu"), std::string::npos) << text;
}

TEST_F(OpenVinoEngine, RefusesOperatorsThatNobodyRegistered) {
  const Model model = text_model(R"text(graph {
    input %x: f32[s0{2}, 4]
    %y: f32[s0{2}, 4] = my.operator.default(%x)
    output %y
  })text");
  EXPECT_NE(refusal([&] { make_openvino_engine(model); }, ErrorCode::unsupported).find("my.operator.default"), std::string::npos);
}

TEST_F(OpenVinoEngine, RefusesAChangeThatCannotBeCarriedToTheWhole) {
  const Model model = text_model(R"text(graph {
    input %x: f32[s0{2}, 4]
    %base: f32[s0{2}, 4] = aten.mul.Tensor(self=%x, other=2)
    %wide: f32[3, s0{2}, 4] = aten.expand.default(self=%base, size=[3, -1, -1])
    %zero: f32[3, s0{2}, 4] = aten.zero_.default(self=%wide)
    %sum: f32[s0{2}, 4] = aten.add.Tensor(self=%base, other=%x)
    output %sum
  })text");
  EXPECT_NE(refusal([&] { make_openvino_engine(model); }, ErrorCode::unsupported).find("%zero"), std::string::npos);
}

TEST_F(OpenVinoEngine, RunsOnVirtualDevices) {
  const Model model = test::tiny_mlp();
  for (const char* device : {"AUTO", "AUTO:CPU", "HETERO:CPU"}) {
    const auto engine = make_openvino_engine(model, {.device = device});
    expect_equal_outputs(model, example_tensors(model, 3), *engine);
    const auto layers = engine->layers();
    ASSERT_FALSE(layers.empty()) << device;
    EXPECT_NE(layers.front().device.find("CPU"), std::string::npos) << device << ": " << layers.front().device;
    EXPECT_NE(engine->name().find("(CPU)"), std::string::npos) << engine->name();
  }
}

TEST_F(OpenVinoEngine, FailsWhereARequiredDeviceIsMissing) {
  const Model model = test::tiny_mlp();
  const auto required = [&](const char* device) {
    return refusal([&] { make_openvino_engine(model, {.device = device, .require_device = true}); }, ErrorCode::unsupported);
  };
  EXPECT_NE(required("AUTO:TPU,CPU").find("`TPU`"), std::string::npos);
  EXPECT_NE(required("AUTO").find("names no device"), std::string::npos);
  for (const char* device : {"CPU", "AUTO:CPU", "HETERO:CPU"}) EXPECT_TRUE(make_openvino_engine(model, {.device = device, .require_device = true})) << device;
  EXPECT_TRUE(make_openvino_engine(model, {.device = "AUTO:CPU,TPU"})) << "AUTO chooses among those that are there";
}

TEST(DeviceNames, LayersElsewhereAreNamed) {
  const auto on = [](const std::vector<std::string>& devices) {
    std::vector<LayerReport> layers;
    for (const auto& device : devices) layers.push_back({.name = "layer" + std::to_string(layers.size()), .type = "Convolution", .device = device});
    return layers;
  };
  EXPECT_EQ(find_device_mismatch("GPU", on({"GPU.0", "GPU.0"})), "");
  EXPECT_EQ(find_device_mismatch("GPU", on({"GPU.0", "CPU"})), "layer layer1 (Convolution) runs on CPU, and `GPU` is required");
  EXPECT_NE(find_device_mismatch("GPU.1", on({"GPU.0"})), "");
  EXPECT_EQ(find_device_mismatch("HETERO:GPU,CPU", on({"GPU.0", "CPU"})), "");
  EXPECT_EQ(find_device_mismatch("HETERO:GPU,CPU", on({"CPU", "CPU"})), "no layer runs on GPU, and `HETERO:GPU,CPU` is required");
  EXPECT_NE(find_device_mismatch("AUTO:GPU,CPU", on({"CPU"})), "");
  EXPECT_EQ(find_device_mismatch("BATCH:GPU(16)", on({"GPU"})), "");
  EXPECT_NE(find_device_mismatch("AUTO", on({"CPU"})), "");
}

TEST_F(OpenVinoEngine, RefusesUnknownOptions) {
  const Model model = test::tiny_mlp();
  EXPECT_NE(refusal([&] { make_openvino_engine(model, {.precision = "bf61"}); }, ErrorCode::usage).find("bf16"), std::string::npos);
  EXPECT_NE(refusal([&] { make_openvino_engine(model, {.device = "TPU"}); }, ErrorCode::unsupported).find("CPU"), std::string::npos);
  refusal([&] { make_openvino_engine(model, {.performance = "fast"}); }, ErrorCode::usage);
  refusal([&] { make_openvino_engine(model, {.shapes = {{1, 8}, {1}}}); }, ErrorCode::usage);
}

TEST_F(OpenVinoEngine, RefusesInputsOfOtherSizes) {
  const Model model = test::tiny_mlp();
  const auto engine = make_openvino_engine(model);
  refusal([&] { engine->run({at::ones({2, 9})}); }, ErrorCode::data);
  refusal([&] { engine->run({}); }, ErrorCode::data);
}

}  // namespace
}  // namespace dsc
