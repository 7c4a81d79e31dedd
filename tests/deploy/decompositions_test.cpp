// Operators written out: the graph with what they consist of, and its OpenVINO form, against LibTorch's own kernel.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "deploy/decompose.h"
#include "deploy/openvino_engine.h"
#include "deploy/text_model.h"
#include "exec/executor.h"
#include "ir/shared_copy.h"

namespace dsc {
namespace {

// One operator over `inputs`, in graph text; its first result is the output.
struct DecompositionCase {
  const char* name;
  const char* inputs;
  const char* operation;
};
void PrintTo(const DecompositionCase& value, std::ostream* out) { *out << value.name; }
class Decompositions : public testing::TestWithParam<DecompositionCase> {
 protected:
  Model model_ = test::text_model(std::string("graph {\n") + GetParam().inputs + "\n" + GetParam().operation + "\n output %y\n}");
};

void expect_same(const Model& model, const std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)>& run) {
  Executor executor(model, {});
  for (const std::int64_t symbolic : {2, 5}) {
    const auto inputs = test::example_tensors(model, symbolic);
    const auto expected = executor.run(inputs), found = run(inputs);
    ASSERT_EQ(found.size(), expected.size());
    ASSERT_EQ(found[0].sizes(), expected[0].sizes());
    ASSERT_EQ(found[0].scalar_type(), expected[0].scalar_type());
    EXPECT_TRUE(at::allclose(found[0].to(at::kDouble), expected[0].to(at::kDouble), 1e-4, 1e-5, /*equal_nan=*/true)) << "at size " << symbolic;
  }
}

TEST_P(Decompositions, MeanTheOperator) {
  Model written = shared_copy(model_);
  Node* node = written.graph.find_value("y")->producer();
  ASSERT_EQ(Decomposer(written).replace(node), "");
  Executor executor(written, {});
  expect_same(model_, [&](const auto& inputs) { return executor.run(inputs); });
}

TEST_P(Decompositions, ConvertToOpenVino) {
  if (!openvino_available()) GTEST_SKIP() << "this build has no OpenVINO engine";
  const auto engine = make_openvino_engine(model_);
  expect_same(model_, [&](const auto& inputs) { return engine->run(inputs); });
}

constexpr auto kOne = "input %x: f32[s0{2}, 4]";
constexpr auto kTwo = "input %x: f32[s0{2}, 4]\n input %z: f32[s0{2}, 4]";
constexpr auto kIntegers = "input %x: i64[s0{2}, 4]\n input %z: i64[s0{2}, 4]";
constexpr auto kImage = "input %x: f32[s0{2}, 3, 4, 4]";

INSTANTIATE_TEST_SUITE_P(
    Elementwise, Decompositions,
    testing::Values(DecompositionCase{"Softplus", kOne, "%y: f32[s0{2}, 4] = aten.softplus.default(self=%x, beta=2.0, threshold=1.0)"},
                    DecompositionCase{"RoundDecimals", kOne, "%y: f32[s0{2}, 4] = aten.round.decimals(self=%x, decimals:=2)"},
                    DecompositionCase{"Logit", kOne, "%y: f32[s0{2}, 4] = aten.logit.default(self=%x, eps=0.1)"},
                    DecompositionCase{"Xlogy", kTwo, "%y: f32[s0{2}, 4] = aten.xlogy.Tensor(self=%x, other=%z)"},
                    DecompositionCase{"Sinc", kOne, "%y: f32[s0{2}, 4] = aten.sinc.default(self=%x)"},
                    DecompositionCase{"Logaddexp", kTwo, "%y: f32[s0{2}, 4] = aten.logaddexp.default(self=%x, other=%z)"},
                    DecompositionCase{"BesselI0", kOne, "%y: f32[s0{2}, 4] = aten.i0.default(self=%x)"},
                    DecompositionCase{"BesselI0FarFrom0", kOne,
                                      "%n: f32[s0{2}, 4] = aten.mul.Scalar(self=%x, other=30)\n %y: f32[s0{2}, 4] = aten.i0.default(self=%n)"},
                    DecompositionCase{"Hypot", kTwo, "%y: f32[s0{2}, 4] = aten.hypot.default(self=%x, other=%z)"},
                    DecompositionCase{"Fmax", kTwo, "%y: f32[s0{2}, 4] = aten.fmax.default(self=%x, other=%z)"},
                    DecompositionCase{"Copysign", kTwo, "%y: f32[s0{2}, 4] = aten.copysign.Tensor(self=%x, other=%z)"},
                    DecompositionCase{"LogaddexpOfInfinities", kTwo,
                                      "%n: f32[s0{2}, 4] = aten.mul.Scalar(self=%x, other=0)\n %a: f32[s0{2}, 4] = aten.abs.default(self=%n)\n %i: "
                                      "f32[s0{2}, 4] = aten.log.default(self=%a)\n"
                                      " %y: f32[s0{2}, 4] = aten.logaddexp.default(self=%i, other=%i)"},
                    DecompositionCase{"Gcd", kIntegers, "%y: i64[s0{2}, 4] = aten.gcd.default(self=%x, other=%z)"},
                    DecompositionCase{"Lcm", kIntegers, "%y: i64[s0{2}, 4] = aten.lcm.default(self=%x, other=%z)"},
                    DecompositionCase{"Deg2rad", kOne, "%y: f32[s0{2}, 4] = aten.deg2rad.default(self=%x)"},
                    DecompositionCase{"RightShift", kIntegers, "%y: i64[s0{2}, 4] = aten.bitwise_right_shift.Tensor(self=%x, other=%z)"},
                    DecompositionCase{
                        "SoftplusFarBelowZero", kOne,
                        "%n: f32[s0{2}, 4] = aten.sub.Tensor(self=%x, other=20)\n %y: f32[s0{2}, 4] = aten.softplus.default(self=%n, beta=1.5)"},
                    DecompositionCase{"LogspaceOfNumbers", "input %x: f32[]\n input %z: f32[]",
                                      "%y: f32[5] = aten.logspace.Tensor_Tensor(start=%x, end=%z, steps=5)"},
                    DecompositionCase{"DropoutBackward", "input %x: f32[s0{2}, 4]\n input %m: bool[s0{2}, 4]",
                                      "%y: f32[s0{2}, 4] = aten.native_dropout_backward.default(grad_output=%x, mask=%m, scale=2.0)"},
                    DecompositionCase{"Lerp", kTwo, "%y: f32[s0{2}, 4] = aten.lerp.Scalar(self=%x, end=%z, weight=0.3)"}),
    [](const auto& info) { return std::string(info.param.name); });

INSTANTIATE_TEST_SUITE_P(Reductions, Decompositions, testing::Values(
    DecompositionCase{"Logsumexp", kOne, "%y: f32[s0{2}] = aten.logsumexp.default(self=%x, dim=[1])"},
    DecompositionCase{"Nansum", kOne, "%y: f32[s0{2}] = aten.nansum.default(self=%x, dim=[1])"},
    DecompositionCase{"Renorm", kOne, "%y: f32[s0{2}, 4] = aten.renorm.default(self=%x, p=2, dim=0, maxnorm=1.0)"},
    DecompositionCase{"Dist", kTwo, "%y: f32[] = aten.dist.default(self=%x, other=%z, p=2)"},
    DecompositionCase{"SafeSoftmax", kOne, "%n: f32[s0{2}, 4] = aten.mul.Scalar(self=%x, other=0)\n %a: f32[s0{2}, 4] = aten.abs.default(self=%n)\n %i: f32[s0{2}, 4] = aten.log.default(self=%a)\n"
         " %y: f32[s0{2}, 4] = aten._safe_softmax.default(self=%i, dim=1)"},
    DecompositionCase{"AllOverDimensions", "input %x: i64[s0{2}, 4, 3]", "%y: bool[s0{2}] = aten.all.dims(self=%x, dim=[1, 2])"},
    DecompositionCase{"AnyOverDimensions", "input %x: i64[s0{2}, 2, 1]", "%y: bool[s0{2}] = aten.any.dims(self=%x, dim=[1, -1])"},
    DecompositionCase{"PairwiseDistance", "input %x: f32[s0{2}, 4]", "%y: f32[s0{2}] = aten.pairwise_distance.default(x1=%x, x2=%x, p=2.0, eps=0.25)"},
    DecompositionCase{"Quantile", kOne, "%y: f32[s0{2}, 1] = aten.quantile.scalar(self=%x, q=0.3, dim=1, keepdim=true)"},
    DecompositionCase{"QuantilesOfAll", "input %x: f32[3, 4]\n constant %q \"scale\": f32[2]",
         "%r: f32[2] = aten.clamp.default(self=%q, min=0.0, max=1.0)\n %y: f32[2] = aten.quantile.default(self=%x, q=%r, interpolation:=\"midpoint\")"},
    DecompositionCase{"Nanquantile", kOne, "%l: f32[s0{2}, 4] = aten.log.default(self=%x)\n %y: f32[s0{2}] = aten.nanquantile.scalar(self=%l, q=0.75, dim=1)"},
    DecompositionCase{"Nanmedian", kOne, "%l: f32[s0{2}, 4] = aten.log.default(self=%x)\n %y: f32[s0{2}], %i: i64[s0{2}] = aten.nanmedian.dim(self=%l, dim=1)"},
    DecompositionCase{"MedianOfNan", kOne, "%l: f32[s0{2}, 4] = aten.log.default(self=%x)\n %y: f32[s0{2}], %i: i64[s0{2}] = aten.median.dim(self=%l, dim=1)"},
    DecompositionCase{"SoftmaxBackward", kTwo, "%y: f32[s0{2}, 4] = aten._softmax_backward_data.default(grad_output=%x, output=%z, dim=1, input_dtype=f32)"},
    DecompositionCase{"Logcumsumexp", kOne, "%y: f32[s0{2}, 4] = aten.logcumsumexp.default(self=%x, dim=1)"},
    DecompositionCase{"NormOfOrderZero", "input %x: i64[s0{2}, 4, 3]", "%f: f32[s0{2}, 4, 3] = aten.to.dtype(self=%x, dtype=f32)\n"
         " %y: f32[s0{2}] = aten.linalg_vector_norm.default(self=%f, ord=0.0, dim=[1, 2])"},
    DecompositionCase{"DistancesOfOrderZero", "input %x: f32[s0{2}, 4, 3]", "%y: f32[s0{2}, 4, 4] = aten.cdist.default(x1=%x, x2=%x, p=0.0)"},
    DecompositionCase{"DistancesOfPairs", "input %x: f32[4, 3]", "%y: f32[6] = aten.pdist.default(self=%x, p=3.0)"},
    DecompositionCase{"NormOfNumber", "input %x: f32[]", "%y: f32[] = aten.linalg_vector_norm.default(self=%x, ord=2.0, dim=ints[])"},
    DecompositionCase{"BatchNormByTheBatch", "input %x: f32[s0{2}, 3, 5]\n input %w: f32[3]\n input %b: f32[3]",
         "%y: f32[s0{2}, 3, 5] = aten.batch_norm.default(input=%x, weight=%w, bias=%b, running_mean=None, running_var=None, training=true, momentum=0.5, "
         "eps=0.6, cudnn_enabled=false)"},
    DecompositionCase{"NanmeanOfNumber", "input %x: f32[]", "%y: f32[] = aten.nanmean.default(self=%x)"},
    DecompositionCase{"MaximumOfNumber", "input %x: f32[]", "%y: f32[], %i: i64[] = aten.max.dim(self=%x, dim=0)"},
    DecompositionCase{"Median", kOne, "%y: f32[s0{2}], %i: i64[s0{2}] = aten.median.dim(self=%x, dim=1)"},
    DecompositionCase{"VarMean", kOne, "%y: f32[s0{2}], %m: f32[s0{2}] = aten.var_mean.correction(self=%x, dim=[1], correction:=1)"}),
    [](const auto& info) { return std::string(info.param.name); });

INSTANTIATE_TEST_SUITE_P(Shapes, Decompositions, testing::Values(
    DecompositionCase{"Flip", kOne, "%y: f32[s0{2}, 4] = aten.flip.default(self=%x, dims=[0, 1])"},
    DecompositionCase{"Roll", kOne, "%y: f32[s0{2}, 4] = aten.roll.default(self=%x, shifts=[1], dims=[0])"},
    DecompositionCase{"Diagonal", kImage, "%y: f32[s0{2}, 3, 3] = aten.diagonal.default(self=%x, offset=1, dim1=-2, dim2=-1)"},
    DecompositionCase{"DiagEmbed", kOne, "%y: f32[s0{2}, 5, 5] = aten.diag_embed.default(self=%x, offset=-1)"},
    DecompositionCase{"CircularPad", kImage, "%y: f32[s0{2}, 3, 5, 7] = aten.pad.default(self=%x, pad=[1, 2, 0, 1], mode=\"circular\")"},
    DecompositionCase{"NegativePad", kOne, "%y: f32[s0{2}, 4] = aten.constant_pad_nd.default(self=%x, pad=[-1, 1], value=0.5)"},
    DecompositionCase{"CircularPadThatCuts", kImage, "%y: f32[s0{2}, 3, 3, 4] = aten.pad.default(self=%x, pad=[-1, 1, -2, 1], mode=\"circular\")"},
    DecompositionCase{"AsStridedScatter", "input %x: f32[4, 3]\n input %z: f32[2, 2]",
         "%y: f32[4, 3] = aten.as_strided_scatter.default(self=%x, src=%z, size=[2, 2], stride=[3, 1], storage_offset=1)"},
    DecompositionCase{"ChunkCatOfLast", "input %x: f32[2, 3]\n input %z: f32[2, 3]", "%y: f32[2, 2, 4] = aten._chunk_cat.default(tensors=[%x, %z], dim=-1, num_chunks=2)"},
    DecompositionCase{"ChunkCat", "input %x: f32[5, 3]\n input %z: f32[2, 2]", "%y: f32[2, 11] = aten._chunk_cat.default(tensors=[%x, %z], dim=0, num_chunks=2)"},
    DecompositionCase{"AveragesWithDivisor", kImage, "%y: f32[s0{2}, 3, 2, 2] = aten.avg_pool2d.default(self=%x, kernel_size=[2, 2], divisor_override=3)"},
    DecompositionCase{"NearestExact", kImage, "%y: f32[s0{2}, 3, 3, 7] = aten._upsample_nearest_exact2d.default(self=%x, output_size=[3, 7])"},
    DecompositionCase{"Addmv", "input %x: f32[s0{2}, 4]\n param %v \"v\": f32[4]", "%r: f32[s0{2}] = aten.sum.dim_IntList(self=%x, dim=[1])\n"
         " %y: f32[s0{2}] = aten.addmv.default(self=%r, mat=%x, vec=%v, beta:=2, alpha:=0.5)"},
    DecompositionCase{"Addr", "input %x: f32[s0{2}]\n input %z: f32[3]\n param %m \"m\": f32[3]", "%y: f32[s0{2}, 3] = aten.addr.default(self=%m, vec1=%x, vec2=%z, alpha:=3)"},
    DecompositionCase{"Bilinear", "input %x: f32[s0{2}, 4]\n input %z: f32[s0{2}, 3]\n param %w \"w\": f32[5, 4, 3]\n param %b \"b\": f32[5]",
         "%y: f32[s0{2}, 5] = aten.bilinear.default(input1=%x, input2=%z, weight=%w, bias=%b)"},
    DecompositionCase{"Vstack", "input %x: f32[4]\n input %z: f32[4]", "%y: f32[2, 4] = aten.vstack.default(tensors=[%x, %z])"},
    DecompositionCase{"UpsampleAntialiased", "input %x: f32[s0{2}, 3, 8, 6]",
         "%y: f32[s0{2}, 3, 3, 9] = aten._upsample_bilinear2d_aa.default(self=%x, output_size=[3, 9], align_corners=false)"},
    DecompositionCase{"UpsampleAntialiasedByCorners", "input %x: f32[s0{2}, 3, 8, 6]",
         "%y: f32[s0{2}, 3, 3, 9] = aten._upsample_bilinear2d_aa.vec(input=%x, output_size=[3, 9], align_corners=true, scale_factors=None)"},
    DecompositionCase{"UpsampleBicubicAntialiased", "input %x: f32[s0{2}, 3, 8, 6]",
         "%y: f32[s0{2}, 3, 3, 9] = aten._upsample_bicubic2d_aa.default(self=%x, output_size=[3, 9], align_corners=false)"},
    DecompositionCase{"Inner", kTwo, "%y: f32[s0{2}, s0{2}] = aten.inner.default(self=%x, other=%z)"},
    DecompositionCase{"Kron", "input %x: f32[s0{2}, 4]\n param %z \"z\": f32[2, 3]", "%y: f32[\"2*s0\"{4}, 12] = aten.kron.default(self=%x, other=%z)"}),
    [](const auto& info) { return std::string(info.param.name); });

INSTANTIATE_TEST_SUITE_P(Losses, Decompositions, testing::Values(
    DecompositionCase{"L1", kTwo, "%y: f32[] = aten.l1_loss.default(self=%x, target=%z, reduction=1)"},
    DecompositionCase{"Mse", kTwo, "%y: f32[] = aten.mse_loss.default(self=%x, target=%z, reduction=2)"},
    DecompositionCase{"SmoothL1", kTwo, "%y: f32[s0{2}, 4] = aten.smooth_l1_loss.default(self=%x, target=%z, reduction=0, beta=0.5)"},
    DecompositionCase{"Huber", kTwo, "%y: f32[] = aten.huber_loss.default(self=%x, target=%z, reduction=1, delta=0.7)"},
    DecompositionCase{"WithLogits", kTwo, "%y: f32[] = aten.binary_cross_entropy_with_logits.default(self=%x, target=%z)"},
    DecompositionCase{"CrossEntropy", "input %x: f32[s0{2}, 5]\n input %t: i64[s0{2}]", "%y: f32[] = aten.cross_entropy_loss.default(self=%x, target=%t)"}),
    [](const auto& info) { return std::string(info.param.name); });

INSTANTIATE_TEST_SUITE_P(Places, Decompositions, testing::Values(
    DecompositionCase{"Take", "input %x: f32[s0{2}, 4]\n input %i: i64[3]", "%y: f32[3] = aten.take.default(self=%x, index=%i)"},
    DecompositionCase{"Put", "input %x: f32[s0{2}, 4]\n constant %i \"i\": i64[3]\n input %z: f32[3]", "%y: f32[s0{2}, 4] = aten.put.default(self=%x, index=%i, source=%z, accumulate=true)"},
    DecompositionCase{"UnsafeIndex", "input %x: f32[s0{2}, 5]\n input %i: i64[3]", "%y: f32[s0{2}, 3] = aten._unsafe_index.Tensor(self=%x, indices=[None, %i])"},
    DecompositionCase{"IndexFill", "input %x: f32[s0{2}, 6]\n input %i: i64[2]", "%y: f32[s0{2}, 6] = aten.index_fill.int_Scalar(self=%x, dim=1, index=%i, value=3.0)"},
    DecompositionCase{"Bucketize", "input %x: f32[s0{2}, 4]\n constant %b \"b\": f32[1]", "%y: i64[s0{2}, 4] = aten.bucketize.Tensor(self=%x, boundaries=%b)"}),
    [](const auto& info) { return std::string(info.param.name); });

INSTANTIATE_TEST_SUITE_P(Recurrent, Decompositions, testing::Values(
    DecompositionCase{"LstmWithProjections",
         "param %wi \"wi\": f32[16, 3]\n param %wh \"wh\": f32[16, 2]\n param %bi \"bi\": f32[16]\n param %bh \"bh\": f32[16]\n param %wr \"wr\": f32[2, 4]\n"
         " input %x: f32[s0{2}, 5, 3]\n input %h: f32[1, s0{2}, 2]\n input %c: f32[1, s0{2}, 4]",
         "%y: f32[s0{2}, 5, 2], %hn: f32[1, s0{2}, 2], %cn: f32[1, s0{2}, 4] = aten.lstm.input(input=%x, hx=[%h, %c], params=[%wi, %wh, %bi, %bh, %wr], "
         "has_biases=true, num_layers=1, dropout=0.0, train=false, bidirectional=false, batch_first=true)"},
    DecompositionCase{"LstmCell", "param %wi \"wi\": f32[16, 3]\n param %wh \"wh\": f32[16, 4]\n input %x: f32[s0{2}, 3]\n input %h: f32[s0{2}, 4]\n input %c: f32[s0{2}, 4]",
         "%y: f32[s0{2}, 4], %n: f32[s0{2}, 4] = aten.lstm_cell.default(input=%x, hx=[%h, %c], w_ih=%wi, w_hh=%wh)"},
    DecompositionCase{"GruCell", "param %wi \"wi\": f32[12, 3]\n param %wh \"wh\": f32[12, 4]\n param %b \"b\": f32[12]\n input %x: f32[s0{2}, 3]\n input %h: f32[s0{2}, 4]",
         "%y: f32[s0{2}, 4] = aten.gru_cell.default(input=%x, hx=%h, w_ih=%wi, w_hh=%wh, b_ih=%b, b_hh=%b)"},
    DecompositionCase{"RnnCell", "param %wi \"wi\": f32[4, 3]\n param %wh \"wh\": f32[4, 4]\n input %x: f32[s0{2}, 3]\n input %h: f32[s0{2}, 4]",
         "%y: f32[s0{2}, 4] = aten.rnn_tanh_cell.default(input=%x, hx=%h, w_ih=%wi, w_hh=%wh)"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Conditions, BothBranchesConvertToOpenVino) {
  if (!openvino_available()) GTEST_SKIP() << "this build has no OpenVINO engine";
  const Model model = test::text_model(R"text(graph {
  input %x: f32[s0{2}, 4]
  input %p: bool[]
  %y: f32[s0{2}, 4] = higher_order.cond(%p, true_graph_0="graph {\n  input %x: f32[s0{2}, 4]\n  %m: f32[s0{2}, 4] = aten.mul.Tensor(self=%x, other=2)\n  output %m\n}", false_graph_0="graph {\n  input %x: f32[s0{2}, 4]\n  %m: f32[s0{2}, 4] = aten.sub.Tensor(self=%x, other=1)\n  output %m\n}", tensors[%x])
  output %y
})text");
  const auto engine = make_openvino_engine(model);
  const at::Tensor x = at::ones({3, 4}) * 0.25;
  EXPECT_TRUE(at::allclose(engine->run({x, at::scalar_tensor(true, at::kBool)}).at(0), x * 2));
  EXPECT_TRUE(at::allclose(engine->run({x, at::scalar_tensor(false, at::kBool)}).at(0), x - 1));
}

}  // namespace
}  // namespace dsc
