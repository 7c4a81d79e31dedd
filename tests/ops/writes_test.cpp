#include "ops/writes.h"

#include <gtest/gtest.h>

#include <string>

#include "ir/text.h"

namespace dsc {
namespace {

std::string names(const std::set<const Value*>& values) {
  std::set<std::string> sorted;
  for (const Value* value : values) sorted.insert(value->name());
  std::string text;
  for (const std::string& name : sorted) text += (text.empty() ? "" : " ") + name;
  return text;
}

// In place through views of views, lists of views, and operators that return what they were given.
TEST(Writes, ReachInputsThroughWhateverSharesTheirMemory) {
  const Graph graph = parse_graph(R"text(graph {
    buffer %cache "cache": f32[2, 4]
    buffer %table "table": f32[4]
    input %x: f32[2, 4]
    input %y: f32[2, 4]
    input %z: f32[2, 4]
    %turned: f32[4, 2] = aten.transpose.int(self=%cache, dim0=0, dim1=1)
    %row: f32[2] = aten.select.int(self=%turned, dim=0, index=1)
    %filled: f32[2] = aten.fill_.Scalar(self=%row, value=1)
    [%a: f32[1, 4], %b: f32[1, 4]] = aten.split.Tensor(self=%x, split_size=1)
    %less: f32[1, 4] = aten.zero_.default(self=%b)
    %kept: f32[2, 4] = aten.dropout.default(input=%y, p=0.5, train=false)
    %more: f32[2, 4] = aten.mul_.Tensor(self=%kept, other=2)
    %copy: f32[2, 4] = aten.clone.default(self=%z)
    %changed: f32[2, 4] = aten.add_.Tensor(self=%copy, other=%table)
    output %changed
  })text");
  EXPECT_EQ(names(written_inputs(graph)), "cache x y");
  EXPECT_EQ(names(state_inputs(graph)), "") << "no output reads the cache";
}

TEST(Writes, StateIsWhatTheNextRunSees) {
  const Graph graph = parse_graph(R"text(graph {
    buffer %cache "cache": f32[4]
    buffer %steps "steps": i64[]
    buffer %position "position": i64[]
    input %x: f32[4]
    %sum: f32[4] = aten.add.Tensor(self=%cache, other=%x)
    %stored: f32[4] = aten.copy_.default(self=%cache, src=%sum)
    %counted: i64[] = aten.add_.Tensor(self=%steps, other=1)
    %next: i64[] = aten.add.Tensor(self=%position, other=1)
    %y: f32[4] = aten.mul.Tensor(self=%sum, other=%position)
    output %y
    mutate_buffer "position" = %next
  })text");
  EXPECT_EQ(names(written_inputs(graph)), "cache position steps");
  EXPECT_EQ(names(state_inputs(graph)), "cache position");
}

TEST(Writes, WhatOnlyTrainingMovesIsNoState) {
  const Graph graph = parse_graph(R"text(graph {
    buffer %m "m": f32[4]
    buffer %v "v": f32[4]
    input %x: f32[2, 4]
    %y: f32[2, 4], %mean: f32[0], %std: f32[0] = aten._native_batch_norm_legit.default(input=%x, weight=None, bias=None, running_mean=%m, running_var=%v, training=false, momentum=0.1, eps=1e-05)
    output %y
  })text");
  EXPECT_TRUE(written_inputs(graph).empty());
}

}  // namespace
}  // namespace dsc
