// The commands opt and reduce on graphs as text.
#include <gtest/gtest.h>

#include "support/program.h"

namespace dsc::test {
namespace {

constexpr const char* kGraph = R"(graph {
  param  %w "conv.weight": f32[4, 3, 3, 3]
  param  %g "bn.weight": f32[4]
  param  %b "bn.bias": f32[4]
  buffer %m "bn.running_mean": f32[4]
  buffer %v "bn.running_var": f32[4]
  input  %x: f32[2, 3, 8, 8]
  %c: f32[] = aten.conv2d.default(input=%x, weight=%w)
  %n: f32[] = aten.batch_norm.default(input=%c, weight=%g, bias=%b, running_mean=%m, running_var=%v, training=false, momentum=0.1, eps=1e-05, cudnn_enabled=true)
  %r: f32[] = aten.relu.default(self=%n)
  output %r
}
)";

TEST(Opt, RunsAPassOnAGraphsText) {
  const TempFolder folder;
  spit(folder.file("graph.txt"), kGraph);
  const auto result = run_program("opt " + folder.file("graph.txt") + " --pass 'fuse: {}' --print");
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "fuse: changed")) << result.err;
  EXPECT_FALSE(contains(result.out, "batch_norm")) << result.out;
  EXPECT_TRUE(contains(result.out, "%c: f32[2, 4, 6, 6] = aten.conv2d.default(")) << "types are those of a run: " << result.out;
}

TEST(Opt, WhatItWritesItReads) {
  const TempFolder folder;
  spit(folder.file("graph.txt"), kGraph);
  for (const char* name : {"fused.txt", "fused.pt2"}) {
    ASSERT_EQ(run_program("opt " + folder.file("graph.txt") + " --pass 'fuse: {}' --to " + folder.file(name)).status, 0);
    const auto again = run_program("opt " + folder.file(name) + " --pass 'low_rank: {rank: 0.5}' --print");
    EXPECT_EQ(again.status, 0) << again.err;
    EXPECT_TRUE(contains(again.err, "low_rank: changed")) << again.err;
  }
}

TEST(Opt, SaysWhatIsWrong) {
  const TempFolder folder;
  spit(folder.file("graph.txt"), kGraph);
  const auto program = "opt " + folder.file("graph.txt");
  EXPECT_TRUE(contains(run_program(program).err, "--pass"));
  EXPECT_TRUE(contains(run_program(program + " --pass 'fuze: {}'").err, "did you mean `fuse`"));
  EXPECT_TRUE(contains(run_program(program + " --pass 'prune: {reduce: {macs: 2}}'").err, "--pass"));
  EXPECT_EQ(run_program(program + " --pass 'fuse: {}' --to " + folder.file("graph.onnx")).status, 2);
}

TEST(Reduce, LeavesOnlyWhatShowsTheFailure) {
  const TempFolder folder;
  spit(folder.file("graph.txt"), kGraph);
  const auto result = run_program("reduce " + folder.file("graph.txt") + " --pass 'prune: {reduce: {macs: 0.5}, layers: {nothing: 0.5}}'");
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "0 of 3 nodes still show: ")) << result.err;
  const auto fine = run_program("reduce " + folder.file("graph.txt") + " --pass 'fuse: {}'");
  EXPECT_EQ(fine.status, 2);
  EXPECT_TRUE(contains(fine.err, "do not fail")) << fine.err;
}

}  // namespace
}  // namespace dsc::test
