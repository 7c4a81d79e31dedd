// Weights that a graph writes into become variables: several calls in a row, against LibTorch and against plain formulas.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "deploy/needs_openvino.h"
#include "deploy/openvino_engine.h"
#include "deploy/text_model.h"
#include "exec/executor.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

using test::text_model;

using Case = test::TextCase;

class OpenVinoState : public test::NeedsOpenVino, public testing::WithParamInterface<Case> {
 protected:
  static std::string folder() {
    const auto path = std::filesystem::temp_directory_path() / ("dsc_state_" + std::to_string(getpid()));
    std::filesystem::create_directories(path);
    return path.string();
  }
};

// Three calls in turn, the engine's memory beside LibTorch's; what is written to a file and read again starts anew.
TEST_P(OpenVinoState, GoesOnFromCallToCallAsInLibTorch) {
  const Model model = text_model(GetParam().text);
  const std::string path = folder() + "/model.xml";
  write_openvino_ir(model, path);
  const auto converted = make_openvino_engine(model), written = read_openvino_ir(path);
  Executor executor(model, {});
  for (std::uint64_t call = 0; call < 3; ++call) {
    auto inputs = test::example_tensors(model, 1);
    for (auto& input : inputs) input = input.is_floating_point() ? test::noise(input.sizes().vec(), 20 + call) : at::full_like(input, static_cast<std::int64_t>(call));
    const auto expected = executor.run(inputs);
    for (Engine* engine : {converted.get(), written.get()}) {
      const auto found = engine->run(inputs);
      ASSERT_EQ(found.size(), expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_EQ(found[i].scalar_type(), expected[i].scalar_type());
        EXPECT_TRUE(found[i].allclose(expected[i], 1e-4, 1e-5)) << "call " << call << ", output " << i;
      }
    }
  }
  std::filesystem::remove_all(folder());
}

INSTANTIATE_TEST_SUITE_P(OpenVino, OpenVinoState, testing::Values(
// The last frames of a streaming convolution, in place, and a counter that nothing reads.
Case{"StreamingCache", R"text(graph {
  param %w "w": f32[4, 3, 3]
  buffer %cache "cache": f32[1, 3, 2]
  buffer %steps "steps": i64[]
  input %x: f32[1, 3, 5]
  %all: f32[1, 3, 7] = aten.cat.default(tensors=[%cache, %x], dim=2)
  %last: f32[1, 3, 2] = aten.slice.Tensor(self=%all, dim=2, start=-2, end=9223372036854775807)
  %stored: f32[1, 3, 2] = aten.copy_.default(self=%cache, src=%last)
  %counted: i64[] = aten.add_.Tensor(self=%steps, other=1)
  %y: f32[1, 4, 5] = aten.conv1d.default(input=%all, weight=%w)
  output %y
})text"},
// The same as run_decompositions() declares it, with the counter as an output.
Case{"DeclaredMutation", R"text(graph {
  buffer %cache "cache": f32[1, 3, 2]
  buffer %steps "steps": i64[]
  input %x: f32[1, 3, 2]
  %sum: f32[1, 3, 2] = aten.add.Tensor(self=%cache, other=%x)
  %next: i64[] = aten.add.Tensor(self=%steps, other=1)
  %y: f32[1, 3, 2] = aten.mul.Tensor(self=%sum, other=%next)
  output %y
  output %next
  mutate_buffer "cache" = %sum
  mutate_buffer "steps" = %next
})text"},
// Keys written at a position that the user gives, read as a whole.
Case{"KeyValueCache", R"text(graph {
  buffer %keys "keys": f32[1, 2, 4, 3]
  input %k: f32[1, 2, 1, 3]
  input %position: i64[1]
  %stored: f32[1, 2, 4, 3] = aten.index_copy_.default(self=%keys, dim=2, index=%position, source=%k)
  %scores: f32[1, 2, 1, 4] = aten.scaled_dot_product_attention.default(query=%k, key=%keys, value=%keys)
  output %scores
})text"},
// A part of the state is written, through views.
Case{"PartOfAState", R"text(graph {
  buffer %table "table": f32[3, 4]
  input %x: f32[4]
  %row: f32[4] = aten.select.int(self=%table, dim=0, index=1)
  %stored: f32[4] = aten.add_.Tensor(self=%row, other=%x)
  %y: f32[4] = aten.sum.dim_IntList(self=%table, dim=[0])
  output %y
})text"},
// Read before it is written, and returned afterwards.
Case{"ReadAndReturned", R"text(graph {
  buffer %mean "mean": f32[4]
  input %x: f32[4]
  %before: f32[4] = aten.mul.Tensor(self=%mean, other=2)
  %kept: f32[4] = aten.mul_.Tensor(self=%mean, other=0.5)
  %now: f32[4] = aten.add_.Tensor(self=%mean, other=%x)
  %after: f32[4] = aten.mul.Tensor(self=%now, other=3)
  output %before
  output %after
})text"}), [](const auto& info) { return std::string(info.param.name); });

class OpenVinoInputs : public test::NeedsOpenVino {};

// y = 2 x with its last column zeroed first; what was given stays.
TEST_F(OpenVinoInputs, StayAsTheyAreWhereTheGraphWritesIntoThem) {
  const Model model = text_model(R"text(graph {
    input %x: f32[s0{2}, 3]
    %part: f32[s0{2}, 1] = aten.slice.Tensor(self=%x, dim=1, start=2, end=9223372036854775807)
    %gone: f32[s0{2}, 1] = aten.zero_.default(self=%part)
    %twice: f32[s0{2}, 3] = aten.mul_.Tensor(self=%x, other=2)
    %y: f32[s0{2}, 3] = aten.add.Tensor(self=%twice, other=1)
    output %y
  })text");
  const auto engine = make_openvino_engine(model);
  const at::Tensor x = at::arange(6, at::kFloat).view({2, 3}), before = x.clone();
  for (int call = 0; call < 2; ++call) EXPECT_TRUE(engine->run({x}).at(0).allclose(at::tensor({1.f, 3.f, 1.f, 7.f, 9.f, 1.f}).view({2, 3})));
  EXPECT_TRUE(x.equal(before));
}

// Exported without eval(): the deployed form is that of evaluation, statistics are no variables.
TEST_F(OpenVinoInputs, NetworksInTrainingModeAreTakenAsInEvaluation) {
  const Model model = text_model(R"text(graph {
    buffer %m "bn.running_mean": f32[3]
    buffer %v "bn.running_var": f32[3]
    buffer %n "bn.num_batches_tracked": i64[]
    input %x: f32[s0{2}, 3]
    %count: i64[] = aten.add.Tensor(self=%n, other=1)
    %y: f32[s0{2}, 3], %mean: f32[3], %std: f32[3], %m1: f32[3], %v1: f32[3] = aten._native_batch_norm_legit_functional.default(input=%x, weight=None, bias=None, running_mean=%m, running_var=%v, training=true, momentum=0.1, eps=1e-05)
    %z: f32[s0{2}, 3], %dropped: bool[s0{2}, 3] = aten.native_dropout.default(input=%y, p=0.5, train=true)
    output %z
    mutate_buffer "bn.running_mean" = %m1
    mutate_buffer "bn.running_var" = %v1
    mutate_buffer "bn.num_batches_tracked" = %count
  })text");
  const at::Tensor x = test::noise({5, 3}, 2);
  const at::Tensor expected = (x - model.weights.get("bn.running_mean")) / (model.weights.get("bn.running_var") + 1e-5).sqrt();
  EXPECT_TRUE(make_openvino_engine(model)->run({x}).at(0).allclose(expected, 1e-4, 1e-5));
}

}  // namespace
}  // namespace dsc
