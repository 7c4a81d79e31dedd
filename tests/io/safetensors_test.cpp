#include "io/safetensors.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "io/files.h"
#include "io/pt2.h"
#include "support/data_folder.h"

namespace dsc {
namespace {

std::string with_header(const std::string& header, std::size_t data) {
  std::uint64_t size = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &size, 8);
  return bytes + header + std::string(data, '\1');
}

TEST(Safetensors, ReadsBackWhatWasWritten) {
  const TemporaryFolder folder;
  const TensorFile file{{{"weight", at::randn({3, 4})},
                         {"half", at::randn({5}).to(at::kHalf)},
                         {"brain", at::randn({2}).to(at::kBFloat16)},
                         {"ids", at::arange(7)},
                         {"mask", at::ones({3}, at::kBool)},
                         {"scalar", at::full({}, 2.5)},
                         {"empty", at::zeros({0, 3})},
                         {"turned", at::randn({4, 3}).t()}},
                        {{"recipe", "a: 1\nb: \"ü\""}}};
  write_safetensors(folder.file("x.safetensors"), file);
  const auto back = read_safetensors(folder.file("x.safetensors"));
  EXPECT_EQ(back.metadata, file.metadata);
  ASSERT_EQ(back.tensors.size(), file.tensors.size());
  for (const auto& [name, tensor] : back.tensors) {
    const auto original = std::find_if(file.tensors.begin(), file.tensors.end(), [&](const auto& entry) { return entry.first == name; });
    ASSERT_NE(original, file.tensors.end());
    EXPECT_EQ(tensor.scalar_type(), original->second.scalar_type()) << name;
    EXPECT_TRUE(at::equal(tensor, original->second)) << name;
  }
}

TEST(Safetensors, BytesDoNotDependOnTheOrderGiven) {
  const TemporaryFolder folder;
  const auto a = at::randn({3}), b = at::arange(3);
  write_safetensors(folder.file("1"), {{{"a", a}, {"b", b}}, {}});
  write_safetensors(folder.file("2"), {{{"b", b}, {"a", a}}, {}});
  EXPECT_EQ(bytes_of(folder.file("1")), bytes_of(folder.file("2")));
}

TEST(Safetensors, WritingToATensorLeavesTheFileAlone) {
  const TemporaryFolder folder;
  write_safetensors(folder.file("x"), {{{"a", at::zeros({4})}}, {}});
  const auto before = bytes_of(folder.file("x"));
  auto file = read_safetensors(folder.file("x"));
  file.tensors[0].second.fill_(1);
  EXPECT_EQ(bytes_of(folder.file("x")), before);
}

// What people give for weights, by its first bytes; the command converts it.
TEST(Safetensors, OtherFilesAreNamedWithTheWayToConvertThem) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& name, const std::string& bytes) {
    write_bytes(folder.file(name), bytes + std::string(200, '\7'));
    const auto error = error_of([&] { read_safetensors(folder.file(name)); });
    EXPECT_EQ(error.code(), ErrorCode::model_file);
    return error.to_text();
  };
  const std::string zip = refused("model.pth", "PK\3\4" + std::string(4, '\0') + "\x8\x8");
  EXPECT_NE(zip.find("zip archive, as torch.save writes"), std::string::npos) << zip;
  EXPECT_NE(zip.find("scripts/convert_weights.py " + folder.file("model.pth") + " " + folder.file("model.safetensors")), std::string::npos) << zip;
  const std::string old = refused("old.bin", std::string("\x80\2\x8a\nl\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14));
  EXPECT_NE(old.find("before PyTorch 1.6"), std::string::npos) << old;
  EXPECT_NE(refused("whole.pt2", "PK\3\4").find("torch.export archive"), std::string::npos);
  EXPECT_NE(refused("model.gguf", "GGUF\3").find("GGUF"), std::string::npos);
  // 640 bytes of header begin like a pickle.
  write_safetensors(folder.file("long"), {{{std::string(584, 'x'), at::zeros({1})}}, {}});
  ASSERT_EQ(bytes_of(folder.file("long")).substr(0, 2), "\x80\2");
  EXPECT_EQ(read_safetensors(folder.file("long")).tensors.size(), 1U);
}

struct BadHeader {
  const char* name;
  const char* header;
  std::size_t data;
  const char* expected;
};
class SafetensorsHeader : public testing::TestWithParam<BadHeader> {};

TEST_P(SafetensorsHeader, IsRefusedWithAReason) {
  const TemporaryFolder folder;
  write_bytes(folder.file("bad"), with_header(GetParam().header, GetParam().data));
  const auto error = error_of([&] { read_safetensors(folder.file("bad")); });
  EXPECT_NE(error.to_text().find(GetParam().expected), std::string::npos) << error.to_text();
}

INSTANTIATE_TEST_SUITE_P(
    Bad, SafetensorsHeader,
    testing::Values(
        BadHeader{"NoJson", "{\"a\":", 0, "does not follow the safetensors format"}, BadHeader{"List", "[]", 0, "no JSON object"},
        BadHeader{"Type", R"({"a":{"dtype":"F4","shape":[1],"data_offsets":[0,4]}})", 4, "element type F4"},
        BadHeader{"Gap", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "expected a start at 0"},
        BadHeader{"Overlap", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8,
                  "expected a start at 8"},
        BadHeader{"Beyond", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4, "an end within 4 bytes"},
        BadHeader{"Rest", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 8, "4 bytes follow the last tensor"},
        BadHeader{"Shape", R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8, "its shape needs 12"},
        BadHeader{"Overflow", R"({"a":{"dtype":"F32","shape":[4611686018427387904,8],"data_offsets":[0,8]}})", 8, "more than there can be"},
        BadHeader{"OverflowBesideZero", R"({"a":{"dtype":"F32","shape":[0,4611686018427387904,8],"data_offsets":[0,0]}})", 0,
                  "more than there can be"},
        BadHeader{"Negative", R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}})", 8, "impossible size -1"},
        BadHeader{"Fraction", R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,8]}})", 8, "impossible size 1.5"},
        BadHeader{"Offsets", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", 8, "no pair of offsets"}),
    [](const auto& info) { return info.param.name; });

TEST(Safetensors, RefusesAHeaderLongerThanTheFile) {
  const TemporaryFolder folder;
  write_bytes(folder.file("bad"), std::string(8, '\xff') + "{}");
  const auto error = error_of([&] { read_safetensors(folder.file("bad")); });
  EXPECT_NE(error.to_text().find("the header should have"), std::string::npos);
  EXPECT_EQ(error.problems()[0].place.pointer, "offset 0");
}

TEST(Safetensors, ReadsShardsByIndexAndByFolder) {
  const TemporaryFolder folder;
  write_safetensors(folder.file("model-1-of-2.safetensors"), {{{"a", at::ones({2})}}, {}});
  write_safetensors(folder.file("model-2-of-2.safetensors"), {{{"b", at::zeros({3})}, {"other", at::zeros({1})}}, {}});
  write_bytes(folder.file("model.safetensors.index.json"), R"({"weight_map":{"a":"model-1-of-2.safetensors","b":"model-2-of-2.safetensors"}})");
  for (const auto& path : {folder.file("model.safetensors.index.json"), folder.file("")}) {
    const auto file = read_safetensors(path);
    ASSERT_EQ(file.tensors.size(), 2u);
    EXPECT_EQ(file.tensors[0].first, "a");
    EXPECT_EQ(file.tensors[1].first, "b");
  }
}

TEST(Safetensors, ListsEveryMissingShardAndTensor) {
  const TemporaryFolder folder;
  write_safetensors(folder.file("1"), {{{"a", at::ones({2})}}, {}});
  write_bytes(folder.file("index.json"), R"({"weight_map":{"a":"1","gone":"1","b":"2"}})");
  const auto error = error_of([&] { read_safetensors(folder.file("index.json")); });
  ASSERT_EQ(error.problems().size(), 2u);
  EXPECT_NE(error.to_text().find("`gone` is not in shard `1`"), std::string::npos);
  EXPECT_NE(error.to_text().find("shard `2` is missing"), std::string::npos);
}

TensorFile state_of(const Model& model) {
  TensorFile file;
  for (const auto& input : model.graph.inputs()) {
    if (input.kind == InputKind::parameter || (input.kind == InputKind::buffer && input.persistent)) {
      file.tensors.emplace_back(input.target, model.weights.get(input.target));
    }
  }
  return file;
}

TEST(SwapWeights, TakesTensorsByName) {
  const TemporaryFolder folder;
  auto model = read_pt2(fixture("tiny.pt2"));
  auto file = state_of(model);
  for (auto& [name, tensor] : file.tensors) tensor = tensor + 1;
  write_safetensors(folder.file("new.safetensors"), file);
  swap_weights(model, folder.file("new.safetensors"));
  for (const auto& [name, tensor] : file.tensors) EXPECT_TRUE(at::equal(model.weights.get(name), tensor)) << name;
}

TEST(SwapWeights, ListsEveryMismatchWithTheNearestNames) {
  const TemporaryFolder folder;
  auto model = read_pt2(fixture("tiny.pt2"));
  const auto before = model.weights.get("bn1.bias");
  auto file = state_of(model);
  for (auto& [name, tensor] : file.tensors) {
    if (name == "conv1.weight") name = "conv_1.weight";
    if (name == "linear.weight") tensor = at::zeros({3, 4});
    if (name == "conv2.bias") tensor = tensor.to(at::kHalf);
    if (name == "bn1.bias") tensor = tensor + 1;
  }
  write_safetensors(folder.file("new.safetensors"), file);
  const auto error = error_of([&] { swap_weights(model, folder.file("new.safetensors")); });
  EXPECT_EQ(error.code(), ErrorCode::model_file);
  EXPECT_EQ(error.problems().size(), 4u) << error.to_text();
  const auto text = error.to_text();
  EXPECT_NE(text.find("the model needs `conv1.weight` f32[4, 3, 3, 3]"), std::string::npos) << text;
  EXPECT_NE(text.find("did you mean `conv_1.weight`?"), std::string::npos) << text;
  EXPECT_NE(text.find("`linear.weight` is f32[2, 4] in the model but f32[3, 4] in the file"), std::string::npos) << text;
  EXPECT_NE(text.find("`conv2.bias` is f32[4] in the model but f16[4] in the file"), std::string::npos) << text;
  EXPECT_TRUE(at::equal(model.weights.get("bn1.bias"), before)) << "nothing is swapped when something does not fit";
}

TEST(SwapWeights, AcceptsTiedWeightsUnderEitherName) {
  const TemporaryFolder folder;
  for (const std::string kept : {"embed.weight", "head.weight", "both"}) {
    auto model = read_pt2(fixture("regions.pt2"));
    const auto tied = at::randn({8, 4});
    TensorFile file{{{"calls", at::zeros({}, at::kLong)}}, {}};
    for (const std::string name : {"embed.weight", "head.weight"}) {
      if (kept == name || kept == "both") file.tensors.emplace_back(name, tied);
    }
    write_safetensors(folder.file("tied"), file);
    swap_weights(model, folder.file("tied"));
    for (const auto& name : model.weights.names()) {
      if (!name.ends_with(".weight")) continue;
      EXPECT_TRUE(at::equal(model.weights.get(name), tied)) << name << " with " << kept;
    }
    EXPECT_TRUE(model.weights.get("embed.weight").is_same(model.weights.get("head.weight")));
  }
}

TEST(SwapWeights, RefusesTiedWeightsThatDiffer) {
  const TemporaryFolder folder;
  auto model = read_pt2(fixture("regions.pt2"));
  write_safetensors(folder.file("untied"),
                    {{{"calls", at::zeros({}, at::kLong)}, {"embed.weight", at::randn({8, 4})}, {"head.weight", at::randn({8, 4})}}, {}});
  const auto error = error_of([&] { swap_weights(model, folder.file("untied")); });
  EXPECT_NE(error.to_text().find("are one tensor in the model but differ in the file"), std::string::npos);
}

TEST(Safetensors, ReadsRealCheckpoints) {
  const auto path = test::data_file("resnet-cifar10/resnet20.safetensors"), graph = test::data_file("resnet-cifar10/resnet20-cifar10.pt2");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << test::data_missing(path);
  auto model = read_pt2(graph);
  const auto before = model.weights.get("conv1.weight").clone();
  swap_weights(model, path);
  EXPECT_TRUE(at::equal(model.weights.get("conv1.weight"), before));
}

}  // namespace
}  // namespace dsc
