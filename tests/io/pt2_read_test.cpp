#include "io/pt2.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "io/files.h"
#include "ir/control_flow.h"
#include "ir/verify.h"
#include "support/data_folder.h"

namespace dsc {
namespace {

const Node* find_target(const Graph& graph, std::string_view target) {
  for (const auto* node : graph.nodes()) {
    if (node->is(target)) return node;
  }
  return nullptr;
}

TEST(ReadPt2, GivesNamesTypesAndModulesAsExported) {
  const auto model = read_pt2(fixture("tiny.pt2"));
  const auto* weight = model.graph.find_weight("conv1.weight");
  ASSERT_NE(weight, nullptr);
  EXPECT_EQ(weight->tensor().sizes, (std::vector<Dim>{{4, {}}, {3, {}}, {3, {}}, {3, {}}}));
  EXPECT_TRUE(weight->tensor().requires_grad);
  EXPECT_EQ(model.weights.get("conv1.weight").sizes(), (at::IntArrayRef{4, 3, 3, 3}));
  const auto nodes = model.graph.nodes();
  EXPECT_EQ(nodes.back()->target(), "aten.linear.default");
  EXPECT_EQ(nodes.back()->module_path(), "linear");
  EXPECT_EQ(nodes.back()->module_type(), "torch.nn.modules.linear.Linear");
  const auto& input = model.graph.inputs().back();
  EXPECT_EQ(input.kind, InputKind::user);
  EXPECT_EQ(input.target, "x");
  EXPECT_FALSE(input.value->tensor().sizes[0].is_fixed());
  EXPECT_EQ(input.value->tensor().sizes[0].size, 2);
  EXPECT_TRUE(input.value->tensor().sizes[1].is_fixed());
}

TEST(ReadPt2, PutsSubGraphsInlineWithNestedRegions) {
  const auto model = read_pt2(fixture("regions.pt2"));
  const auto* matmul = find_target(model.graph, "aten.matmul.default");
  ASSERT_NE(matmul, nullptr);
  const auto* autocast = matmul->region();
  ASSERT_NE(autocast, nullptr);
  EXPECT_EQ(autocast->kind, Region::Kind::autocast);
  ASSERT_EQ(autocast->arguments.size(), 4u);
  EXPECT_EQ(std::get<std::string>(autocast->arguments[0]), "cpu");
  EXPECT_EQ(std::get<ScalarType>(autocast->arguments[1]), ScalarType::bf16);
  ASSERT_NE(autocast->parent, nullptr);
  EXPECT_EQ(autocast->parent->kind, Region::Kind::set_grad);
  EXPECT_FALSE(std::get<bool>(autocast->parent->arguments.at(0)));
  for (const auto* node : model.graph.nodes()) EXPECT_EQ(node->target().find("higher_order"), std::string::npos);
}

TEST(ReadPt2, KeepsTiedAndUnsavedTensors) {
  const auto model = read_pt2(fixture("regions.pt2"));
  EXPECT_TRUE(model.weights.has("scale"));
  const auto& inputs = model.graph.inputs();
  const auto scale = std::find_if(inputs.begin(), inputs.end(), [](const auto& input) { return input.target == "scale"; });
  ASSERT_NE(scale, inputs.end());
  EXPECT_FALSE(scale->persistent);
  const bool is_one_tensor = model.weights.has("head.weight") && model.weights.has("embed.weight") &&
                             model.weights.get("head.weight").is_same(model.weights.get("embed.weight"));
  EXPECT_TRUE(is_one_tensor || model.archive.json.contains("aliases"));
}

TEST(ReadPt2, NamesInputsByTheirPlaceInTheCall) {
  const auto model = read_pt2(fixture("calls.pt2"));
  std::vector<std::string> names;
  for (const auto& input : model.graph.inputs()) names.push_back(input.target);
  EXPECT_EQ(names, (std::vector<std::string>{"x", "pair.0", "pair.1", "options.gain"}));
  ASSERT_EQ(model.graph.outputs().size(), 3u);
  EXPECT_EQ(std::get<std::int64_t>(model.graph.outputs()[2].value), 3);
}

TEST(ReadPt2, RefusesAllOtherControlFlowAtOnceWithNodeAndTheUsersLine) {
  const auto error = error_of([] { read_pt2(fixture("loop.pt2")); });
  EXPECT_EQ(error.code(), ErrorCode::unsupported);
  ASSERT_EQ(error.problems().size(), 2u);
  EXPECT_NE(error.problems()[0].message.find("higher_order.while_loop"), std::string::npos);
  EXPECT_NE(error.problems()[0].message.find("make_fixtures.py:76 in forward: _, x = torch.while_loop("), std::string::npos) << error.problems()[0].message;
  EXPECT_EQ(error.problems()[0].place.pointer, "%while_loop");
  EXPECT_EQ(error.problems()[1].place.pointer, "%while_loop_1");
}

TEST(ReadPt2, KeepsBothBranchesWithTheirNode) {
  const auto model = read_pt2(fixture("control_flow.pt2"));
  EXPECT_TRUE(verify(model).empty());
  const Node* node = model.graph.find_node("cond");
  ASSERT_TRUE(node && is_control_flow(*node));
  EXPECT_NE(node->source_line().find("make_fixtures.py:67 in forward: y = torch.cond("), std::string::npos) << node->source_line();
  const auto branches = read_branches(*node);
  ASSERT_EQ(branches.size(), 2u);
  EXPECT_TRUE(branches[0].nodes().at(0)->is("aten.add.Tensor"));
  EXPECT_TRUE(branches[1].nodes().at(0)->is("aten.sub.Tensor"));
}

TEST(ReadPt2, NamesTheSchemaVersionAndTheRemedy) {
  const TemporaryFolder folder;
  rewrite_archive(fixture("tiny.pt2"), folder.file("old.pt2"), [](const std::string& name, std::string& content) {
    if (name == "models/model.json") replace_first(content, R"("major": 8)", R"("major": 7)");
  });
  const auto error = error_of([&] { read_pt2(folder.file("old.pt2")); });
  EXPECT_EQ(error.code(), ErrorCode::model_file);
  EXPECT_NE(error.problems()[0].message.find("schema 7."), std::string::npos);
  EXPECT_NE(error.problems()[0].hint.find("2.11"), std::string::npos);
}

struct Wrong {
  const char* name;
  const char* entry;
  const char* from;
  const char* to;
  ErrorCode code;
  const char* expected;
};

class ReadPt2Wrong : public testing::TestWithParam<Wrong> {};

TEST_P(ReadPt2Wrong, IsTold) {
  const auto& wrong = GetParam();
  const TemporaryFolder folder;
  rewrite_archive(fixture("tiny.pt2"), folder.file("wrong.pt2"), [&](const std::string& name, std::string& content) {
    if (name == wrong.entry) replace_first(content, wrong.from, wrong.to);
  });
  const auto error = error_of([&] { read_pt2(folder.file("wrong.pt2")); });
  EXPECT_EQ(error.code(), wrong.code) << error.to_text();
  EXPECT_NE(error.to_text().find(wrong.expected), std::string::npos) << error.to_text();
}

constexpr const char* kWeights = "data/weights/model_weights_config.json";
constexpr const char* kProgram = "models/model.json";
INSTANTIATE_TEST_SUITE_P(
    Archives, ReadPt2Wrong,
    testing::Values(Wrong{"Format", "archive_format", "pt2", "pt3", ErrorCode::model_file, "not of format pt2"},
                    Wrong{"Json", kProgram, "{", "[", ErrorCode::model_file, "is not JSON"},
                    Wrong{"Field", kProgram, "\"graph_module\"", "\"graph_modul\"", ErrorCode::model_file, "does not follow export schema 8"},
                    Wrong{"UndefinedValue", kProgram, R"("arg": {"as_tensor": {"name": "relu"}})", R"("arg": {"as_tensor": {"name": "rely"}})",
                          ErrorCode::model_file, "%rely is used before it is defined"},
                    Wrong{"ElementType", kProgram, R"("dtype": 7)", R"("dtype": 36)", ErrorCode::unsupported, "element type number 36"},
                    Wrong{"Pickle", kWeights, R"("use_pickle": false)", R"("use_pickle": true)", ErrorCode::unsupported,
                          "`conv1.weight` is a pickled"},
                    Wrong{"Payload", kWeights, R"("path_name": "weight_0")", R"("path_name": "weight_77")", ErrorCode::model_file,
                          "no entry `data/weights/weight_77`"},
                    Wrong{"TooLarge", kWeights, R"("sizes": [{"as_int": 4})", R"("sizes": [{"as_int": 4611686018427387904})", ErrorCode::model_file,
                          "does not fit its payload"},
                    Wrong{"Negative", kWeights, R"("storage_offset": {"as_int": 0})", R"("storage_offset": {"as_int": -1})", ErrorCode::model_file,
                          "does not fit its payload"},
                    Wrong{"Missing", kWeights, R"("conv1.weight")", R"("conv1.wait")", ErrorCode::model_file, "no tensor for `conv1.weight`"},
                    Wrong{"OtherShape", kWeights, R"("sizes": [{"as_int": 4})", R"("sizes": [{"as_int": 2})", ErrorCode::model_file,
                          "`conv1.weight` is f32[4, 3, 3, 3] in the graph"}),
    [](const auto& info) { return info.param.name; });

TEST(ReadPt2, TellsOtherFilesApart) {
  const TemporaryFolder folder;
  write_bytes(folder.file("text.pt2"), "hello");
  EXPECT_NE(error_of([&] { read_pt2(folder.file("text.pt2")); }).to_text().find("not a zip archive"), std::string::npos);
  EXPECT_EQ(error_of([&] { read_pt2(folder.file("none.pt2")); }).code(), ErrorCode::io);
  EXPECT_EQ(error_of([&] { read_pt2(folder.file("")); }).code(), ErrorCode::model_file);
}

TEST(ReadPt2, ReadsRealModels) {
  for (const std::string name : {"resnet-cifar10/resnet56-cifar10.pt2", "stories260k/stories260k.pt2"}) {
    const auto path = test::data_file(name);
    if (!std::filesystem::exists(path)) GTEST_SKIP() << test::data_missing(path);
    const auto model = read_pt2(path);
    EXPECT_GT(model.graph.node_count(), 100u);
    EXPECT_GT(parameter_count(model), 200'000);
  }
}

// Tensors beyond a megabyte stay in the file; what is written to is a copy, and damage is found all the same.
TEST(ReadPt2, MapsLargeTensors) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/large.pt2";
  Model model = read_pt2(fixture("tiny.pt2"));
  const at::Tensor large = at::arange(1 << 19, at::kFloat);
  model.weights.set("large", large);
  model.graph.add_input(InputKind::parameter, "p_large", "large", TensorType{.sizes = {{1 << 19, {}}}});
  write_pt2(model, path);
  {
    const Model read = read_pt2(path);
    EXPECT_TRUE(read.weights.get("large").equal(large));
    read.weights.get("large").add_(1);
  }
  EXPECT_TRUE(read_pt2(path).weights.get("large").equal(large));
  std::string bytes = bytes_of(path);
  const std::string_view payload(static_cast<const char*>(large.const_data_ptr()), 4096);
  bytes[bytes.find(payload) + 2048] ^= 1;
  write_bytes(path, bytes);
  EXPECT_EQ(error_of([&] { read_pt2(path); }).code(), ErrorCode::model_file);
}

}  // namespace
}  // namespace dsc
