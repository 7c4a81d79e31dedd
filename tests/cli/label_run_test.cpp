// A run of a network with two outputs, each trained on and judged by labels of its own.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "support/tiny_run.h"

namespace dsc::test {
namespace {

// x [N, 4] -> hidden layer -> scores of 3 classes (%linear_1) and a number (%linear_2).
Model two_heads() {
  ModelBuilder build(3);
  auto* hidden = build.node("aten.relu.default", {{"self", build.linear(build.input("x", {4}), "body", 4, 16)}}, {16});
  auto* kinds = build.linear(hidden, "kinds", 16, 3);
  auto* price = build.linear(hidden, "price", 16, 1);
  Model model = build.finish(kinds);
  model.graph.add_output(OutputKind::user, model.graph.find_value(price->name()));
  return model;
}

struct Cars {
  at::Tensor x = noise({300, 4}, 1), kind = (x.slice(1, 0, 3)).argmax(1), price = x.select(1, 0) - 0.5 * x.select(1, 3);
};

// What a plain forward pass with these weights comes to on the first 100.
struct Figures {
  double top1 = 0, price_mse = 0;
};
Figures figures_of(const Weights& weights, const Cars& cars) {
  const auto layer = [&](const at::Tensor& in, const std::string& name) {
    return at::linear(in, weights.get(name + ".weight"), weights.get(name + ".bias"));
  };
  const at::Tensor hidden = at::relu(layer(cars.x.slice(0, 0, 100), "body"));
  const at::Tensor error = layer(hidden, "price").squeeze(1) - cars.price.slice(0, 0, 100);
  return {(layer(hidden, "kinds").argmax(1) == cars.kind.slice(0, 0, 100)).to(at::kDouble).mean().item<double>(),
          error.to(at::kDouble).square().mean().item<double>()};
}

TEST(LabelRun, EachOutputLearnsItsOwnLabel) {
  const TempFolder folder;
  const Cars cars;
  const Model model = two_heads();
  write_pt2(model, folder.file("model.pt2"));
  write_safetensors(folder.file("cars.safetensors"), {.tensors = {{"x", cars.x}, {"kind", cars.kind}, {"price", cars.price}}, .metadata = {}});
  const std::string data = "format: tensors, path: cars.safetensors, label: kind, labels: {price: \"1\"}, split: ";
  spit(folder.file("recipe.yaml"),
       "version: 1\nmodel: {path: model.pt2}\ndata:\n  train: {" + data + "'all[100:]'}\n  eval: {" + data + "'all[:100]'}\n" +
           "evaluate: {metrics: [top1, {mse: {label: price}}]}\npasses:\n" +
           "  - finetune: {epochs: 30, batch: 20, bf16: false, optimizer: {adamw: {lr: 0.02}}}\ngates: {mse(label=price): {max: 0.05}}\n");
  const auto run = run_program("-q run " + folder.file("recipe.yaml") + " --threads 1 --output-dir " + folder.file("out"));
  ASSERT_EQ(run.status, 0) << run.err;
  const auto report = nlohmann::json::parse(slurp(folder.file("out/report.json")));
  const auto expect = [&](std::size_t step, const Figures& wanted) {
    const auto& metrics = report.at("steps").at(step).at("metrics");
    EXPECT_NEAR(metrics.at("top1").get<double>(), wanted.top1, 1e-9);
    EXPECT_NEAR(metrics.at("mse(label=price)").get<double>(), wanted.price_mse, 1e-5);
  };
  const Figures trained = figures_of(read_pt2(folder.file("out/model.pt2")).weights, cars);
  expect(0, figures_of(model.weights, cars));
  expect(1, trained);
  EXPECT_GT(trained.top1, 0.9);
  EXPECT_LT(trained.price_mse, 0.05);
}

}  // namespace
}  // namespace dsc::test
