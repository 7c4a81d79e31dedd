// Columns in the order, the types and the batch size that a model takes.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "data/files.h"
#include "data/match_columns.h"
#include "io/safetensors.h"

namespace dsc {
namespace {

using namespace test;

const Dim kOpenBatch{2, "s0"};

// A model that takes these inputs and gives the first one back.
Model model_with(const std::vector<std::pair<std::string, TensorType>>& inputs) {
  Model model;
  for (const auto& [name, type] : inputs) model.graph.add_input(InputKind::user, name, name, type);
  return model;
}

TensorType open_type(ScalarType dtype, std::vector<Dim> sizes) { return TensorType{.dtype = dtype, .sizes = std::move(sizes)}; }

class InputTypes : public testing::Test {
 protected:
  std::unique_ptr<Dataset> open(const std::vector<std::pair<std::string, at::Tensor>>& columns, std::vector<std::string> inputs = {}, const std::optional<NormalizeConfig>& normalize = {}) {
    write_safetensors((folder / "all.safetensors").string(), {.tensors = columns, .metadata = {}});
    SplitConfig split = split_of(DataFormat::tensors, (folder / "all.safetensors").string(), "all");
    split.inputs = std::move(inputs);
    return open_dataset(split, normalize);
  }
  // The first input of all examples as the model takes it; the message when it cannot.
  at::Tensor bound(const at::Tensor& column, ScalarType wanted) {
    std::vector<Dim> sizes{kOpenBatch};
    for (const auto size : column.sizes().slice(1)) sizes.push_back(Dim{size});
    const Model model = model_with({{"x", open_type(wanted, sizes)}});
    const auto dataset = bind_inputs(open({{"x", column}}), model);
    EXPECT_TRUE(check_against_model(*dataset, model).empty());
    return dataset->batch(all_of(*dataset), std::nullopt).inputs.at(0);
  }
  std::string refusal(const at::Tensor& column, ScalarType wanted) {
    return error_of([&] { bound(column, wanted); });
  }
  const Folder folder;
};

TEST_F(InputTypes, ColumnsBecomeWhatTheModelTakesWithoutLoss) {
  const std::vector<std::pair<ScalarType, at::ScalarType>> integers{{ScalarType::u8, at::kByte}, {ScalarType::i8, at::kChar}, {ScalarType::i16, at::kShort},
                                                                    {ScalarType::i32, at::kInt}, {ScalarType::i64, at::kLong}};
  const std::vector<std::pair<ScalarType, at::ScalarType>> reals{{ScalarType::f16, at::kHalf}, {ScalarType::bf16, at::kBFloat16}, {ScalarType::f32, at::kFloat}, {ScalarType::f64, at::kDouble}};
  const at::Tensor whole = at::tensor({0, 1, 7, 100, 127, 5}, at::kLong).view({3, 2}), real = at::tensor({0.0, -1.5, 2.25, 64.0, 0.125, 3.0}, at::kDouble).view({3, 2});
  for (const auto& [wanted, type] : integers) {
    for (const auto& [stored_as, stored] : integers) {
      const at::Tensor got = bound(whole.to(stored), wanted);
      EXPECT_EQ(got.scalar_type(), type);
      EXPECT_TRUE(got.to(at::kLong).equal(whole)) << to_string(stored_as) << " as " << to_string(wanted);
    }
    EXPECT_TRUE(bound(whole.to(at::kFloat), wanted).to(at::kLong).equal(whole));  // whole numbers stored as real ones
    EXPECT_TRUE(bound(whole.gt(3), wanted).to(at::kLong).equal(whole.gt(3).to(at::kLong)));
  }
  for (const auto& [wanted, type] : reals) {
    for (const auto& [stored_as, stored] : reals) {
      const at::Tensor got = bound(real.to(stored), wanted);
      EXPECT_EQ(got.scalar_type(), type);
      EXPECT_TRUE(got.to(at::kDouble).equal(real)) << to_string(stored_as) << " as " << to_string(wanted);
    }
    EXPECT_TRUE(bound(whole, wanted).to(at::kLong).equal(whole));
  }
  EXPECT_TRUE(bound(whole.gt(3).to(at::kByte), ScalarType::boolean).equal(whole.gt(3)));
}

TEST_F(InputTypes, DoublesStayDoubles) {
  const at::Tensor fine = at::tensor({1.0 + 1e-12, 2.0}, at::kDouble).view({2, 1});
  EXPECT_TRUE(bound(fine, ScalarType::f64).equal(fine));
  EXPECT_TRUE(bound(fine, ScalarType::f32).equal(fine.to(at::kFloat)));
}

TEST_F(InputTypes, InfinitiesAreValues) {
  const at::Tensor mask = at::tensor({0.0, -INFINITY}, at::kFloat).view({2, 1});
  EXPECT_TRUE(bound(mask, ScalarType::f16).isneginf().equal(mask.isneginf()));
}

TEST_F(InputTypes, ValuesThatDoNotFitAreRefusedWithTheirExample) {
  const auto expect = [&](const at::Tensor& column, ScalarType wanted, const std::string& part) {
    const std::string text = refusal(column.view({-1, 1}), wanted);
    EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_NE(text.find("column `x`"), std::string::npos) << text;
  };
  expect(at::tensor({1, 2, 300}, at::kLong), ScalarType::u8, "has 300 in example 2, which u8 cannot hold");
  expect(at::tensor({1, -1}, at::kInt), ScalarType::u8, "has -1 in example 1");
  expect(at::tensor({std::int64_t{0}, std::int64_t{1} << 40}, at::kLong), ScalarType::i32, "which i32 cannot hold");
  expect(at::tensor({1.0, 2.5}, at::kFloat), ScalarType::i64, "has 2.5 in example 1, which i64 cannot hold");
  expect(at::tensor({1.0, double(NAN)}, at::kDouble), ScalarType::i32, "has nan in example 1");
  expect(at::tensor({1.0, 1e300}, at::kDouble), ScalarType::f32, "which f32 cannot hold");
  expect(at::tensor({70000.0, 1.0}, at::kFloat), ScalarType::f16, "which f16 cannot hold");
  expect(at::tensor({1, (1 << 24) + 1}, at::kLong), ScalarType::f32, "has 16777217 in example 1");
  expect(at::tensor({0, 2}, at::kLong), ScalarType::boolean, "has 2 in example 1");
}

TEST_F(InputTypes, WhatTheTypeDoesNotSayIsAsked) {
  const std::string mask = refusal(at::tensor({1, 0}, at::kLong).to(at::kBool).view({2, 1}), ScalarType::f32);
  EXPECT_NE(mask.find("0 and -inf"), std::string::npos) << mask;
  const std::string pixels = refusal(at::zeros({2, 4, 4}, at::kByte), ScalarType::f32);
  EXPECT_NE(pixels.find("0 to 255 or 0 to 1"), std::string::npos) << pixels;
}

TEST_F(InputTypes, ModelsOfPixelsGetPixels) {
  const at::Tensor pictures = (at::arange(2 * 4 * 5 * 3) * 7 % 256).to(at::kByte).view({2, 4, 5, 3});
  EXPECT_TRUE(bound(pictures, ScalarType::u8).equal(pictures));
  EXPECT_TRUE(bound(pictures, ScalarType::i32).equal(pictures.to(at::kInt)));
  EXPECT_TRUE(bound(pictures, ScalarType::f16).equal((pictures.to(at::kFloat) / 255).to(at::kHalf)));
  EXPECT_NE(refusal(pictures, ScalarType::i8).find("i8, which cannot hold"), std::string::npos);
  const Model model = model_with({{"x", open_type(ScalarType::u8, {kOpenBatch, Dim{4}, Dim{5}, Dim{3}})}});
  const NormalizeConfig normalize{.mean = {0.5, 0.5, 0.5, 0.5}, .std = {1, 1, 1, 1}};
  EXPECT_NE(error_of([&] { bind_inputs(open({{"x", pictures}}, {}, normalize), model); }).find("remove normalize"), std::string::npos);
}

// --- names ---

class Columns : public InputTypes {
 protected:
  const Model model = model_with({{"left", open_type(ScalarType::f32, {kOpenBatch, Dim{2}})}, {"right", open_type(ScalarType::f32, {kOpenBatch, Dim{2}})}});
  const at::Tensor a = at::full({3, 2}, 1.0F), b = at::full({3, 2}, 2.0F), c = at::full({3, 2}, 3.0F);

  std::string problems(const std::vector<std::pair<std::string, at::Tensor>>& columns, std::vector<std::string> inputs = {}) {
    const auto dataset = bind_inputs(open(columns, std::move(inputs)), model);
    std::string text;
    for (const auto& problem : check_against_model(*dataset, model)) text += problem.message + "; " + problem.hint + "\n";
    return text;
  }
  std::vector<double> values(const std::vector<std::pair<std::string, at::Tensor>>& columns, std::vector<std::string> inputs = {}) {
    const auto dataset = bind_inputs(open(columns, std::move(inputs)), model);
    EXPECT_TRUE(check_against_model(*dataset, model).empty());
    const Batch batch = dataset->batch(std::vector<std::int64_t>{0}, std::nullopt);
    std::vector<double> found;
    for (const auto& input : batch.inputs) found.push_back(input[0][0].item<double>());
    return found;
  }
};

TEST_F(Columns, AreFoundByName) {
  EXPECT_EQ(values({{"right", b}, {"left", a}}), (std::vector<double>{1, 2}));
  EXPECT_EQ(values({{"right", b}, {"other", c}, {"left", a}}), (std::vector<double>{1, 2}));
  EXPECT_EQ(values({{"right", b}, {"left", a}}, {"right", "left"}), (std::vector<double>{1, 2}));
}

// torch.export calls the leaf `right` of the argument `batch` batch_right.
TEST_F(Columns, AreFoundByTheNamesOfTheExportedProgram) {
  Model nested;
  for (const std::string leaf : {"right", "left"}) {
    nested.graph.add_input(InputKind::user, "batch_" + leaf, "batch." + leaf, open_type(ScalarType::f32, {kOpenBatch, Dim{2}}));
  }
  for (const std::string separator : {"_", "."}) {
    const auto dataset = bind_inputs(open({{"batch" + separator + "left", a}, {"batch" + separator + "right", b}}), nested);
    EXPECT_TRUE(check_against_model(*dataset, nested).empty());
    EXPECT_EQ(dataset->batch(std::vector<std::int64_t>{0}, std::nullopt).inputs.at(0)[0][0].item<double>(), 2) << separator;
  }
}

TEST_F(Columns, OneWrongNameIsAnErrorWithTheNearest) {
  const std::string text = problems({{"lefft", a}, {"right", b}});
  EXPECT_NE(text.find("no column for the model's input `left`: its columns are lefft, right, the model takes left, right"), std::string::npos) << text;
  EXPECT_NE(text.find("did you mean `lefft`?"), std::string::npos) << text;
  EXPECT_NE(text.find("under `inputs` in the model's order"), std::string::npos) << text;
  const std::string both = problems({{"u", a}, {"v", b}});
  EXPECT_NE(both.find("input `left`"), std::string::npos) << both;
  EXPECT_NE(both.find("input `right`"), std::string::npos) << both;
  EXPECT_NE(problems({{"left", a}}).find("input `right`"), std::string::npos);
}

TEST_F(Columns, GoByPositionOnlyWhereTheRecipeListsThem) {
  EXPECT_EQ(values({{"u", a}, {"v", b}}, {"v", "u"}), (std::vector<double>{2, 1}));
  EXPECT_EQ(values({{"left", a}, {"v", b}}, {"left", "v"}), (std::vector<double>{1, 2}));
  const std::string swapped = problems({{"left", a}, {"v", b}}, {"v", "left"});
  EXPECT_NE(swapped.find("lists the column `left` for the model's input `right`"), std::string::npos) << swapped;
  EXPECT_NE(problems({{"u", a}, {"v", b}, {"w", c}}, {"u", "v", "w"}).find("gives 3 inputs (u, v, w), the model takes 2 (left, right)"), std::string::npos);
}

TEST_F(Columns, OneColumnAndOneInputNeedNoName) {
  const Model single = model_with({{"pixels", open_type(ScalarType::f32, {kOpenBatch, Dim{2}})}});
  EXPECT_TRUE(check_against_model(*bind_inputs(open({{"x", a}}), single), single).empty());
  EXPECT_FALSE(check_against_model(*bind_inputs(open({{"x", a}, {"y", b}}), single), single).empty());
}

TEST_F(Columns, NumbersBesideTensorsAreNamed) {
  Model mixed = model_with({{"x", open_type(ScalarType::f32, {kOpenBatch, Dim{2}})}});
  mixed.graph.add_input(InputKind::user, "steps", "steps", SymbolType{});
  const auto found = check_against_model(*bind_inputs(open({{"x", a}}), mixed), mixed);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found[0].message.find("`steps` is a number"), std::string::npos);
}

// --- a fixed batch ---

TEST_F(Columns, AFixedBatchIsTheDataSets) {
  const Model fixed = model_with({{"left", open_type(ScalarType::f32, {Dim{2}, Dim{2}})}, {"right", open_type(ScalarType::f32, {Dim{2}, Dim{2}})}});
  const auto dataset = bind_inputs(open({{"left", a}, {"right", b}}), fixed);
  EXPECT_TRUE(check_against_model(*dataset, fixed).empty());
  EXPECT_EQ(dataset->info().fixed_batch, 2);
  EXPECT_EQ(batch_size(*dataset, 64), 2);
  const Model uneven = model_with({{"left", open_type(ScalarType::f32, {Dim{2}, Dim{2}})}, {"right", open_type(ScalarType::f32, {kOpenBatch, Dim{2}})}});
  const auto problems = check_against_model(*bind_inputs(open({{"left", a}, {"right", b}}), uneven), uneven);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].message, "the model's input `left` has a fixed batch of 2, and others have not");
}

}  // namespace
}  // namespace dsc
