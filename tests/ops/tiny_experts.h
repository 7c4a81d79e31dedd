// Mixtures of experts as Transformers' `batched_mm` form exports them: matrices looked up in a stack for each routed row.
#pragma once

#include <sstream>
#include <string>

#include "ops/text_model.h"

namespace dsc::test {

constexpr std::int64_t kExperts = 8, kChosen = 2, kExpertInputs = 8, kExpertWidth = 6;

// How the router chooses; `mask` is added to what it chooses by, so that -inf there takes an expert out.
inline const std::string kSoftmaxRouter = R"(
  %logits: f32[] = aten.linear.default(input=%x, weight=%r) @mlp.gate
  %masked: f32[] = aten.add.Tensor(self=%logits, other=%mask) @mlp.gate
  %p: f32[] = aten.softmax.int(self=%masked, dim=-1) @mlp.gate
  %v: f32[], %i: i64[] = aten.topk.default(self=%p, k=2) @mlp.gate
)";
// The best two of four groups by their best expert, then the best two experts of those.
inline const std::string kGroupRouter = R"(
  %rc: f32[] = aten.to.dtype(self=%r, dtype=f32) @mlp.gate
  %logits: f32[] = aten.linear.default(input=%x, weight=%rc) @mlp.gate
  %p: f32[] = aten.sigmoid.default(self=%logits) @mlp.gate
  %masked: f32[] = aten.add.Tensor(self=%p, other=%mask) @mlp.gate
  %grouped: f32[] = aten.view.default(self=%masked, size=[-1, 4, 2]) @mlp.gate
  %best: f32[], %unused: i64[] = aten.topk.default(self=%grouped, k=1) @mlp.gate
  %score: f32[] = aten.sum.dim_IntList(self=%best, dim=[-1]) @mlp.gate
  %vg: f32[], %ig: i64[] = aten.topk.default(self=%score, k=2, dim=-1, largest=true, sorted=false) @mlp.gate
  %none: f32[] = aten.zeros_like.default(self=%score) @mlp.gate
  %chosen: f32[] = aten.scatter_.value(self=%none, dim=1, index=%ig, value=1) @mlp.gate
  %wide: f32[] = aten.unsqueeze.default(self=%chosen, dim=-1) @mlp.gate
  %spread: f32[] = aten.expand.default(self=%wide, size=[-1, 4, 2]) @mlp.gate
  %flat: f32[] = aten.reshape.default(self=%spread, shape=[-1, 8]) @mlp.gate
  %is_in: bool[] = aten.to.dtype(self=%flat, dtype=bool) @mlp.gate
  %is_out: bool[] = aten.bitwise_not.default(self=%is_in) @mlp.gate
  %left: f32[] = aten.masked_fill.Scalar(self=%masked, mask=%is_out, value=-inf) @mlp.gate
  %vl: f32[], %i: i64[] = aten.topk.default(self=%left, k=2, dim=-1, largest=true, sorted=false) @mlp.gate
  %v: f32[] = aten.gather.default(self=%p, dim=1, index=%i) @mlp.gate
)";

// Stacks [E, outputs, inputs], products on their right.
inline const std::string kOutputsFirst = R"(
  param %w1 "mlp.experts.gate_up_proj": f32[8, 12, 8]
  param %w2 "mlp.experts.down_proj": f32[8, 8, 6]
  %g1: f32[] = aten.index.Tensor(self=%w1, indices=[%ids]) @mlp.experts
  %u1: f32[] = aten.unsqueeze.default(self=%rows, dim=-1) @mlp.experts
  %b1: f32[] = aten.bmm.default(self=%g1, mat2=%u1) @mlp.experts
  %h: f32[] = aten.squeeze.dim(self=%b1, dim=-1) @mlp.experts
  [%gate: f32[], %up: f32[]] = aten.chunk.default(self=%h, chunks=2, dim=-1) @mlp.experts
  %s: f32[] = aten.silu.default(self=%gate) @mlp.experts
  %m: f32[] = aten.mul.Tensor(self=%s, other=%up) @mlp.experts
  %g2: f32[] = aten.index.Tensor(self=%w2, indices=[%ids]) @mlp.experts
  %u2: f32[] = aten.unsqueeze.default(self=%m, dim=-1) @mlp.experts
  %b2: f32[] = aten.bmm.default(self=%g2, mat2=%u2) @mlp.experts
  %o: f32[] = aten.squeeze.dim(self=%b2, dim=-1) @mlp.experts
)";
// Stacks [E, inputs, outputs], products on their left, gates and ups interleaved, biases.
inline const std::string kInputsFirst = R"(
  param %w1 "mlp.experts.gate_up_proj": f32[8, 8, 12]
  param %c1 "mlp.experts.gate_up_proj_bias": f32[8, 12]
  param %w2 "mlp.experts.down_proj": f32[8, 6, 8]
  param %c2 "mlp.experts.down_proj_bias": f32[8, 8]
  %g1: f32[] = aten.index.Tensor(self=%w1, indices=[%ids]) @mlp.experts
  %d1: f32[] = aten.index.Tensor(self=%c1, indices=[%ids]) @mlp.experts
  %u1: f32[] = aten.unsqueeze.default(self=%rows, dim=1) @mlp.experts
  %b1: f32[] = aten.bmm.default(self=%u1, mat2=%g1) @mlp.experts
  %q1: f32[] = aten.squeeze.dim(self=%b1, dim=1) @mlp.experts
  %h: f32[] = aten.add_.Tensor(self=%q1, other=%d1) @mlp.experts
  %gate: f32[] = aten.slice.Tensor(self=%h, dim=1, start=0, end=9223372036854775807, step=2) @mlp.experts
  %up: f32[] = aten.slice.Tensor(self=%h, dim=1, start=1, end=9223372036854775807, step=2) @mlp.experts
  %s: f32[] = aten.silu.default(self=%gate) @mlp.experts
  %m: f32[] = aten.mul.Tensor(self=%s, other=%up) @mlp.experts
  %g2: f32[] = aten.index.Tensor(self=%w2, indices=[%ids]) @mlp.experts
  %d2: f32[] = aten.index.Tensor(self=%c2, indices=[%ids]) @mlp.experts
  %u2: f32[] = aten.unsqueeze.default(self=%m, dim=1) @mlp.experts
  %b2: f32[] = aten.bmm.default(self=%u2, mat2=%g2) @mlp.experts
  %q2: f32[] = aten.squeeze.dim(self=%b2, dim=1) @mlp.experts
  %o: f32[] = aten.add_.Tensor(self=%q2, other=%d2) @mlp.experts
)";

// The mixture alone: rows of kExpertInputs in, the weighted sum of the chosen experts out.
inline Model tiny_experts(const std::string& router = kSoftmaxRouter, const std::string& experts = kOutputsFirst, std::uint64_t seed = 1) {
  std::string inputs, nodes;
  std::istringstream lines(experts);
  for (std::string line; std::getline(lines, line);) (line.starts_with("  param") ? inputs : nodes) += line + "\n";
  Model model = text_model(R"(
  param %r "mlp.gate.weight": f32[8, 8]
  buffer %mask "mlp.gate.mask": f32[8]
)" + inputs + "  input %x: f32[s0{2}, 8]\n" + router + R"(
  %sum: f32[] = aten.sum.dim_IntList(self=%v, dim=[-1], keepdim=true) @mlp.gate
  %share: f32[] = aten.div.Tensor(self=%v, other=%sum) @mlp.gate
  %rows: f32[] = aten.repeat_interleave.self_int(self=%x, repeats=2, dim=0) @mlp.experts
  %shares: f32[] = aten.reshape.default(self=%share, shape=[-1]) @mlp.experts
  %ids: i64[] = aten.reshape.default(self=%i, shape=[-1]) @mlp.experts
)" + nodes + R"(
  %column: f32[] = aten.unsqueeze.default(self=%shares, dim=-1) @mlp.experts
  %weighted: f32[] = aten.mul.Tensor(self=%o, other=%column) @mlp.experts
  %each: f32[] = aten.view.default(self=%weighted, size=[-1, 2, 8]) @mlp.experts
  %y: f32[] = aten.sum.dim_IntList(self=%each, dim=[1]) @mlp.experts
  output %y
)", seed);
  model.weights.set("mlp.gate.mask", at::zeros({kExperts}));
  return model;
}

}  // namespace dsc::test
