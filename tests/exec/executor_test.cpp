#include "exec/executor.h"

#include <set>

#include "exec/fixture.h"
#include "support/data_folder.h"

namespace dsc {
namespace {

using test::error_of;
using test::expect_near;
using test::Fixture;
using test::model_of;
using test::relative_error;

class ExecutorFixture : public testing::TestWithParam<const char*> {};

TEST_P(ExecutorFixture, GivesPyTorchsOutputs) {
  const Fixture fixture(GetParam());
  Executor executor(fixture.model, {});
  expect_near(executor.run(fixture.list("input")), fixture.list("output"), 1e-5);
}

TEST_P(ExecutorFixture, IsDeterministic) {
  const Fixture fixture(GetParam());
  if (!fixture.starting_with("after.").empty()) GTEST_SKIP() << "this model counts its calls";
  Executor executor(fixture.model, {});
  const auto first = executor.run(fixture.list("input")), second = executor.run(fixture.list("input"));
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(at::equal(first[i], second[i]));
}

TEST_P(ExecutorFixture, RunsOtherSizesThanTheExample) {
  const Fixture fixture(GetParam());
  if (!fixture.has("alt.input0")) GTEST_SKIP() << "no inputs of other sizes recorded";
  Executor executor(fixture.model, {});
  expect_near(executor.run(fixture.list("alt.input")), fixture.list("alt.output"), 1e-5);
}

TEST_P(ExecutorFixture, AutocastEqualsPyTorchs) {
  const Fixture fixture(GetParam());
  if (!fixture.has("bf16.output0")) GTEST_SKIP() << "no outputs under autocast recorded";
  Executor executor(fixture.model, {.autocast = ScalarType::bf16});
  const auto outputs = executor.run(fixture.list("input"));
  expect_near(outputs, fixture.list("bf16.output"), 1e-2);  // bf16 kernels differ between machines
  EXPECT_GT(relative_error(outputs[0].to(at::kFloat), fixture.get("output0")), 1e-5) << "f32 was used";
}

TEST_P(ExecutorFixture, ChannelsLastGivesTheSameOutputs) {
  const Fixture fixture(GetParam());
  Executor executor(fixture.model, {.channels_last = true});
  expect_near(executor.run(fixture.list("input")), fixture.list("output"), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Executor, ExecutorFixture, testing::Values("residual", "encoder", "decoder", "structures", "moving"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Executor, BuffersChangeAsInPyTorch) {
  for (const char* name : {"structures", "moving"}) {
    Fixture fixture(name);
    Executor executor(fixture.model, {});
    executor.run(fixture.list("alt.input").empty() ? fixture.list("input") : fixture.list("alt.input"));
    if (fixture.has("alt.input0")) executor.run(fixture.list("input"));
    executor.store_weights(fixture.model);
    for (const auto& [buffer, expected] : fixture.starting_with("after.")) {
      if (buffer == "calls") continue;
      EXPECT_LE(relative_error(fixture.model.weights.get(buffer), expected), 1e-6) << buffer;
    }
  }
}

// An evaluation is no part of a model's life: what it counted would be in the file that is written next.
TEST(Executor, CountsCallsAndLeavesTheModelsOwnBufferAsItIs) {
  const Fixture fixture("structures");
  const auto before = fixture.model.weights.get("calls").item<std::int64_t>();
  Executor executor(fixture.model, {});
  for (int i = 0; i < 3; ++i) executor.run(fixture.list("input"));
  EXPECT_EQ(executor.weight("calls").item<std::int64_t>(), before + 3);
  EXPECT_EQ(fixture.model.weights.get("calls").item<std::int64_t>(), before);
}

// x[:, 2:] = 0; x *= 2; return x + 1, once in place and once as the exporter declares it.
TEST(Executor, WritesIntoACopyOfItsInputs) {
  const char* in_place = R"text(graph {
    input %x: f32[s0{2}, 3]
    %part: f32[s0{2}, 1] = aten.slice.Tensor(self=%x, dim=1, start=2, end=9)
    %gone: f32[s0{2}, 1] = aten.zero_.default(self=%part)
    %twice: f32[s0{2}, 3] = aten.mul_.Tensor(self=%x, other=2)
    %y: f32[s0{2}, 3] = aten.add.Tensor(self=%twice, other=1)
    output %y
  })text";
  const char* declared = R"text(graph {
    input %x: f32[s0{2}, 3]
    %part: f32[s0{2}, 1] = aten.slice.Tensor(self=%x, dim=1, start=2, end=9)
    %none: f32[s0{2}, 1] = aten.mul.Tensor(self=%part, other=0)
    %less: f32[s0{2}, 3] = aten.slice_scatter.default(self=%x, src=%none, dim=1, start=2, end=9)
    %twice: f32[s0{2}, 3] = aten.mul.Tensor(self=%less, other=2)
    %y: f32[s0{2}, 3] = aten.add.Tensor(self=%twice, other=1)
    mutate_input "x" = %twice
    output %y
  })text";
  for (const char* text : {in_place, declared}) {
    const Model model = model_of(text);
    for (const bool gradients : {false, true}) {
      Executor executor(model, {.record_gradients = gradients});
      const at::Tensor x = at::arange(6, at::kFloat).view({2, 3}), before = x.clone();
      const at::Tensor expected = at::tensor({1.f, 3.f, 1.f, 7.f, 9.f, 1.f}).view({2, 3});
      for (int run = 0; run < 2; ++run) EXPECT_TRUE(executor.run({x}).at(0).equal(expected));
      EXPECT_TRUE(x.equal(before));
    }
  }
}

constexpr const char* kSum = R"text(graph {
  param %w "w": f32[3] grad
  buffer %sum "sum": f32[3]
  buffer %calls "bn.num_batches_tracked": i64[]
  input %x: f32[3]
  %scaled: f32[3] = aten.mul.Tensor(self=%x, other=%w)
  %now: f32[3] = aten.add_.Tensor(self=%sum, other=%scaled)
  %counted: i64[] = aten.add_.Tensor(self=%calls, other=1)
  %y: f32[3] = aten.mul.Tensor(self=%now, other=2)
  output %y
})text";

Model running_sum() {
  return model_of(kSum, [](const std::string& name, at::IntArrayRef sizes) { return name == "w" ? at::ones(sizes) : at::zeros(sizes, name == "sum" ? at::kFloat : at::kLong); });
}

// Outputs 2x, 4x, 6x: each run goes on from the one before, each executor starts as the model does.
TEST(Executor, KeepsStateFromRunToRunButNotInTheModel) {
  const Model model = running_sum();
  for (int time = 0; time < 2; ++time) {
    Executor executor(model, {});
    for (int run = 1; run <= 3; ++run) EXPECT_TRUE(executor.run({at::ones({3})}).at(0).equal(at::full({3}, 2.0 * run)));
  }
  EXPECT_TRUE(model.weights.get("sum").equal(at::zeros({3})));
}

TEST(Executor, TrainsThroughOneRunOfAStateAndStoresCountersAlone) {
  Model model = running_sum();
  Executor executor(model, {.training = true});
  for (int run = 0; run < 3; ++run) executor.run({at::ones({3})}).at(0).sum().backward();  // a second backward through the first run would throw
  EXPECT_TRUE(executor.weight("w").grad().equal(at::full({3}, 6.0)));
  executor.store_weights(model);
  EXPECT_TRUE(model.weights.get("sum").equal(at::zeros({3})));
  EXPECT_EQ(model.weights.get("bn.num_batches_tracked").item<std::int64_t>(), 3);
}

TEST(Executor, DoesNotRecordGradientsInEvaluation) {
  const Fixture fixture("residual");
  Executor executor(fixture.model, {});
  const auto output = executor.run(fixture.list("input")).front();
  EXPECT_FALSE(output.requires_grad());
  EXPECT_FALSE(output.is_inference());  // a teacher's outputs take part in a loss
}

TEST(Executor, RecordsGradientsOfInputsOnRequest) {
  const Fixture fixture("residual");
  Executor executor(fixture.model, {.record_gradients = true});
  auto inputs = fixture.list("input");
  inputs[0].requires_grad_(true);
  const auto outputs = executor.run(inputs);
  expect_near({outputs[0].detach()}, fixture.list("output"), 1e-5);  // dropout and batch norm as in evaluation
  outputs[0].sum().backward();
  EXPECT_GT(inputs[0].grad().abs().max().item<float>(), 0);
}

TEST(Executor, FreesValuesAtTheirLastUse) {
  const Fixture fixture("residual");
  std::vector<const Value*> all;
  for (const Node* node : fixture.model.graph.nodes()) {
    for (const Value* value : node->outputs()) {
      if (value->is_tensor()) all.push_back(value);
    }
  }
  std::vector<c10::weak_intrusive_ptr<c10::TensorImpl>> made;
  std::size_t most = 0;
  Executor executor(fixture.model, {});
  executor.run(fixture.list("input"), all, [&](const Value&, const at::Tensor& tensor) {
    made.emplace_back(tensor.getIntrusivePtr());
    std::size_t alive = 0;
    for (const auto& tensor_made : made) alive += !tensor_made.expired();
    most = std::max(most, alive);
  });
  EXPECT_GT(made.size(), 10U);
  EXPECT_LE(most, 4U);  // the residual, its branch, an operator's result and an alias of it
}

TEST(Executor, TapSeesInputsAndEveryValueOnce) {
  const Fixture fixture("residual");
  std::vector<const Value*> values;
  for (const GraphInput& input : fixture.model.graph.inputs()) values.push_back(input.value);
  for (const Node* node : fixture.model.graph.nodes()) {
    if (node->is("aten.conv2d.default")) values.push_back(node->output());
  }
  std::multiset<const Value*> seen;
  Executor executor(fixture.model, {});
  executor.run(fixture.list("input"), values, [&](const Value& value, const at::Tensor&) { seen.insert(&value); });
  EXPECT_EQ(seen.size(), values.size());
  for (const Value* value : values) EXPECT_EQ(seen.count(value), 1U) << value->name();
}

TEST(Executor, TapRunsOutsideAutocast) {
  const Fixture fixture("residual");
  const Value* value = fixture.model.graph.nodes().front()->output();
  for (const Node* node : fixture.model.graph.nodes()) {
    if (node->is("aten.conv2d.default")) value = node->output();
  }
  Executor executor(fixture.model, {.autocast = ScalarType::bf16});
  executor.run(fixture.list("input"), {value}, [&](const Value&, const at::Tensor& tensor) {
    EXPECT_EQ(tensor.scalar_type(), at::kBFloat16);
    const auto matrix = tensor.flatten(1).to(at::kFloat);
    EXPECT_EQ(matrix.matmul(matrix.t()).scalar_type(), at::kFloat);
  });
}

TEST(Executor, ReplacedValuesGoOn) {
  const Fixture fixture("encoder");
  const Value* last = nullptr;
  for (const Node* node : fixture.model.graph.nodes()) {
    if (node->is("aten.linear.default")) last = node->output();
  }
  ASSERT_NE(last, nullptr);
  Executor executor(fixture.model, {});
  const auto outputs = executor.run_replacing(fixture.list("input"), {last}, [](const Value&, const at::Tensor& tensor) {
    return at::full_like(tensor, 3);
  });
  EXPECT_TRUE(at::equal(outputs[0], at::full({3, 3}, 3.0F)));
}

TEST(Executor, LeavesTheCallersModesAsTheyWere) {
  const Fixture fixture("decoder");
  for (const bool training : {false, true}) {
    Executor executor(fixture.model, {.training = training, .autocast = ScalarType::bf16});
    executor.run(fixture.list("input"));
    EXPECT_TRUE(at::GradMode::is_enabled());
    const auto x = at::ones({2, 2});
    EXPECT_EQ(at::matmul(x, x).scalar_type(), at::kFloat);
    auto bad = fixture.list("input");
    bad[0].fill_(31000);
    EXPECT_THROW(executor.run(bad), Error);
    EXPECT_TRUE(at::GradMode::is_enabled());
    EXPECT_EQ(at::matmul(x, x).scalar_type(), at::kFloat);
  }
}

TEST(Executor, SkipsAutocastWhereTheModelDoes) {
  const Fixture fixture("decoder");
  std::vector<const Value*> values;
  for (const Node* node : fixture.model.graph.nodes()) {
    if (node->is("aten.cos.default") || node->is("aten.linear.default")) values.push_back(node->output());
  }
  Executor executor(fixture.model, {.autocast = ScalarType::bf16});
  executor.run(fixture.list("input"), values, [&](const Value& value, const at::Tensor& tensor) {
    EXPECT_EQ(tensor.scalar_type(), value.producer()->is("aten.cos.default") ? at::kFloat : at::kBFloat16) << value.name();
  });
}

TEST(Executor, SwapsWeights) {
  const Fixture fixture("residual");
  Executor executor(fixture.model, {});
  executor.set_weight("linear.weight", at::zeros({5, 32}));
  executor.set_weight("linear.bias", at::arange(5).to(at::kFloat));
  const auto output = executor.run(fixture.list("input")).front();
  EXPECT_TRUE(at::equal(output, at::arange(5).to(at::kFloat).expand({4, 5})));
}

TEST(Executor, StoresChannelsLastWeightsContiguously) {
  Fixture fixture("residual");
  const at::Tensor before = fixture.model.weights.get("conv1.weight").clone();
  Executor executor(fixture.model, {.channels_last = true});
  EXPECT_TRUE(executor.weight("conv1.weight").is_contiguous(at::MemoryFormat::ChannelsLast));
  executor.weight("conv1.weight").mul_(2);
  executor.store_weights(fixture.model);
  EXPECT_TRUE(fixture.model.weights.get("conv1.weight").is_contiguous());
  EXPECT_TRUE(at::equal(fixture.model.weights.get("conv1.weight"), before * 2));
}

TEST(Executor, NamesItself) {
  const Fixture fixture("residual");
  EXPECT_EQ(Executor(fixture.model, {}).name(), "libtorch f32");
  EXPECT_EQ(Executor(fixture.model, {.channels_last = true, .autocast = ScalarType::bf16}).name(), "libtorch bf16 channels_last");
}

struct BadInput {
  const char* what;
  std::function<void(std::vector<at::Tensor>&)> spoil;
  std::vector<std::string> words;
};

TEST(ExecutorInputs, AreCheckedByName) {
  const Fixture fixture("encoder");
  Executor executor(fixture.model, {});
  const std::vector<BadInput> cases{
      {"too few", [](auto& in) { in.pop_back(); }, {"1 inputs", "takes 2", "tokens, mask"}},
      {"dtype", [](auto& in) { in[0] = in[0].to(at::kInt); }, {"`tokens`", "i32[3, 7]", "i64["}},
      {"rank", [](auto& in) { in[1] = in[1].unsqueeze(0); }, {"`mask`", "i64[1, 3, 7]", "expected"}},
      {"size that must agree", [](auto& in) { in[1] = in[1].narrow(1, 0, 5); }, {"`mask`", "i64[3, 5]", "7", "`tokens`"}},
      {"undefined", [](auto& in) { in[1] = at::Tensor(); }, {"`mask`", "undefined"}},
  };
  for (const BadInput& bad : cases) {
    auto inputs = fixture.list("input");
    bad.spoil(inputs);
    const Error error = error_of([&] { executor.run(inputs); });
    EXPECT_EQ(error.code(), ErrorCode::data) << bad.what;
    for (const std::string& word : bad.words) EXPECT_NE(error.to_text().find(word), std::string::npos) << error.to_text();
  }
}

TEST(ExecutorInputs, FixedSizesAreCheckedWithTheRemedy) {
  const Fixture fixture("residual");
  Executor executor(fixture.model, {});
  const Error error = error_of([&] { executor.run({at::zeros({2, 3, 9, 8})}); });
  EXPECT_EQ(error.code(), ErrorCode::data);
  EXPECT_NE(error.to_text().find("dimension 2 was fixed when the model was exported"), std::string::npos) << error.to_text();
}

TEST(ExecutorErrors, WhatAnOperatorRejectsNamesTheNode) {
  const Fixture fixture("encoder");
  Executor executor(fixture.model, {});
  auto inputs = fixture.list("input");
  inputs[0].fill_(4000);  // the vocabulary has 40 words
  const Error error = error_of([&] { executor.run(inputs); });
  EXPECT_EQ(error.code(), ErrorCode::data);
  EXPECT_NE(error.to_text().find("%embedding"), std::string::npos) << error.to_text();
}

TEST(Executor, MasksFillWithTheLeastNumberOfTheTypeInUse) {
  const Model model = model_of(R"text(graph {
  param %w "w": f32[4, 4] grad
  input %x: f32[4, 4]
  input %hidden: bool[4, 4]
  %y: f32[4, 4] = aten.matmul.default(self=%x, other=%w)
  %z: f32[4, 4] = aten.masked_fill.Scalar(self=%y, mask=%hidden, value=-3.4028234663852886e+38)
  output %z
}
)text");
  for (const auto& [type, least] : {std::pair{ScalarType::f16, -65504.0}, std::pair{ScalarType::bf16, -3.3895313892515355e38}}) {
    Executor executor(model, {.autocast = type});
    const auto output = executor.run({at::ones({4, 4}), at::ones({4, 4}, at::kBool)}).front();
    EXPECT_EQ(output.to(at::kDouble).min().item<double>(), least);
  }
}

TEST(ExecutorErrors, NumbersThatOverflowNameTheNode) {
  const Model model = model_of(R"text(graph {
  input %x: f16[4]
  %y: f16[4] = aten.add.Scalar(self=%x, other=1)
  %z: f16[4] = aten.fill.Scalar(self=%y, value=1e+30)
  output %z
}
)text");
  Executor executor(model, {});
  const Error error = error_of([&] { executor.run({at::ones({4}, at::kHalf)}); });
  EXPECT_EQ(error.code(), ErrorCode::data);
  EXPECT_NE(error.to_text().find("%z (aten.fill.Scalar) failed: value cannot be converted"), std::string::npos) << error.to_text();
}

TEST(ExecutorErrors, UnknownOperatorsAreListedTogether) {
  const Model model = model_of(R"text(graph {
  input %x: f32[4]
  %a: f32[4] = vision.nms.default(self=%x) {"stack_trace": "File \"m.py\", line 3, in f\n    nms(x)"}
  %b: f32[4] = aten.relu.sideways(self=%a)
  %c: f32[4] = vision.nms.default(self=%b)
  %d: f32[4] = aten.relu.default(self=%c, colour=3)
  %e: f32[4] = aten.leaky_relu.default(self=%d, negative_slope="steep")
  output %e
}
)text");
  const Error error = error_of([&] { Executor executor(model, {}); });
  EXPECT_EQ(error.code(), ErrorCode::unsupported);
  EXPECT_EQ(error.problems().size(), 4U);
  const std::string text = error.to_text();
  for (const char* word : {"vision.nms.default", "%a", "m.py:3", "%c", "aten.relu.sideways", "overloads default", "no argument `colour`",
                           "`negative_slope`"}) {
    EXPECT_NE(text.find(word), std::string::npos) << word << " in\n" << text;
  }
}

TEST(ExecutorErrors, UnknownDevicesAreRefused) {
  const Fixture fixture("residual");
  EXPECT_EQ(error_of([&] { Executor executor(fixture.model, {.device = "tpu9"}); }).code(), ErrorCode::usage);
  EXPECT_EQ(error_of([&] { Executor executor(fixture.model, {.device = "meta"}); }).code(), ErrorCode::unsupported);
  if (!at::hasCUDA()) {
    EXPECT_EQ(error_of([&] { Executor executor(fixture.model, {.device = "cuda"}); }).code(), ErrorCode::unsupported);
  }
}

TEST(ExecutorArguments, NumbersStandForTensorsScalarsAndLists) {
  const Model model = model_of(R"text(graph {
  input %x: f32[s0{2}, 4]
  input %i: i64[s0{2}, 4]
  %n: sym_int s0{2} = aten.sym_size.int(self=%x, dim=0)
  %half: sym_float "s0/2"{1.0} = _operator.truediv(%n, 4)
  %all: sym_int "4*s0"{8} = _operator.mul(%n, 4)
  %a: f32[s0{2}, 4] = aten.mul.Tensor(self=%x, other=3)
  %b: i64[s0{2}, 4] = aten.add.Tensor(self=%i, other=2)
  %c: f32[s0{2}, 4] = aten.add.Tensor(self=%a, other=%n)
  %d: f32[s0{2}, 4] = aten.mul.Scalar(self=%c, other=%half)
  %e: f32[s0{2}, 4] = aten.leaky_relu.default(self=%d, negative_slope=1)
  %f: f32["4*s0"{8}] = aten.reshape.default(self=%e, shape=[%all])
  %g: f32[s0{2}, 4] = aten.full.default(size=[%n, 4], fill_value=%half, dtype=f32, device=device(cpu), pin_memory=false)
  %h: f32[1, s0{2}, 2] = aten.avg_pool1d.default(self=%g, kernel_size=[2])
  output %f
  output %b
  output %h
}
)text");
  Executor executor(model, {});
  const auto x = at::arange(12).view({3, 4}).to(at::kFloat);
  const auto i = at::arange(12).view({3, 4});
  const auto outputs = executor.run({x, i});
  EXPECT_TRUE(at::equal(outputs[0], ((x * 3 + 3) * 0.75).flatten()));
  EXPECT_TRUE(at::equal(outputs[1], i + 2));  // an integer keeps integers
  EXPECT_EQ(outputs[1].scalar_type(), at::kLong);
  EXPECT_TRUE(at::equal(outputs[2], at::full({3, 2}, 0.75F)));
}

struct Arithmetic {
  const char* expression;
  const char* expected;  // a literal that must be equal
};
class PythonArithmetic : public testing::TestWithParam<Arithmetic> {};

TEST_P(PythonArithmetic, IsPythons) {
  const Model model = model_of(std::string("graph {\n  input %x: f32[s0{7}]\n  %n: sym_int s0{7} = aten.sym_size.int(self=%x, dim=0)\n") +
                               "  %r: sym_int s0{7} = " + GetParam().expression + "\n  %same: sym_bool \"?\" = _operator.eq(%r, " + GetParam().expected +
                               ")\n  _ = aten._assert_scalar.default(self=%same, assert_msg=\"unequal\") name \"check\"\n  output %x\n}\n");
  Executor executor(model, {});
  EXPECT_NO_THROW(executor.run({at::zeros({7})}));
}

INSTANTIATE_TEST_SUITE_P(Executor, PythonArithmetic,
                         testing::Values(Arithmetic{"_operator.add(%n, 3)", "10"}, Arithmetic{"_operator.sub(3, %n)", "-4"},
                                         Arithmetic{"_operator.mul(%n, -2)", "-14"}, Arithmetic{"_operator.floordiv(%n, 2)", "3"},
                                         Arithmetic{"_operator.floordiv(%n, -2)", "-4"}, Arithmetic{"_operator.mod(%n, -3)", "-2"},
                                         Arithmetic{"_operator.mod(-1, %n)", "6"}, Arithmetic{"_operator.truediv(%n, 2)", "3.5"},
                                         Arithmetic{"_operator.pow(%n, 2)", "49"}, Arithmetic{"_operator.neg(%n)", "-7"},
                                         Arithmetic{"_operator.lt(%n, 8)", "true"}, Arithmetic{"_operator.ge(%n, 8)", "false"},
                                         Arithmetic{"_operator.ne(%n, 7)", "false"}, Arithmetic{"math.ceil(3.2)", "4"},
                                         Arithmetic{"math.trunc(-3.7)", "-3"}, Arithmetic{"math.floor(-3.2)", "-4"},
                                         Arithmetic{"math.sqrt(49)", "7.0"}, Arithmetic{"torch.sym_max(%n, 9)", "9"},
                                         Arithmetic{"torch.sym_min(%n, 9)", "7"}, Arithmetic{"torch.sym_float(%n)", "7.0"},
                                         Arithmetic{"torch.sym_int(7.9)", "7"}, Arithmetic{"torch.sym_not(%n)", "false"},
                                         Arithmetic{"torch.sym_ite(true, %n, 1)", "7"}, Arithmetic{"torch.sym_sum([%n, 1, %n])", "15"}));

TEST(ExecutorErrors, BrokenAssumptionsAreReported) {
  const Model model = model_of(R"text(graph {
  input %x: f32[s0{4}]
  %n: sym_int s0{4} = aten.sym_size.int(self=%x, dim=0)
  %rest: sym_int "Mod(s0, 2)"{0} = _operator.mod(%n, 2)
  %even: sym_bool "Eq(Mod(s0, 2), 0)"{1.0} = _operator.eq(%rest, 0)
  _ = aten._assert_scalar.default(self=%even, assert_msg="the length is even") name "check"
  output %x
}
)text");
  Executor executor(model, {});
  EXPECT_NO_THROW(executor.run({at::zeros({6})}));
  const Error error = error_of([&] { executor.run({at::zeros({5})}); });
  EXPECT_EQ(error.code(), ErrorCode::data);
  EXPECT_NE(error.to_text().find("the length is even"), std::string::npos);
  EXPECT_NE(error.to_text().find("%check"), std::string::npos);
}

TEST(Executor, ResNetsOfTheDataFolderGivePyTorchsLogits) {
  if (!std::filesystem::exists(test::data_file("resnet-cifar10"))) GTEST_SKIP() << test::data_missing(test::data_file("resnet-cifar10"));
  const TensorFile recorded = read_safetensors(DSC_SOURCE_DIR "/tests/fixtures/exec/resnets.safetensors");
  const auto pixels = (at::arange(4 * 3 * 32 * 32).mul(7919).remainder(255).to(at::kFloat) / 255 - 0.5F).view({4, 3, 32, 32});
  for (const auto& [name, logits] : recorded.tensors) {
    const Model model = read_pt2(test::data_file("resnet-cifar10/" + name + "-cifar10.pt2"));
    for (const bool channels_last : {false, true}) {
      Executor executor(model, {.channels_last = channels_last});
      EXPECT_LE(relative_error(executor.run({pixels}).front(), logits), 1e-5) << name;
    }
  }
}

}  // namespace
}  // namespace dsc
