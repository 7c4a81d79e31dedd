// Outputs that nothing computes, and tensors without elements: against LibTorch.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "deploy/needs_openvino.h"
#include "deploy/openvino_engine.h"
#include "deploy/text_model.h"
#include "exec/executor.h"

namespace dsc {
namespace {

using test::text_model;

using Case = test::TextCase;

class OpenVinoInterface : public test::NeedsOpenVino, public testing::WithParamInterface<Case> {};

// As converted, and as written and read again; twice, for memory that would be kept from run to run.
TEST_P(OpenVinoInterface, GivesEveryOutputAsLibTorchDoes) {
  const Model model = text_model(GetParam().text);
  const auto path = std::filesystem::temp_directory_path() / ("dsc_interface_" + std::to_string(getpid()) + ".xml");
  write_openvino_ir(model, path.string());
  const auto converted = make_openvino_engine(model), written = read_openvino_ir(path.string());
  Executor executor(model, {});
  for (const std::int64_t symbolic : {2, 5}) {
    const auto inputs = test::example_tensors(model, symbolic);
    const auto expected = executor.run(inputs);
    for (Engine* engine : {converted.get(), written.get()}) {
      const auto found = engine->run(inputs);
      ASSERT_EQ(found.size(), expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_EQ(found[i].sizes(), expected[i].sizes()) << "output " << i;
        ASSERT_EQ(found[i].scalar_type(), expected[i].scalar_type()) << "output " << i;
        EXPECT_TRUE(at::allclose(found[i], expected[i], 1e-5, 1e-6)) << "output " << i;
      }
    }
  }
  std::filesystem::remove(path);
  std::filesystem::remove(std::filesystem::path(path).replace_extension(".bin"));
}

INSTANTIATE_TEST_SUITE_P(OpenVino, OpenVinoInterface, testing::Values(
Case{"InputsAlone", R"text(graph {
  input %x: f32[s0{2}, 3]
  input %ids: i64[s0{2}]
  output %ids
  output %x
})text"},
Case{"InputsBesideResults", R"text(graph {
  input %x: f32[s0{2}, 3]
  %y: f32[s0{2}, 3] = aten.relu.default(self=%x)
  output %x
  output %y
  output %x
})text"},
Case{"InputsThroughWhatCopiesNothing", R"text(graph {
  input %x: f32[s0{2}, 3]
  %dropped: f32[s0{2}, 3] = aten.dropout.default(input=%x, p=0.5, train=false)
  %copied: f32[s0{2}, 3] = aten.clone.default(self=%x)
  %dense: f32[s0{2}, 3] = aten.contiguous.default(self=%x)
  %all: f32[s0{2}, 3] = aten.slice.Tensor(self=%x, dim=1, start=0, end=9223372036854775807)
  output %dropped
  output %copied
  output %dense
  output %all
})text"},
Case{"Weights", R"text(graph {
  param %w "w": f32[2, 3]
  buffer %steps "steps": i64[]
  constant %table "table": f32[4]
  input %x: f32[s0{2}, 3]
  %y: f32[s0{2}, 2] = aten.linear.default(input=%x, weight=%w)
  %same: f32[4] = aten.clone.default(self=%table)
  output %y
  output %w
  output %steps
  output %table
  output %same
})text"},
Case{"WeightsAlone", R"text(graph {
  param %w "w": f32[2, 3]
  input %x: f32[s0{2}, 3]
  output %w
})text"},
Case{"OneResultTwice", R"text(graph {
  input %x: f32[s0{2}, 3]
  %y: f32[s0{2}, 3] = aten.relu.default(self=%x)
  %z: f32[s0{2}, 3] = aten.clone.default(self=%y)
  output %y
  output %y
  output %z
})text"},
Case{"ChangedCopies", R"text(graph {
  input %x: f32[s0{2}, 3]
  %copy: f32[s0{2}, 3] = aten.clone.default(self=%x)
  %twice: f32[s0{2}, 3] = aten.mul_.Tensor(self=%copy, other=2)
  output %copy
  output %x
  output %twice
})text"},
// The past of a first step.
Case{"EmptyInputs", R"text(graph {
  input %past: f32[s0{2}, 0, 3]
  input %x: f32[s0{2}, 1, 3]
  %all: f32[s0{2}, 1, 3] = aten.cat.default(tensors=[%past, %x], dim=1)
  output %all
  output %past
})text"},
Case{"EmptyResults", R"text(graph {
  input %x: f32[2, 3]
  %none: f32[2, 0] = aten.slice.Tensor(self=%x, dim=1, start=3, end=3)
  %y: f32[2, 0] = aten.relu.default(self=%none)
  output %y
})text"},
Case{"EmptyWeights", R"text(graph {
  param %none "none": f32[0, 3]
  input %x: f32[s0{2}, 3]
  %all: f32[s0{2}, 3] = aten.cat.default(tensors=[%none, %x], dim=0)
  output %all
  output %none
})text"}), [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace dsc
