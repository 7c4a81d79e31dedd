#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/output_names.h"
#include "io/pt2.h"
#include "io/pt2_treespec.h"
#include "ir/text.h"
#include "ir/verify.h"

namespace dsc {
namespace {

using Json = nlohmann::json;

Json program_of(const std::string& path) { return Json::parse(ZipArchive(path).read_text("models/model.json")); }
Json signature_of(const std::string& path) { return program_of(path).at("graph_module").at("module_call_graph").at(0).at("signature"); }

class WritePt2 : public testing::TestWithParam<const char*> {};

TEST_P(WritePt2, KeepsGraphAndTensors) {
  const TemporaryFolder folder;
  const auto model = read_pt2(fixture(GetParam()));
  write_pt2(model, folder.file("out.pt2"));
  const auto back = read_pt2(folder.file("out.pt2"));
  EXPECT_EQ(print_graph(back.graph), print_graph(model.graph));
  EXPECT_EQ(back.weights.names(), model.weights.names());
  for (const auto& name : model.weights.names()) {
    const auto &was = model.weights.get(name), &is = back.weights.get(name);
    EXPECT_TRUE(at::equal(is, was)) << name;
    EXPECT_EQ(is.strides(), was.strides()) << name;
  }
  EXPECT_EQ(back.archive.json, model.archive.json);
  EXPECT_EQ(back.archive.sample_inputs, model.archive.sample_inputs);
}

TEST_P(WritePt2, GivesTheSameBytesEveryTime) {
  const TemporaryFolder folder;
  const auto model = read_pt2(fixture(GetParam()));
  write_pt2(model, folder.file("one.pt2"));
  write_pt2(read_pt2(folder.file("one.pt2")), folder.file("other name.pt2"));
  EXPECT_EQ(bytes_of(folder.file("one.pt2")), bytes_of(folder.file("other name.pt2")));
}

INSTANTIATE_TEST_SUITE_P(Fixtures, WritePt2, testing::Values("tiny.pt2", "regions.pt2", "calls.pt2", "control_flow.pt2"),
                         [](const auto& info) { return std::string(info.param, std::string_view(info.param).find('.')); });

TEST(WritePt2Edited, KeepsScalesOfMicroscaling) {
  const TemporaryFolder folder;
  Model model{.graph = parse_graph("graph {\n  constant %s \"s\": f8e8m0fnu[3]\n  output %s\n}"), .source = "text"};
  model.weights.set("s", at::tensor({1.0F, 2.0F, 0.5F}).to(at::kFloat8_e8m0fnu));
  EXPECT_TRUE(verify(model).empty());
  write_pt2(model, folder.file("out.pt2"));
  const auto back = read_pt2(folder.file("out.pt2"));
  EXPECT_EQ(print_graph(back.graph, {.metadata = false}), print_graph(model.graph, {.metadata = false}));
  EXPECT_TRUE(back.weights.get("s").to(at::kFloat).equal(at::tensor({1.0F, 2.0F, 0.5F})));
}

TEST(WritePt2Edited, NestsRegionsAgain) {
  const TemporaryFolder folder;
  write_pt2(read_pt2(fixture("regions.pt2")), folder.file("out.pt2"));
  int depth_of_matmul = -1;
  const std::function<void(const Json&, int)> visit = [&](const Json& graph, int depth) {
    for (const auto& node : graph.at("nodes")) {
      if (node.at("target") == "torch.ops.aten.matmul.default") depth_of_matmul = depth;
      for (const auto& input : node.at("inputs")) {
        if (input.at("arg").contains("as_graph")) visit(input.at("arg").at("as_graph").at("graph"), depth + 1);
      }
    }
  };
  visit(program_of(folder.file("out.pt2")).at("graph_module").at("graph"), 0);
  EXPECT_EQ(depth_of_matmul, 2);
}

TEST(WritePt2Edited, RemovedInputLeavesTheCallAndItsGuards) {
  const TemporaryFolder folder;
  auto model = read_pt2(fixture("calls.pt2"));
  auto& graph = model.graph;
  Value* second = nullptr;
  for (const auto& input : graph.inputs()) {
    if (input.target == "pair.1") second = input.value;
  }
  ASSERT_NE(second, nullptr);
  auto* minus = second->uses().at(0).node;
  graph.replace_uses(minus->output(), minus->find_value("self"));
  graph.erase(minus);
  graph.remove_input(second);
  write_pt2(model, folder.file("out.pt2"));
  const auto signature = signature_of(folder.file("out.pt2"));
  const auto names = pt2::leaf_names(signature.at("in_spec"), signature.at("forward_arg_names"));
  EXPECT_EQ(names, (std::vector<std::string>{"x", "pair.0", "options.gain"}));
  EXPECT_TRUE(program_of(folder.file("out.pt2")).at("guards_code").empty());
  EXPECT_EQ(ZipArchive(folder.file("out.pt2")).read_text("data/sample_inputs/model.pt"), "");
  EXPECT_EQ(read_pt2(folder.file("out.pt2")).graph.node_count(), graph.node_count());
}

// Specifications as torch.utils._pytree.treespec_dumps of PyTorch 2.13 writes them.
TEST(OutputNames, AreThoseOfWhatForwardReturned) {
  const std::string leaf = R"({"type": null, "context": null, "children_spec": []})";
  const auto names = [&](const std::string& type, const std::string& context, const std::string& children, const std::string& tuples = "{}") {
    return pt2::output_leaf_names(R"([1, {"type": ")" + type + R"(", "context": ")" + context + R"(", "children_spec": [)" + children + "]}]", tuples)
        .value();
  };
  const std::string two = leaf + ", " + leaf, pair = R"({"type": "builtins.tuple", "context": "null", "children_spec": [)" + two + "]}";
  using Names = std::vector<std::string>;
  EXPECT_EQ(names("builtins.dict", R"([\"a\", \"b\"])", leaf + ", " + pair), (Names{"a", "b.0", "b.1"}));
  EXPECT_EQ(names("transformers.modeling_outputs.SequenceClassifierOutput", R"([\"logits\", \"hidden_states\"])", leaf + ", " + pair),
            (Names{"logits", "hidden_states.0", "hidden_states.1"}));
  EXPECT_EQ(names("D", R"([[\"boxes\", \"scores\"], []])", two), (Names{"boxes", "scores"}));
  EXPECT_EQ(names("collections.namedtuple", "P", two, R"({"P": {"field_names": ["a", "b"]}})"), (Names{"a", "b"}));
  EXPECT_EQ(names("collections.namedtuple", "P", two), (Names{"", ""}));
  EXPECT_EQ(names("builtins.tuple", "null", two), (Names{"", ""}));
  EXPECT_EQ(pt2::output_leaf_names("[1, " + leaf + "]", "{}"), (Names{""}));
  EXPECT_EQ(names("collections.namedtuple", "P", two, R"({"P": 7})"), (Names{"", ""}));
  for (const char* damaged : {"", "[1]", "[1, {}]", R"([1, {"type": 3, "context": "", "children_spec": []}])",
                              R"([1, {"type": "builtins.dict", "context": "[]", "children_spec": [7]}])"})
    EXPECT_EQ(pt2::output_leaf_names(damaged, "{}"), std::nullopt) << damaged;
}

TEST(OutputNames, AreThoseOfTheGraphWhereNoneWereGiven) {
  auto model = read_pt2(fixture("tiny.pt2"));
  EXPECT_EQ(output_names(model).size(), 1u);
  EXPECT_NE(model.graph.find_value(output_names(model)[0]), nullptr);
}

TEST(WritePt2Edited, AddedInputAndOutputGiveAPlainCall) {
  const TemporaryFolder folder;
  auto model = read_pt2(fixture("tiny.pt2"));
  auto* mask = model.graph.add_input(InputKind::user, "mask", "mask", TensorType{.sizes = {{2, {}}}});
  model.graph.add_output(OutputKind::user, mask);
  write_pt2(model, folder.file("out.pt2"));
  const auto signature = signature_of(folder.file("out.pt2"));
  EXPECT_EQ(pt2::leaf_names(signature.at("in_spec"), signature.at("forward_arg_names")), (std::vector<std::string>{"x", "mask"}));
  EXPECT_EQ(pt2::leaf_count(signature.at("out_spec")), 2u);
}

TEST(WritePt2Edited, ArgumentAfterAGapIsWrittenAsKeyword) {
  const TemporaryFolder folder;
  auto model = read_pt2(fixture("tiny.pt2"));
  auto* linear = model.graph.nodes().back();
  auto* conv = model.graph.find_node("conv2d");
  ASSERT_NE(conv, nullptr);
  std::vector<NamedArgument> arguments;
  for (const auto& argument : conv->arguments()) {
    if (argument.name != "bias") arguments.push_back(argument);
  }
  model.graph.set_arguments(conv, arguments);
  write_pt2(model, folder.file("out.pt2"));
  const auto nodes = program_of(folder.file("out.pt2")).at("graph_module").at("graph").at("nodes");
  for (const auto& node : nodes) {
    if (node.at("name") != "conv2d") continue;
    for (const auto& input : node.at("inputs")) {
      const bool is_before_gap = input.at("name") == "input" || input.at("name") == "weight";
      EXPECT_EQ(input.at("kind"), is_before_gap ? 1 : 2) << input.at("name");
    }
  }
  EXPECT_EQ(linear->target(), "aten.linear.default");
}

TEST(WritePt2Edited, ShrunkenWeightTakesOnlyItsOwnBytes) {
  const TemporaryFolder folder;
  auto model = read_pt2(fixture("tiny.pt2"));
  auto* value = model.graph.find_weight("linear.weight");
  model.weights.set("linear.weight", model.weights.get("linear.weight").slice(1, 0, 2));
  model.graph.set_type(value, TensorType{.sizes = {{2, {}}, {2, {}}}});
  write_pt2(model, folder.file("out.pt2"));
  const ZipArchive archive(folder.file("out.pt2"));
  const auto config = Json::parse(archive.read_text("data/weights/model_weights_config.json")).at("config").at("linear.weight");
  EXPECT_EQ(archive.get("data/weights/" + config.at("path_name").get<std::string>()).size, 16u);
  EXPECT_TRUE(at::equal(read_pt2(folder.file("out.pt2")).weights.get("linear.weight"), model.weights.get("linear.weight")));
}

TEST(WritePt2Edited, ViewsOfOneStorageStayViews) {
  const TemporaryFolder folder;
  auto model = read_pt2(fixture("tiny.pt2"));
  const auto whole = at::randn({4, 4});
  model.weights.set("linear.weight", whole.slice(0, 0, 2));
  model.graph.add_input(InputKind::buffer, "b_whole", "whole", TensorType{.sizes = {{4, {}}, {4, {}}}});
  model.weights.set("whole", whole);
  write_pt2(model, folder.file("out.pt2"));
  const auto back = read_pt2(folder.file("out.pt2"));
  EXPECT_TRUE(back.weights.get("whole").storage().is_alias_of(back.weights.get("linear.weight").storage()));
  EXPECT_TRUE(at::equal(back.weights.get("whole"), whole));
}

TEST(WritePt2Edited, FolderThatIsMissingIsAnIoError) {
  const TemporaryFolder folder;
  const auto error = error_of([&] { write_pt2(read_pt2(fixture("tiny.pt2")), folder.file("none/out.pt2")); });
  EXPECT_EQ(error.code(), ErrorCode::io);
}

}  // namespace
}  // namespace dsc
