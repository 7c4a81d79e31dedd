// A model with torch.cond.
#pragma once

#include "core/random.h"
#include "ir/text.h"
#include "support/tiny_models.h"

namespace dsc::test {

// y = wo (p ? relu(wa r) + b : (wb r)), r = relu(w x); both branches read r's channels and make y's.
inline Model two_ways() {
  Model model;
  model.source = "text";
  model.graph = parse_graph(R"text(graph {
  param %w "w": f32[12, 4]
  param %wa "wa": f32[10, 12]
  param %ba "ba": f32[10]
  param %wb "wb": f32[10, 12]
  param %wo "wo": f32[3, 10]
  input %x: f32[s0{2}, 4]
  %h: f32[s0{2}, 12] = aten.linear.default(input=%x, weight=%w)
  %r: f32[s0{2}, 12] = aten.relu.default(self=%h)
  %total: f32[] = aten.sum.default(self=%x)
  %p: bool[] = aten.gt.Scalar(self=%total, other=0)
  %y: f32[s0{2}, 10] = higher_order.cond(%p, true_graph_0="graph {\n  input %r: f32[s0{2}, 12]\n  input %wa: f32[10, 12]\n  input %ba: f32[10]\n  input %wb: f32[10, 12]\n  %l: f32[s0{2}, 10] = aten.linear.default(input=%r, weight=%wa, bias=%ba)\n  %a: f32[s0{2}, 10] = aten.relu.default(self=%l)\n  output %a\n}", false_graph_0="graph {\n  input %r: f32[s0{2}, 12]\n  input %wa: f32[10, 12]\n  input %ba: f32[10]\n  input %wb: f32[10, 12]\n  %l: f32[s0{2}, 10] = aten.linear.default(input=%r, weight=%wb)\n  output %l\n}", tensors[%r, %wa, %ba, %wb])
  %o: f32[s0{2}, 3] = aten.linear.default(input=%y, weight=%wo)
  output %o
})text");
  for (const GraphInput& input : model.graph.inputs()) {
    if (!input.is_weight()) continue;
    std::vector<std::int64_t> sizes;
    for (const Dim& dim : input.value->tensor().sizes) sizes.push_back(dim.size);
    model.weights.set(input.target, noise(sizes, derive_seed(1, input.target), 0.5));
  }
  return model;
}

}  // namespace dsc::test
