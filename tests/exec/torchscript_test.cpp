// Models that came as TorchScript do what the same models from .pt2 do; what they do is recorded by
// scripts/make_exec_fixtures.py and scripts/make_torchscript_fixtures.py.
#include "io/torchscript.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "exec/fixture.h"
#include "ir/verify.h"

namespace dsc {
namespace {

std::string path_of(const std::string& name) { return DSC_SOURCE_DIR "/tests/fixtures/torchscript/" + name; }

Model read(const std::string& name, const std::vector<std::string>& inputs) {
  std::vector<InputSpec> specs;
  for (const auto& input : inputs) specs.push_back(parse_input_spec(input));
  auto model = read_torchscript(path_of(name), specs);
  verify_or_throw(model, "reading " + name);
  return model;
}

std::vector<at::Tensor> run(const Model& model, const std::vector<at::Tensor>& inputs) { return Executor(model, {}).run(inputs); }

struct RecordedCase {
  std::string file, fixture;
  std::vector<std::string> inputs;
};
void PrintTo(const RecordedCase& recorded, std::ostream* out) { *out << recorded.file; }
class TorchScriptFixture : public testing::TestWithParam<RecordedCase> {};

TEST_P(TorchScriptFixture, GivesTheRecordedOutputsAtBothSizes) {
  const test::Fixture fixture(GetParam().fixture);
  const auto model = read(GetParam().file, GetParam().inputs);
  test::expect_near(run(model, fixture.list("input")), fixture.list("output"), 1e-6);
  test::expect_near(run(model, fixture.list("alt.input")), fixture.list("alt.output"), 1e-6);
}

TEST_P(TorchScriptFixture, HasTheOperatorsAndWeightsOfThePt2) {
  const test::Fixture fixture(GetParam().fixture);
  const auto model = read(GetParam().file, GetParam().inputs);
  const auto parametric = [](const Graph& graph) {
    std::vector<std::string> targets;
    for (const auto* node : graph.nodes()) {
      if (node->find_value("weight")) targets.push_back(node->target());
    }
    return targets;
  };
  EXPECT_EQ(parametric(model.graph), parametric(fixture.model.graph));
  if (GetParam().file.find("frozen") != std::string::npos) return;  // names are gone from the file
  const auto parameters = [](const Model& of) {
    std::vector<std::string> names;
    for (const auto& input : of.graph.inputs()) {
      if (input.kind == InputKind::parameter) names.push_back(input.target);
    }
    return names;
  };
  EXPECT_EQ(parameters(model), parameters(fixture.model));
  for (const auto& name : parameters(model)) EXPECT_TRUE(model.weights.get(name).equal(fixture.model.weights.get(name))) << name;
}

INSTANTIATE_TEST_SUITE_P(TorchScript, TorchScriptFixture,
                         testing::Values(RecordedCase{"residual.traced.pt", "residual", {"batch,3,8,8"}}, RecordedCase{"residual.scripted.pt", "residual", {"x=batch,3,8,8"}},
                                         RecordedCase{"residual.frozen.pt", "residual", {"batch,3,8,8"}},
                                         RecordedCase{"encoder.traced.pt", "encoder", {"tokens=batch,length@6:i64", "mask=batch,length@6:i64"}},
                                         RecordedCase{"decoder.traced.pt", "decoder", {"batch,length@5:i64"}}),
                         [](const auto& info) {
                           auto name = info.param.file.substr(0, info.param.file.size() - 3);
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST(TorchScript, TrainsAsThePt2Does) {
  const test::Fixture fixture("residual");
  const auto model = read("residual.scripted.pt", {"batch,3,8,8"});
  const auto train = [&](const Model& of) {
    const Model own = of.clone();
    Executor executor(own, {.training = true});
    at::manual_seed(3);
    auto loss = executor.run(fixture.list("input")).front().square().mean();
    loss.backward();
    return std::pair{executor.weight("conv1.weight").grad().clone(), executor.weight("bn1.running_mean").clone()};
  };
  const auto [gradient, mean] = train(model);
  const auto [expected_gradient, expected_mean] = train(fixture.model);
  EXPECT_LE(test::relative_error(gradient, expected_gradient), 1e-6);
  EXPECT_LE(test::relative_error(mean, expected_mean), 1e-6);
  EXPECT_FALSE(mean.equal(model.weights.get("bn1.running_mean")));
}

TEST(TorchScript, KeepsModulesAndSourceLines) {
  const auto model = read("residual.traced.pt", {"batch,3,8,8"});
  const auto* node = model.graph.nodes().front();
  EXPECT_EQ(node->target(), "aten.conv2d.default");
  EXPECT_EQ(node->module_path(), "conv1");
  EXPECT_EQ(node->module_type(), "torch.nn.modules.conv.Conv2d");
  EXPECT_NE(node->source_line().find("conv.py:"), std::string::npos) << node->source_line();
}

TEST(TorchScript, UnrollsWhatDoesNotDependOnData) {
  const auto model = read("program.pt", {"batch,length@8,4"});
  const auto file = read_safetensors(path_of("program.safetensors"));
  for (const std::string prefix : {"0.", "1."}) {
    std::vector<at::Tensor> inputs, outputs;
    for (const auto& [name, tensor] : file.tensors) {
      if (name.starts_with(prefix + "input")) inputs.push_back(tensor);
    }
    for (int i = 0; i < 5; ++i) {
      for (const auto& [name, tensor] : file.tensors) {
        if (name == prefix + "output" + std::to_string(i)) outputs.push_back(tensor);
      }
    }
    test::expect_near(run(model, inputs), outputs, 1e-6);
  }
  EXPECT_TRUE(model.weights.get("head.weight").is_same(model.weights.get("blocks.0.weight")));  // tied
  const auto& sizes = std::get<Value*>(model.graph.outputs()[3].value)->tensor().sizes;
  EXPECT_EQ(sizes.at(0).expression, "Symbol('batch', positive=True, integer=True)");
  EXPECT_EQ(sizes.at(2).expression, "FloorDiv(Symbol('length', positive=True, integer=True), Integer(2))");
}

TEST(TorchScript, KnowsDictionariesMadeByCallsAndTypesAskedFor) {
  const auto model = read("containers.pt", {"batch,3"});
  const at::Tensor x = at::arange(6, at::kFloat).view({2, 3});
  test::expect_near(run(model, {x}), {x + x, x + 1, x * 3}, 0);
}

TEST(TorchScript, RefusesWhatDependsOnDataWithItsLine) {
  const auto branch = test::error_of([] { read("branch.pt", {"batch,3"}); });
  EXPECT_EQ(branch.code(), ErrorCode::unsupported);
  EXPECT_NE(branch.to_text().find("make_torchscript_fixtures.py:"), std::string::npos) << branch.to_text();
  EXPECT_NE(branch.to_text().find("if x.sum() > 0"), std::string::npos) << branch.to_text();
  const auto sized = test::error_of([] { read("sized.pt", {"2,length"}); });
  EXPECT_EQ(sized.code(), ErrorCode::unsupported);
  EXPECT_NE(sized.to_text().find("an `if` depends on the inputs' sizes"), std::string::npos) << sized.to_text();
  EXPECT_EQ(read("sized.pt", {"2,4"}).graph.node_count(), 1u);  // with a fixed size the branch is known
  const auto counting = test::error_of([] { read("counting.pt", {"2,4"}); });
  EXPECT_EQ(counting.code(), ErrorCode::unsupported);
  EXPECT_NE(counting.to_text().find("sets its attribute `calls`"), std::string::npos) << counting.to_text();
}

TEST(TorchScript, SaysWhatAnInputIsMissing) {
  const auto missing = test::error_of([] { read("encoder.traced.pt", {}); });
  EXPECT_EQ(missing.code(), ErrorCode::usage);
  EXPECT_EQ(missing.problems().size(), 2u);
  EXPECT_NE(missing.to_text().find("--input tokens="), std::string::npos) << missing.to_text();
  const auto wrong = test::error_of([] { read("residual.traced.pt", {"y=batch,3,8,8"}); });
  EXPECT_NE(wrong.to_text().find("no input `y`"), std::string::npos) << wrong.to_text();
  const auto shape = test::error_of([] { read("residual.traced.pt", {"batch,4,8,8"}); });
  EXPECT_EQ(shape.code(), ErrorCode::data);
  EXPECT_NE(shape.to_text().find("channels"), std::string::npos) << shape.to_text();
}

TEST(TorchScript, SaysWhatOtherFilesAre) {
  const auto state = test::error_of([] { read("state.pt", {}); });
  EXPECT_EQ(state.code(), ErrorCode::model_file);
  EXPECT_NE(state.to_text().find("state dictionary"), std::string::npos) << state.to_text();
  const auto module = test::error_of([] { read("module.pt", {}); });
  EXPECT_NE(module.to_text().find("Program`"), std::string::npos) << module.to_text();
  const auto exported = test::error_of([] { read_torchscript(DSC_SOURCE_DIR "/tests/fixtures/exec/residual.pt2", {}); });
  EXPECT_NE(exported.to_text().find(".pt2"), std::string::npos) << exported.to_text();
}

TEST(InputSpec, ReadsSizesNamesAndTypes) {
  const auto spec = parse_input_spec("ids=batch,length@128,3:i64");
  EXPECT_EQ(spec.name, "ids");
  EXPECT_EQ(spec.dtype, ScalarType::i64);
  EXPECT_EQ(spec.sizes, (std::vector<Dim>{{2, "batch"}, {128, "length"}, {3, ""}}));
  EXPECT_EQ(parse_input_spec("1x3x32x32").sizes, (std::vector<Dim>{{1, ""}, {3, ""}, {32, ""}, {32, ""}}));
  EXPECT_TRUE(parse_input_spec("x=").sizes.empty());
  for (const char* wrong : {"a-b,3", "batch@1,3", "0,3", "2,3:float"}) {
    EXPECT_EQ(test::error_of([&] { parse_input_spec(wrong); }).code(), ErrorCode::usage) << wrong;
  }
}

}  // namespace
}  // namespace dsc
