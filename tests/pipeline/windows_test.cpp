// evaluate.windows in a recipe: the figures of the whole, networks of one length on longer series, and what is refused.
#include "pipeline/windows.h"

#include <gtest/gtest.h>

#include "io/pt2.h"
#include "io/safetensors.h"
#include "ops/text_model.h"
#include "passes/builtin.h"
#include "pipeline/prepare.h"
#include "pipeline/step_context.h"
#include "support/error_of.h"
#include "support/program.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

using test::contains;

// Two convolutions of five steps, which see four to each side, on series of `steps`: a size or a symbol.
Model convolutions(const std::string& steps) {
  const std::string channels = R"(
  param %v "first.weight": f32[6, 2, 5]
  param %w "second.weight": f32[1, 6, 5]
)";
  const std::string batch = "f32[s0{2}, ", rest = ", " + steps + "]";
  Model model = test::text_model(channels + "  input %x: " + batch + "2" + rest + R"(
  %c: )" + batch + "6" + rest + R"( = aten.conv1d.default(input=%x, weight=%v, bias=None, stride=[1], padding=[2])
  %r: )" + batch + "6" + rest + R"( = aten.relu.default(self=%c)
  %y: )" + batch + "1" + rest + R"( = aten.conv1d.default(input=%r, weight=%w, bias=None, stride=[1], padding=[2])
  output %y
)");
  model.weights.set("first.weight", test::noise({6, 2, 5}, 1, 0.3));
  model.weights.set("second.weight", test::noise({1, 6, 5}, 2, 0.3));
  return model;
}

class WindowsTest : public testing::Test {
 protected:
  void SetUp() override {
    add_builtin_passes(table_);
    write_safetensors(folder_.file("eval.safetensors"),
                      {.tensors = {{"x", test::noise({5, 2, 70}, 3)}, {"label", test::noise({5, 1, 70}, 4)}}, .metadata = {}});
  }
  // The mean squared error of a model; windows: the option, empty: whole.
  double mse(const Model& model, const std::string& windows) {
    const auto recipe = load(model, windows);
    const auto run = prepare_run(recipe);
    notes_ = run.resources.data_notes;
    return evaluate_model(run.model, nullptr, *run.resources.data.at(Split::eval), run.resources, 0, {}, {}).metrics.at("mse");
  }
  std::string error(const Model& model, const std::string& windows) {
    return test::error_of([&] { prepare_run(load(model, windows)); }).to_text();
  }
  std::vector<std::string> notes_;

 private:
  Recipe load(const Model& model, const std::string& windows) {
    write_pt2(model, folder_.file("model.pt2"));
    test::spit(folder_.file("recipe.yaml"), R"(version: 1
model: {path: model.pt2}
data: {eval: {format: tensors, path: eval.safetensors, split: all}}
evaluate: {metrics: [mse], batch: 2)" + (windows.empty() ? "" : ", windows: " + windows) +
                                                "}\npasses: []\n");
    return load_recipe({.path = folder_.file("recipe.yaml"), .vars_files = {}, .overrides = {}}, table_);
  }
  const test::TempFolder folder_;
  PassTable table_;
};

TEST_F(WindowsTest, AreTheWholeWhereTheReceptiveFieldFits) {
  const Model model = convolutions("s1{16}");
  const double whole = mse(model, "");
  EXPECT_NEAR(mse(model, "{size: 16, overlap: 8}"), whole, 1e-6);
  EXPECT_EQ(notes_, std::vector<std::string>{"data.eval: examples of 70 positions are evaluated in 8 windows of 16"});
  EXPECT_GT(std::abs(mse(model, "{size: 16}") - whole), 1e-4);
}

TEST_F(WindowsTest, LetNetworksOfOneLengthSeeLongerSeries) {
  const double whole = mse(convolutions("s1{16}"), "");
  EXPECT_TRUE(contains(error(convolutions("16"), ""), "the model takes f32[s0, 2, 16]"));
  EXPECT_NEAR(mse(convolutions("16"), "{size: 16, overlap: 8}"), whole, 1e-6);
}

TEST_F(WindowsTest, OfAnotherSizeThanTheModelsAreRefused) {
  const std::string found = error(convolutions("16"), "{size: 12, overlap: 8}");
  EXPECT_TRUE(contains(found, "windows have 12 positions of dimension 2, and the model's input `x` takes f32[s0, 2, 16]")) << found;
  EXPECT_TRUE(contains(found, "/evaluate/windows/size") && contains(found, "write size: 16")) << found;
}

TEST_F(WindowsTest, OfDimensionsThatAreNotThereAreRefused) {
  const std::string found = error(convolutions("s1{16}"), "{size: 16, dims: [3]}");
  EXPECT_TRUE(contains(found, "windows of an input of 3 dimensions cannot cut dimension 3") && contains(found, "/evaluate/windows")) << found;
}

// Of text: ids of no more tokens than `size`, filled up or not.
DatasetInfo texts(Dim size) {
  DatasetInfo info{.description = "texts"};
  info.inputs = {TensorType{.dtype = ScalarType::i64, .sizes = {std::move(size)}}};
  info.longest = 40;
  return info;
}

TEST(Windows, OfPaddingAloneAreRefused) {
  const Model model = test::text_model("  input %x: i64[s0{2}, s1{8}]\n  output %x\n");
  const WindowOptions windows{.size = 8, .overlap = 2};
  EXPECT_TRUE(check_windows(texts({40, "length"}), model, windows).empty());
  const auto filled = check_windows(texts({40, ""}), model, windows);
  ASSERT_EQ(filled.size(), 1U);
  EXPECT_TRUE(contains(filled[0].message, "a window may hold nothing but padding")) << filled[0].message;
  DatasetInfo eight = texts({40, "length"});
  eight.fixed_batch = 8;
  const auto fixed = check_windows(eight, model, windows);
  ASSERT_EQ(fixed.size(), 1U);
  EXPECT_TRUE(contains(fixed[0].message, "the model takes 8 examples at once")) << fixed[0].message;
  EXPECT_EQ(describe_windows(texts({40, "length"}), windows), "the longest example of 40 positions is evaluated in 7 windows of 8");
  EXPECT_EQ(in_windows(texts({40, "length"}), windows).longest, 8);
}

}  // namespace
}  // namespace dsc
