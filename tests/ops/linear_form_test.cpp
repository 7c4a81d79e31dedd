#include "ops/linear_form.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "exec/executor.h"
#include "exec/fixture.h"
#include "ir/verify.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

// W [5, 3]: x W^T + b, then without a bias; products with what is not stored, or scaled, stay.
TEST(LinearForm, FindsTheLayersOfTheCoreVocabulary) {
  std::uint64_t seed = 1;
  Model model = test::model_of(R"text(graph {
    param %w "w": f32[5, 3] grad
    param %u "u": f32[4, 5] grad
    param %s "s": f32[4, 4] grad
    param %b "b": f32[5] grad
    input %x: f32[s0{2}, 3]
    %t: f32[3, 5] = aten.permute.default(self=%w, dims=[1, 0])
    %y: f32[s0{2}, 5] = aten.addmm.default(self=%b, mat1=%x, mat2=%t)
    %v: f32[5, 4] = aten.t.default(self=%u)
    %z: f32[s0{2}, 4] = aten.mm.default(self=%y, mat2=%v)
    %same: f32[4, 4] = aten.permute.default(self=%s, dims=[0, 1])
    %stays: f32[s0{2}, 4] = aten.mm.default(self=%z, mat2=%same)
    %half: f32[s0{2}, 5] = aten.addmm.default(self=%b, mat1=%x, mat2=%t, beta:=0.5)
    output %stays
    output %half
  })text", [&](const std::string&, at::IntArrayRef sizes) { return test::noise(sizes.vec(), ++seed); });
  const at::Tensor x = test::noise({2, 3}, 9);
  const auto& w = model.weights;
  const at::Tensor z = (x.matmul(w.get("w").t()) + w.get("b")).matmul(w.get("u").t());
  EXPECT_EQ(recompose_linear_layers(model.graph), 2);
  EXPECT_TRUE(verify(model).empty());
  const auto outputs = Executor(model, {}).run({x});
  EXPECT_TRUE(outputs[0].allclose(z.matmul(w.get("s")), 1e-5, 1e-6));
  EXPECT_TRUE(outputs[1].allclose(x.matmul(w.get("w").t()) + 0.5 * w.get("b"), 1e-5, 1e-6));
}

// x @ W.T, of any rank; products of two computed matrices stay.
TEST(LinearForm, FindsProductsWithATransposedMatrix) {
  std::uint64_t seed = 1;
  Model model = test::model_of(R"text(graph {
    param %w "w": f32[5, 3] grad
    param %u "u": f32[4, 5] grad
    input %x: f32[s0{2}, 6, 3]
    %t: f32[3, 5] = aten.numpy_T.default(self=%w)
    %y: f32[s0{2}, 6, 5] = aten.matmul.default(self=%x, other=%t)
    %v: f32[5, 4] = aten.mT.default(self=%u)
    %z: f32[s0{2}, 6, 4] = aten.matmul.default(self=%y, other=%v)
    %r: f32[s0{2}, 4, 6] = aten.transpose.int(self=%z, dim0=1, dim1=2)
    %stays: f32[s0{2}, 6, 6] = aten.matmul.default(self=%z, other=%r)
    output %stays
  })text",
                               [&](const std::string&, at::IntArrayRef sizes) { return test::noise(sizes.vec(), ++seed); });
  const at::Tensor x = test::noise({2, 6, 3}, 9);
  const at::Tensor z = x.matmul(model.weights.get("w").t()).matmul(model.weights.get("u").t());
  EXPECT_EQ(recompose_linear_layers(model.graph), 2);
  EXPECT_TRUE(verify(model).empty());
  EXPECT_TRUE(Executor(model, {}).run({x})[0].allclose(z.matmul(z.transpose(1, 2)), 1e-5, 1e-5));
}

}  // namespace
}  // namespace dsc
