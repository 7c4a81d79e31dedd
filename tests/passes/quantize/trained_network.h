// A small trained network, and short ways to quantise it and look at the result.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "exec/executor.h"
#include "support/fake_context.h"
#include "support/pass_options.h"
#include "support/tiny_models.h"
#include "train/train.h"

namespace dsc {

PassInfo make_quantize_quantize();

namespace test {

inline ConfiguredPass quantize(const std::string& yaml) { return {make_quantize_quantize(), yaml}; }

inline double statistic(const PassResult& result, const std::string& name) {
  for (const Statistic& s : result.statistics) {
    if (s.name == name) return s.value;
  }
  return -1;
}

inline at::Tensor run_model(const Model& model, const at::Tensor& x) { return Executor(model, {}).run({x}).at(0); }

// Relative distance of outputs, root mean square.
inline double distance(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).pow(2).mean().sqrt() / b.pow(2).mean().sqrt()).item<double>();
}

inline std::int64_t count(const Model& model, std::string_view target) {
  std::int64_t number = 0;
  for (const Node* node : model.graph.nodes()) number += node->is(target);
  return number;
}

// A small residual network that has learned its task: the same one on every processor.
inline const Model& trained_network() {
  static const Model trained = [] {
    Model model = tiny_residual_cnn();
    MemoryDataset data = synthetic_images(256);
    FakeContext context(model, {.train = &data});
    TrainOptions options;
    options.epochs = 6;
    options.batch = 32;
    options.optimizer = Sgd{.lr = 0.05};
    options.bf16 = Bf16::off;
    context.stage("train", model, [&] { return to_text(train(model, options, supervised_objective(0), {}, context)); });
    return model;
  }();
  return trained;
}

// A copy of it, with data to calibrate, train and measure on.
class TrainedNetwork : public testing::Test {
 protected:
  MemoryDataset data = synthetic_images(256), valid = synthetic_images(200, 1);
  Model model = trained_network().clone();
  double top1(const Model& any) const { return evaluate_classifier(any, valid).at("top1"); }
};

}  // namespace test
}  // namespace dsc
