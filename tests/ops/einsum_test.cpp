// Einsums with a stored operand, written as linear layers.
#include "ops/einsum.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "exec/executor.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace dsc {
namespace {

std::string shape_text(const std::vector<std::int64_t>& sizes) {
  std::string text;
  for (const std::int64_t size : sizes) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

struct EinsumCase {
  const char* equation;
  std::vector<std::int64_t> x, weight;
  bool weight_first = false, is_linear = true;
};

Model model_of(const EinsumCase& c) {
  at::manual_seed(5);
  Model model;
  const at::Tensor x = at::randn(c.x), weight = at::randn(c.weight);
  const at::Tensor y = at::einsum(c.equation, c.weight_first ? std::vector{weight, x} : std::vector{x, weight});
  model.graph = parse_graph("graph {\n  param %w \"w\": f32" + shape_text(c.weight) + "\n  input %x: f32" + shape_text(c.x) + "\n  %y: f32" + shape_text(y.sizes().vec()) +
                            " = aten.einsum.default(equation=\"" + c.equation + "\", tensors=" + (c.weight_first ? "[%w, %x]" : "[%x, %w]") +
                            ")\n  %z: f32" + shape_text(y.sizes().vec()) + " = aten.relu.default(self=%y)\n  output %z\n}");
  model.weights.set("w", weight);
  return model;
}

TEST(EinsumLinears, GiveWhatTheEinsumGives) {
  const std::vector<EinsumCase> cases = {
      {"bli,io->blo", {2, 5, 4}, {4, 3}},
      {"bli,ihd->blhd", {2, 5, 4}, {4, 3, 6}},
      {"blhd,hdo->blo", {2, 5, 3, 6}, {3, 6, 4}},
      {"hdo,blhd->obl", {2, 5, 3, 6}, {3, 6, 4}, true},
      {"ibh,hnd->ibnd", {5, 2, 8}, {8, 2, 4}},
      {"bdl,do->bol", {2, 4, 5}, {4, 3}},
      {"...i,oi->...o", {2, 3, 5, 4}, {7, 4}},
      {"bhld,hde->bhle", {2, 3, 5, 4}, {3, 4, 6}, false, false},  // a matrix for each head
      {"bl,io->blio", {2, 5}, {4, 3}, false, false},              // nothing is summed over
      {"bli,oi->bo", {2, 5, 4}, {3, 4}, false, false},            // rows are summed over as well
      {"bi,oi->bo", {2, 1}, {3, 4}, false, false},                // 1 stands for 4
  };
  for (const EinsumCase& c : cases) {
    Model model = model_of(c);
    const at::Tensor x = at::randn(c.x), before = Executor(model, {}).run({x}).at(0);
    turn_einsums_into_linears(model);
    EXPECT_TRUE(verify(model).empty()) << c.equation;
    EXPECT_EQ(model.graph.find_node("y") == nullptr, c.is_linear) << c.equation;
    EXPECT_TRUE(at::allclose(Executor(model, {}).run({x}).at(0), before, 1e-5, 1e-5)) << c.equation;
  }
}

}  // namespace
}  // namespace dsc
