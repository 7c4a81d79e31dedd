// What a written file is checked for: good files pass whatever their numbers are, and a refused one leaves nothing behind.
#include <gtest/gtest.h>

#include <filesystem>

#include "deploy/artifact.h"
#include "deploy/needs_openvino.h"
#include "deploy/observe.h"
#include "deploy/quantized.h"
#include "deploy/text_model.h"
#include "dscompress/error.h"
#include "io/pt2.h"
#include "support/program.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

std::size_t files_in(const test::TempFolder& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder.path()), std::filesystem::directory_iterator{}));
}

TEST(SameValues, AreJudgedWhateverTheirLayout) {
  const at::Tensor numbers = at::tensor({1.0F, NAN, -INFINITY, 0.0F}).view({2, 2});
  EXPECT_TRUE(same_values(numbers, numbers.t().contiguous().t()));
  EXPECT_TRUE(same_values(at::tensor({0.0F}), at::tensor({-0.0F})));
  EXPECT_FALSE(same_values(numbers, numbers.t()));
  EXPECT_FALSE(same_values(numbers, numbers.to(at::kDouble)));
  EXPECT_FALSE(same_values(at::tensor({NAN}), at::tensor({1.0F})));
  EXPECT_TRUE(same_values(numbers.to(at::kFloat8_e5m2), numbers.to(at::kFloat8_e5m2)));
  EXPECT_TRUE(same_values(at::complex(numbers, numbers), at::complex(numbers, numbers)));
}

constexpr const char* kNotANumber = R"text(graph {
  input %x: f32[s0{2}, 40]
  %log: f32[s0{2}, 40] = aten.log.default(self=%x)
  %one: f32[s0{2}, 40] = aten.div.Scalar(self=%log, other=0.0)
  output %log
  output %one
})text";
constexpr const char* kRandom = R"text(graph {
  input %x: f32[s0{2}, 4]
  %noise: f32[s0{2}, 4] = aten.rand_like.default(self=%x)
  %sum: f32[s0{2}, 4] = aten.add.Tensor(self=%x, other=%noise)
  output %sum
})text";
constexpr const char* kWritesIntoItsInput = R"text(graph {
  input %x: f32[s0{2}, 4]
  %add_: f32[s0{2}, 4] = aten.add_.Tensor(self=%x, other=1)
  %double: f32[s0{2}, 4] = aten.mul.Tensor(self=%add_, other=2)
  output %double
})text";
constexpr const char* kCounts = R"text(graph {
  buffer %calls "calls": f32[4]
  input %x: f32[s0{2}, 4]
  %add_: f32[4] = aten.add_.Tensor(self=%calls, other=1)
  %sum: f32[s0{2}, 4] = aten.add.Tensor(self=%x, other=%add_)
  output %sum
})text";

TEST(WrittenProgram, PassesWithOutputsThatAreNoNumbersRandomOrWrittenIntoInputs) {
  for (const char* text : {kNotANumber, kRandom, kWritesIntoItsInput, kCounts}) {
    const test::TempFolder folder;
    const auto model = test::text_model(text);
    EXPECT_EQ(write_artifact(model, folder.file("net.pt2")).check, "read back, outputs equal bit for bit") << text;
  }
}

TEST(WrittenProgram, LeavesTheModelsStateAlone) {
  const test::TempFolder folder;
  const auto model = test::text_model(kCounts);
  const at::Tensor before = model.weights.get("calls").clone();
  write_artifact(model, folder.file("net.pt2"));
  EXPECT_TRUE(model.weights.get("calls").equal(before));
}

TEST(WrittenProgram, PassesWithWeightsInAnyLayout) {
  const auto views = {at::Tensor(test::noise({48, 24}, 1).slice(0, 0, 48, 2)), test::noise({24, 24}, 2).t(), test::noise({24, 1}, 3).expand({24, 24})};
  for (const at::Tensor& weight : views) {
    const test::TempFolder folder;
    auto model = test::text_model(R"text(graph {
      param %w "w": f32[24, 24]
      input %x: f32[s0{2}, 24]
      %linear: f32[s0{2}, 24] = aten.linear.default(input=%x, weight=%w)
      output %linear
    })text");
    model.weights.set("w", weight);
    EXPECT_EQ(write_artifact(model, folder.file("net.pt2")).check, "read back, outputs equal bit for bit");
    EXPECT_EQ(write_artifact(model, folder.file("net.safetensors")).check, "read back, tensors equal");
  }
}

TEST(WrittenProgram, PassesWithQuantizedWeightsInChannelsLast) {
  const test::TempFolder folder;
  Model model = test::tiny_residual_cnn(1, {.width = 16, .image = 16});
  test::quantize_everything(model, {test::noise({4, 3, 16, 16}, 5)});
  for (const auto& name : model.weights.names()) {
    const at::Tensor& tensor = model.weights.get(name);
    if (tensor.dim() == 4) model.weights.set(name, tensor.contiguous(at::MemoryFormat::ChannelsLast));
  }
  EXPECT_EQ(write_artifact(model, folder.file("net.pt2")).check, "read back, outputs equal bit for bit");
}

TEST(WrittenProgram, ThatIsRefusedLeavesNothingBehind) {
  const test::TempFolder folder;
  const auto model = test::text_model(R"text(graph {
    input %x: f32[s0{2}, 4]
    %y: f32[s0{2}, 4] = aten.no_such_operator.default(self=%x)
    output %y
  })text");
  test::spit(folder.file("net.pt2"), "an older file");
  EXPECT_THROW(write_artifact(model, folder.file("net.pt2")), Error);
  EXPECT_THROW(write_artifact(model, folder.file("net.xml")), Error);
  EXPECT_EQ(files_in(folder), 1u);
  EXPECT_EQ(test::slurp(folder.file("net.pt2")), "an older file");
}

// Ids beyond the table: a program without examples of its own cannot be run, which says nothing about the file.
TEST(WrittenProgram, ThatTakesNoMadeUpInputsIsComparedAsItStands) {
  const test::TempFolder folder;
  auto model = test::text_model(R"text(graph {
    constant %table "table": f32[3, 4]
    input %i: i64[s0{2}]
    %three: i64[s0{2}] = aten.add.Tensor(self=%i, other=3)
    %row: f32[s0{2}, 4] = aten.index_select.default(self=%table, dim=0, index=%three)
    output %row
  })text");
  EXPECT_TRUE(write_artifact(model, folder.file("net.pt2")).check.starts_with("read back, graph and tensors equal; not run"));
}

class WrittenIr : public test::NeedsOpenVino {};

TEST_F(WrittenIr, PassesWithOutputsThatAreNoNumbers) {
  const test::TempFolder folder;
  EXPECT_TRUE(write_artifact(test::text_model(kNotANumber), folder.file("net.xml")).check.starts_with("read back, structure and constants equal"));
}

}  // namespace
}  // namespace dsc
