// Joined steps against the same graph step by step.
#include "exec/chains.h"

#include <ATen/ATen.h>

#include "exec/fixture.h"

namespace dsc {
namespace {

using test::model_of;

const ExecutorOptions kTraining{.training = true, .channels_last = true, .autocast = ScalarType::bf16};
const ExecutorOptions kTrainingInF32{.training = true, .channels_last = true};

// conv, batch norm and `tail`, whose lines may use %c (the convolution), %n (the norm) and %x.
Model model_with(const std::string& tail) {
  const std::string text = R"text(graph {
  param %w "conv.weight": f32[11, 11, 3, 3] grad
  param %g "norm.weight": f32[11] grad
  param %b "norm.bias": f32[11] grad
  buffer %m "norm.running_mean": f32[11]
  buffer %v "norm.running_var": f32[11]
  input %x: f32[8, 11, 6, 6]
  %c: f32[8, 11, 6, 6] = aten.conv2d.default(input=%x, weight=%w, bias=None, stride=[1, 1], padding=[1, 1])
  %n: f32[8, 11, 6, 6] = aten.batch_norm.default(input=%c, weight=%g, bias=%b, running_mean=%m, running_var=%v, training=false, momentum=0.1, eps=1e-05, cudnn_enabled=false)
)text" + tail + "}\n";
  at::manual_seed(3);
  return model_of(text, [](const std::string& name, at::IntArrayRef sizes) {
    if (name == "norm.running_var") return at::ones(sizes);
    return at::Tensor(at::randn(sizes));
  });
}

struct Result {
  at::Tensor output;
  std::map<std::string, at::Tensor> weights, gradients;
};

// With a tap on each, chains inside included, the executor joins nothing.
std::vector<const Value*> all_made(const Model& model) {
  std::vector<const Value*> values;
  for (const Node* node : model.graph.nodes()) values.push_back(node->output());
  return values;
}

Result train(const Model& source, bool tapped, const ExecutorOptions& options) {
  const Model model = source.clone();
  Executor executor(model, options);
  at::manual_seed(5);
  const at::Tensor x = at::randn({8, 11, 6, 6});
  std::vector<const Value*> watched;
  if (tapped) watched = all_made(model);
  const at::Tensor output = executor.run({x}, watched, [](const Value&, const at::Tensor&) {}).front();
  output.backward(at::randn(output.sizes()).to(output.scalar_type()));
  Result result{output.detach(), {}, {}};
  for (const char* name : {"norm.running_mean", "norm.running_var"}) result.weights[name] = executor.weight(name).detach().clone();
  for (const std::string& name : executor.parameter_names()) result.gradients[name] = executor.weight(name).grad();
  return result;
}

double mean_error(const at::Tensor& found, const at::Tensor& expected) {
  return ((found - expected).to(at::kDouble).abs().mean() / expected.to(at::kDouble).abs().mean()).item<double>();
}

struct Chain {
  const char* name;
  std::size_t saved;  // steps
  const char* tail;
};

void PrintTo(const Chain& chain, std::ostream* out) { *out << chain.name; }

class Chains : public testing::TestWithParam<Chain> {};

TEST_P(Chains, GiveTheSameTrainingStep) {
  const Model model = model_with(GetParam().tail);
  for (const ExecutorOptions& options : {kTraining, kTrainingInF32}) {
    const bool bf16 = options.autocast.has_value();
    const ExecutionPlan plan = make_plan(model.graph, options, c10::kCPU);
    EXPECT_EQ(plan.joined.size() + GetParam().saved, plan.steps.size());
    const Result joined = train(model, false, options), plain = train(model, true, options);
    EXPECT_LE(mean_error(joined.output, plain.output), bf16 ? 0.01 : 1e-6);
    for (const auto& [name, weight] : plain.weights) EXPECT_LE(mean_error(joined.weights.at(name), weight), bf16 ? 1e-4 : 1e-6) << name;
    for (const auto& [name, gradient] : plain.gradients) EXPECT_LE(mean_error(joined.gradients.at(name), gradient), bf16 ? 0.02 : 1e-5) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Joined, Chains, testing::Values(
  Chain{"rectifier", 1, R"text(
  %y: f32[8, 11, 6, 6] = aten.relu.default(self=%n)
  output %y
)text"},
  Chain{"in place", 1, R"text(
  %y: f32[8, 11, 6, 6] = aten.relu_.default(self=%n)
  output %y
)text"},
  Chain{"ceiling", 1, R"text(
  %y: f32[8, 11, 6, 6] = aten.hardtanh_.default(self=%n, min_val=0.0, max_val=6.0)
  output %y
)text"},
  Chain{"norm is self", 2, R"text(
  %s: f32[8, 11, 6, 6] = aten.add_.Tensor(self=%n, other=%c)
  %y: f32[8, 11, 6, 6] = aten.relu_.default(self=%s)
  output %y
)text"},
  Chain{"norm is other", 2, R"text(
  %s: f32[8, 11, 6, 6] = aten.add.Tensor(self=%c, other=%n)
  %y: f32[8, 11, 6, 6] = aten.relu.default(self=%s)
  output %y
)text"},
  Chain{"an addend in f32", 2, R"text(
  %s: f32[8, 11, 6, 6] = aten.add.Tensor(self=%x, other=%n)
  %y: f32[8, 11, 6, 6] = aten.relu.default(self=%s)
  output %y
)text"},
  Chain{"an addend that is spread", 2, R"text(
  %k: f32[8, 11, 1, 1] = aten.mean.dim(self=%c, dim=[2, 3], keepdim=true)
  %s: f32[8, 11, 6, 6] = aten.add.Tensor(self=%n, other=%k)
  %y: f32[8, 11, 6, 6] = aten.relu.default(self=%s)
  output %y
)text"}));

INSTANTIATE_TEST_SUITE_P(LeftAlone, Chains, testing::Values(
  Chain{"the norm is used again", 0, R"text(
  %y: f32[8, 11, 6, 6] = aten.relu.default(self=%n)
  %z: f32[8, 11, 6, 6] = aten.mul.Tensor(self=%y, other=%n)
  output %z
)text"},
  Chain{"the norm is an output's part", 0, R"text(
  %r: f32[8, 11, 6, 6] = aten.relu.default(self=%n)
  %t: f32[8, 22, 6, 6] = aten.cat.default(tensors=[%r, %n], dim=1)
  output %t
)text"},
  Chain{"a weighted sum", 0, R"text(
  %s: f32[8, 11, 6, 6] = aten.add.Tensor(self=%c, other=%n, alpha=2)
  %y: f32[8, 11, 6, 6] = aten.relu.default(self=%s)
  output %y
)text"},
  Chain{"another floor", 0, R"text(
  %y: f32[8, 11, 6, 6] = aten.hardtanh.default(self=%n, min_val=-1.0, max_val=1.0)
  output %y
)text"},
  Chain{"the sum is the other's memory", 0, R"text(
  %k: f32[8, 11, 6, 6] = aten.mul.Tensor(self=%x, other=%x)
  %s: f32[8, 11, 6, 6] = aten.add_.Tensor(self=%k, other=%n)
  %y: f32[8, 11, 6, 6] = aten.relu.default(self=%s)
  output %y
)text"},
  Chain{"the addend is written to between", 0, R"text(
  %k: f32[8, 11, 6, 6] = aten.mul.Tensor(self=%x, other=%x)
  %s: f32[8, 11, 6, 6] = aten.add.Tensor(self=%n, other=%k)
  %u: f32[8, 11, 6, 6] = aten.mul_.Scalar(self=%k, other=2)
  %y: f32[8, 11, 6, 6] = aten.relu.default(self=%s)
  %z: f32[8, 11, 6, 6] = aten.add.Tensor(self=%y, other=%u)
  output %z
)text"}));

// In evaluation a convolution takes its rectifier.
class EvaluatedChains : public testing::TestWithParam<Chain> {};

TEST_P(EvaluatedChains, GiveTheSameOutputs) {
  const ExecutorOptions options{.channels_last = true, .autocast = ScalarType::bf16};
  const Model model = model_with(GetParam().tail);
  const ExecutionPlan plan = make_plan(model.graph, options, c10::kCPU);
  EXPECT_EQ(plan.joined.size() + GetParam().saved, plan.steps.size());
  Executor executor(model, options);
  at::manual_seed(5);
  const std::vector<at::Tensor> x{at::randn({8, 11, 6, 6})};
  const at::Tensor joined = executor.run(x).front();
  const at::Tensor plain = executor.run(x, all_made(model), [](const Value&, const at::Tensor&) {}).front();
  EXPECT_LE(mean_error(joined, plain), 0.01);
}

INSTANTIATE_TEST_SUITE_P(All, EvaluatedChains, testing::Values(
  Chain{"rectifier", 1, R"text(
  %d: f32[8, 11, 3, 3] = aten.conv2d.default(input=%n, weight=%w, bias=%b, stride=[2, 2], padding=[1, 1])
  %y: f32[8, 11, 3, 3] = aten.relu_.default(self=%d)
  output %y
)text"},
  Chain{"ceiling", 1, R"text(
  %d: f32[8, 11, 6, 6] = aten.conv2d.default(input=%n, weight=%w, bias=%b, stride=[1, 1], padding=[1, 1])
  %y: f32[8, 11, 6, 6] = aten.hardtanh.default(self=%d, min_val=0.0, max_val=6.0)
  output %y
)text"},
  Chain{"sum", 2, R"text(
  %d: f32[8, 11, 6, 6] = aten.conv2d.default(input=%n, weight=%w, bias=None, stride=[1, 1], padding=[1, 1])
  %s: f32[8, 11, 6, 6] = aten.add.Tensor(self=%n, other=%d)
  %y: f32[8, 11, 6, 6] = aten.relu.default(self=%s)
  output %y
)text"},
  Chain{"an addend in f32", 2, R"text(
  %d: f32[8, 11, 6, 6] = aten.conv2d.default(input=%n, weight=%w, bias=None, stride=[1, 1], padding=[1, 1])
  %s: f32[8, 11, 6, 6] = aten.add.Tensor(self=%x, other=%d)
  %y: f32[8, 11, 6, 6] = aten.relu.default(self=%s)
  output %y
)text"},
  Chain{"an addend that is spread", 2, R"text(
  %d: f32[8, 11, 6, 6] = aten.conv2d.default(input=%n, weight=%w, bias=None, stride=[1, 1], padding=[1, 1])
  %k: f32[8, 11, 1, 1] = aten.mean.dim(self=%n, dim=[2, 3], keepdim=true)
  %s: f32[8, 11, 6, 6] = aten.add.Tensor(self=%d, other=%k)
  %y: f32[8, 11, 6, 6] = aten.relu.default(self=%s)
  output %y
)text"},
  Chain{"the convolution is used again", 0, R"text(
  %y: f32[8, 11, 6, 6] = aten.relu.default(self=%c)
  %s: f32[8, 11, 6, 6] = aten.add.Tensor(self=%y, other=%n)
  output %s
)text"}));

// What a chain ends in can be watched without taking it apart.
TEST(Chains, StayJoinedWhereTheirEndsAreWatched) {
  const Model model = model_with("  %y: f32[8, 11, 6, 6] = aten.relu.default(self=%n)\n  output %y\n");
  const at::Tensor x = at::randn({8, 11, 6, 6});
  const auto run = [&](const std::vector<std::string>& names, std::map<std::string, at::Tensor>& seen) {
    Executor executor(model, kTraining);
    std::vector<const Value*> watched;
    for (const auto& name : names) watched.push_back(model.graph.find_value(name));
    return executor.run({x}, watched, [&](const Value& value, const at::Tensor& tensor) { seen[value.name()] = tensor.detach().clone(); }).front();
  };
  std::map<std::string, at::Tensor> none, ends, all;
  const at::Tensor joined = run({}, none), with_ends = run({"x", "c", "y"}, ends), apart = run({"c", "n", "y"}, all);
  EXPECT_TRUE(at::equal(with_ends, joined));
  EXPECT_TRUE(at::equal(ends.at("y"), joined));
  EXPECT_TRUE(at::equal(ends.at("c"), all.at("c")));
  EXPECT_EQ(ends.size(), 3U);
  EXPECT_TRUE(at::equal(all.at("y"), all.at("n").relu()));
}

TEST(Chains, AreForImagesInNhwcMemory) {
  const Model model = model_with("  %y: f32[8, 11, 6, 6] = aten.relu.default(self=%n)\n  output %y\n");
  for (const ExecutorOptions& options : {ExecutorOptions{}, ExecutorOptions{.channels_last = true}, ExecutorOptions{.training = true},
                                         ExecutorOptions{.training = true, .autocast = ScalarType::bf16},
                                         ExecutorOptions{.training = true, .channels_last = true, .autocast = ScalarType::f16}}) {
    const ExecutionPlan plan = make_plan(model.graph, options, c10::kCPU);
    EXPECT_EQ(plan.joined.size(), plan.steps.size());
  }
}

}  // namespace
}  // namespace dsc
