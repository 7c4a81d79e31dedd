#include "data/tensors.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>

#include <gtest/gtest.h>

#include "data/files.h"
#include "io/safetensors.h"

namespace dsc {
namespace {

using namespace test;

at::Tensor counting(at::IntArrayRef sizes, at::ScalarType type) { return at::arange(c10::multiply_integers(sizes), type).view(sizes); }

std::unique_ptr<Dataset> open_all(const fs::path& path, std::vector<std::string> inputs = {}, const std::string& split = "all") {
  SplitConfig config = split_of(DataFormat::tensors, path.string(), split);
  config.inputs = std::move(inputs);
  return open_dataset(config, std::nullopt);
}

TEST(Tensors, SafetensorsColumnsKeepIntegersAndWidenThem) {
  const Folder folder;
  const at::Tensor ids = counting({4, 3}, at::kInt), mask = at::ones({4, 3}, at::kLong), half = counting({4, 2}, at::kHalf);
  write_safetensors((folder / "train.safetensors").string(),
                    {.tensors = {{"input_ids", ids}, {"mask", mask}, {"half", half}, {"label", at::tensor({1, 0, 2, 1}, at::kInt)}}, .metadata = {}});
  const auto dataset = open_all(folder.string(), {"half", "input_ids"}, "train[1:]");
  EXPECT_EQ(dataset->info().input_names, (std::vector<std::string>{"half", "input_ids"}));
  EXPECT_EQ(dataset->info().inputs[0].dtype, ScalarType::f32);
  EXPECT_EQ(dataset->info().inputs[1].dtype, ScalarType::i64);
  EXPECT_EQ(dataset->info().inputs[1].sizes, std::vector<Dim>{Dim{3}});
  EXPECT_EQ(dataset->info().classes, 3);
  const Batch batch = dataset->batch(std::vector<std::int64_t>{2, 0}, std::nullopt);
  EXPECT_TRUE(batch.inputs[0].equal(at::stack({half[3], half[1]}).to(at::kFloat)));
  EXPECT_TRUE(batch.inputs[1].equal(at::stack({ids[3], ids[1]}).to(at::kLong)));
  EXPECT_EQ(labels_of(batch), (std::vector<std::int64_t>{1, 0}));
  EXPECT_EQ(open_all(folder / "train.safetensors")->info().inputs.size(), 3u);
}

// Columns of labels are no inputs, and belong to outputs by the column's name, another name or a number.
TEST(Tensors, FurtherLabelsKnowTheirOutputs) {
  const Folder folder;
  const at::Tensor x = counting({4, 2}, at::kFloat), price = at::tensor({0.5, 1.5, 2.5, 3.5}, at::kDouble), kind = at::tensor({2, 0, 1, 2}, at::kInt);
  write_safetensors((folder / "train.safetensors").string(), {.tensors = {{"x", x},
                                                                          {"price", price},
                                                                          {"kind", kind},
                                                                          {"is_new", at::tensor({1, 0, 0, 1}).to(at::kBool)},
                                                                          {"label", at::tensor({1, 0, 2, 1})}},
                                                              .metadata = {}});
  SplitConfig config = split_of(DataFormat::tensors, folder.string(), "train[1:]");
  config.labels = {{"price", ""}, {"kind", "kinds"}, {"is_new", "0"}};
  const auto dataset = open_dataset(config, std::nullopt);
  EXPECT_EQ(dataset->info().input_names, std::vector<std::string>{"x"});
  EXPECT_EQ(dataset->info().label_names, (std::vector<std::string>{"is_new", "kind", "price"}));
  dataset->set_label_outputs({"logits", "kinds", "price"});
  const Batch batch = dataset->batch(std::vector<std::int64_t>{2, 0}, std::nullopt);
  EXPECT_EQ(labels_of(batch), (std::vector<std::int64_t>{1, 0}));
  ASSERT_EQ(batch.labels.size(), 3u);
  EXPECT_TRUE(batch.labels[0].target.equal(at::tensor({1, 0}, at::kLong)));
  EXPECT_TRUE(batch.labels[1].target.equal(at::tensor({2, 0}, at::kLong)));
  EXPECT_TRUE(batch.labels[2].target.equal(at::tensor({3.5f, 1.5f})));
  EXPECT_EQ(batch.labels[0].output, 0);
  EXPECT_EQ(batch.labels[1].output, 1);
  EXPECT_EQ(batch.labels[2].output, 2);
}

TEST(Tensors, PicturesHaveFurtherLabelsToo) {
  const Folder folder;
  write_safetensors(
      (folder / "train.safetensors").string(),
      {.tensors = {{"x", counting({3, 1, 2, 2}, at::kByte)}, {"label", at::tensor({1, 0, 2})}, {"angle", at::tensor({0.25f, 0.5f, 0.75f})}},
       .metadata = {}});
  SplitConfig config = split_of(DataFormat::tensors, folder.string(), "train");
  config.labels = {{"angle", "1"}};
  const Batch batch = open_dataset(config, std::nullopt)->batch(std::vector<std::int64_t>{2, 1}, std::nullopt);
  EXPECT_EQ(batch.inputs.at(0).sizes(), (std::vector<std::int64_t>{2, 1, 2, 2}));
  EXPECT_TRUE(batch.labels.at(0).target.equal(at::tensor({0.75f, 0.5f})));
}

TEST(Tensors, AnOutputThatTheModelHasNotIsNamed) {
  const Folder folder;
  write_safetensors((folder / "train.safetensors").string(),
                    {.tensors = {{"x", counting({2, 2}, at::kFloat)}, {"price", at::tensor({0.5f, 1.f})}}, .metadata = {}});
  SplitConfig config = split_of(DataFormat::tensors, folder.string(), "train");
  config.labels = {{"price", ""}};
  const auto dataset = open_dataset(config, std::nullopt);
  const auto error = error_of([&] { dataset->set_label_outputs({"logits", "prices"}); });
  EXPECT_NE(error.find("is of the output `price`"), std::string::npos) << error;
  EXPECT_NE(error.find("0 logits, 1 prices"), std::string::npos) << error;
  config.labels = {{"cost", ""}};
  EXPECT_NE(error_of([&] { open_dataset(config, std::nullopt); }).find("no column `cost`"), std::string::npos);
}

TEST(Tensors, FolderOfNpyColumnsAndASingleFile) {
  const Folder folder;
  write_npy<float>(folder / "x.npy", "<f4", "(3, 2)", {1, 2, 3, 4, 5, 6});
  write_npy<double>(folder / "label.npy", "<f8", "(3,)", {0.5, 1.5, 2.5});
  const auto dataset = open_all(folder.string());
  const Batch batch = dataset->batch(all_of(*dataset), std::nullopt);
  EXPECT_TRUE(batch.inputs[0].equal(at::tensor({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}).view({3, 2})));
  EXPECT_TRUE(batch.target.equal(at::tensor({0.5f, 1.5f, 2.5f})));
  EXPECT_FALSE(dataset->info().classes);

  const auto single = open_all(folder / "x.npy", {}, "all[-1:]");
  EXPECT_EQ(single->info().input_names, std::vector<std::string>{"x"});
  const Batch last = single->batch(all_of(*single), std::nullopt);
  EXPECT_TRUE(last.inputs[0].equal(at::tensor({5.f, 6.f}).view({1, 2})));
  EXPECT_FALSE(last.target.defined());
}

TEST(Tensors, EveryNpyTypeReadsAsWritten) {
  const Folder folder;
  const auto expect = [&](const std::string& descr, const auto& values, at::ScalarType type) {
    using T = typename std::decay_t<decltype(values)>::value_type;
    write_npy<T>(folder / "x.npy", descr, "(3,)", values);
    const at::Tensor read = read_npy((folder / "x.npy").string());
    EXPECT_EQ(read.scalar_type(), type) << descr;
    for (std::int64_t i = 0; i < 3; ++i) EXPECT_EQ(read[i].item<double>(), static_cast<double>(values[static_cast<std::size_t>(i)])) << descr;
  };
  expect("|u1", std::vector<std::uint8_t>{0, 7, 255}, at::kByte);
  expect("|i1", std::vector<std::int8_t>{-128, 0, 127}, at::kChar);
  expect("<i2", std::vector<std::int16_t>{-300, 0, 300}, at::kShort);
  expect("<i4", std::vector<std::int32_t>{-70000, 0, 70000}, at::kInt);
  expect("<i8", std::vector<std::int64_t>{-(1LL << 40), 0, 1LL << 40}, at::kLong);
  expect("<f4", std::vector<float>{-1.5f, 0, 2.25f}, at::kFloat);
  expect("<f8", std::vector<double>{-1.5, 0, 0.1}, at::kDouble);
}

TEST(Tensors, DamagedNpyIsNamed) {
  const Folder folder;
  const fs::path path = folder / "x.npy";
  const std::vector<float> six{1, 2, 3, 4, 5, 6};
  const auto expect = [&](const std::string& part) {
    const std::string text = error_of([&] { open_all(path); });
    EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_NE(text.find("x.npy"), std::string::npos) << text;
  };
  write_npy<float>(path, "<f4", "(3, 3)", six);
  expect("has 24 bytes of data, its header promises 36");
  write_npy<float>(path, "<c8", "(3,)", six);
  expect("type `<c8`");
  write_npy<float>(path, "<f4", "(3 2)", six);
  expect("promises");
  write_npy<float>(path, "<f4", "(3, x)", six);
  expect("not numbers");
  write_npy<float>(path, "<f4", "(99999999999999999999,)", six);
  expect("beyond 2^31");
  write_npy(path, "<f4", "(3, 2)", six.data(), 24, "True");
  expect("Fortran order");
  const Bytes whole = read_bytes(path);
  for (std::size_t size : {std::size_t{0}, std::size_t{5}, std::size_t{9}, std::size_t{60}}) {
    write_bytes(path, Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
    expect(size < 10 ? "is no .npy file" : "ends inside its header");
  }
}

TEST(Tensors, WrongNamesRowsAndLabelsAreErrors) {
  const Folder folder;
  const auto write = [&](const at::Tensor& labels) {
    write_safetensors((folder / "all.safetensors").string(), {.tensors = {{"pixels", counting({3, 2}, at::kFloat)}, {"label", labels}}, .metadata = {}});
  };
  const fs::path file = folder / "all.safetensors";
  write(at::tensor({0, 1, 2}));
  EXPECT_NE(error_of([&] { open_all(file, {"pixel"}); }).find("pixels"), std::string::npos);
  EXPECT_NE(error_of([&] { open_all(file, {}, "train"); }).find("split: all"), std::string::npos);
  EXPECT_NE(error_of([&] { open_all(folder.string(), {}, "train"); }).find("train.safetensors"), std::string::npos);
  SplitConfig config = split_of(DataFormat::tensors, file.string(), "all");
  config.label = "target";
  EXPECT_NE(error_of([&] { open_dataset(config, std::nullopt); }).find("no column `target`"), std::string::npos);
  config.label = "label";
  config.augment = {HorizontalFlip{}};
  EXPECT_NE(error_of([&] { open_dataset(config, std::nullopt); }).find("augment is for images"), std::string::npos);
  write(at::tensor({0, -1, 2}));
  EXPECT_NE(error_of([&] { open_all(file); }).find("example 1 has label -1"), std::string::npos);
  write(at::tensor({0, 1}));
  const std::string rows = error_of([&] { open_all(file); });
  EXPECT_NE(rows.find("column `label` has 2"), std::string::npos) << rows;
  EXPECT_NE(rows.find("column `pixels` has 3"), std::string::npos) << rows;
}

TEST(Tensors, ByteColumnsOfRankFourAreImages) {
  const Folder folder;
  const at::Tensor pictures = (counting({4, 2, 3, 5}, at::kInt) % 256).to(at::kByte);
  write_safetensors((folder / "train.safetensors").string(), {.tensors = {{"image", pictures}, {"label", at::tensor({0, 1, 0, 1})}}, .metadata = {}});
  const auto dataset = open_dataset(split_of(DataFormat::tensors, folder.string(), "train"), NormalizeConfig{.mean = {0.5, 0.25}, .std = {2, 4}});
  const Batch batch = dataset->batch(all_of(*dataset), std::nullopt);
  const at::Tensor mean = at::tensor({0.5f, 0.25f}).view({2, 1, 1}), std = at::tensor({2.f, 4.f}).view({2, 1, 1});
  EXPECT_TRUE(batch.inputs[0].equal((pictures.to(at::kFloat) / 255 - mean) / std));
  EXPECT_EQ(dataset->info().classes, 2);
}

}  // namespace
}  // namespace dsc
