#include "eval/latency.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "dscompress/error.h"
#include "eval/training_bench.h"
#include "ir/text.h"
#include "support/tiny_models.h"

namespace dsc {
namespace {

// Writes its letter when it runs.
class Writer : public Engine {
 public:
  Writer(char letter, std::string& log, int sleep_ms) : letter_(letter), log_(log), sleep_(sleep_ms) {}
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override {
    log_ += letter_;
    std::this_thread::sleep_for(sleep_);
    return inputs;
  }
  std::string name() const override { return std::string(1, letter_); }

 private:
  char letter_;
  std::string& log_;
  std::chrono::milliseconds sleep_;
};

TEST(Latency, EnginesTakeTurns) {
  std::string log;
  Writer a('a', log, 0), b('b', log, 2);
  LatencyOptions options{.warmup = 1, .iterations = 4, .min_seconds = 0, .max_seconds = 10};
  const auto results = measure_latency({&a, &b}, {{at::ones({8, 1})}, {at::ones({2, 1})}}, options);
  EXPECT_EQ(log, "ababababab");
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[1].engine, "b");
  EXPECT_EQ(results[1].runs, 4);
  EXPECT_GE(results[1].min_ms, 2);
  EXPECT_NEAR(results[1].throughput_per_s, 2000 / results[1].p50_ms, 1e-6);
}

TEST(Latency, PercentilesAreOrdered) {
  std::string log;
  Writer a('a', log, 0);
  const auto r = measure_latency({&a}, {{at::ones({1})}}, {.warmup = 0, .iterations = 30, .min_seconds = 0, .max_seconds = 10}).front();
  EXPECT_LE(r.min_ms, r.p50_ms);
  EXPECT_LE(r.p50_ms, r.p90_ms);
  EXPECT_LE(r.p90_ms, r.p99_ms);
  EXPECT_GE(r.spread, 0);
}

TEST(Latency, StopsWhenTheTimeIsUp) {
  std::string log;
  Writer a('a', log, 30);
  const auto r = measure_latency({&a}, {{at::ones({1})}}, {.warmup = 0, .iterations = 1000, .min_seconds = 0, .max_seconds = 0.05}).front();
  EXPECT_EQ(r.runs, 2);
}

TEST(Latency, NoEnginesNoResults) { EXPECT_TRUE(measure_latency({}, {}, {}).empty()); }

TEST(Memory, PeakGrowsWithATouchedAllocation) {
  const std::int64_t before = peak_memory_bytes();
  EXPECT_GT(before, 1 << 20);
  const auto big = at::ones({before / 4 + (32 << 20)});
  EXPECT_GE(peak_memory_bytes(), before + (16 << 20));
}

TEST(TrainingBench, TrainsInBothFormats) {
  for (const bool bf16 : {false, true}) {
    Model model = test::tiny_residual_cnn();
    const auto result = bench_training(model, {.batch = 4, .bf16 = bf16, .channels_last = bf16, .warmup = 1, .steps = 2, .min_seconds = 0});
    EXPECT_EQ(result.steps, 2);
    EXPECT_GT(result.examples_per_second, 0);
    EXPECT_TRUE(std::isfinite(result.final_loss));
    EXPECT_TRUE(result.layers.empty());
  }
}

// tanh of the input alone has no backward; the two products have, and their weights' gradients are added up.
constexpr const char* kTwoProducts = R"(graph {
  param %a: f32[4, 4]
  param %b: f32[3, 4]
  input %x: f32[s0{2}, 4]
  %t: f32[s0{2}, 4] = aten.tanh.default(self=%x) {"nn_module_stack": "L__self__,,torch.nn.Module;L__self___act,act,torch.nn.Tanh"}
  %h: f32[s0{2}, 4] = aten.linear.default(input=%t, weight=%a)
  %y: f32[s0{2}, 3] = aten.linear.default(input=%h, weight=%b)
  output %y
})";

TEST(TrainingBench, BooksBackwardToTheNodeThatMadeIt) {
  Model model{.graph = parse_graph(kTwoProducts), .source = "text"};
  model.weights.set("a", at::eye(4));
  model.weights.set("b", at::ones({3, 4}));
  const auto result = bench_training(model, {.batch = 2, .warmup = 0, .steps = 3, .min_seconds = 0, .layers = true});
  std::vector<std::string> operations;
  double booked_ms = 0;
  for (const LayerTime& layer : result.layers) {
    operations.push_back(layer.operation);
    booked_ms += layer.forward_ms + layer.backward_ms;
    EXPECT_EQ(layer.forward_ms > 0, layer.operation != "(gradients)") << layer.operation;
    EXPECT_EQ(layer.backward_ms > 0, layer.operation == "aten.linear.default" || layer.operation == "(loss)" || layer.operation == "(gradients)")
        << layer.operation;
  }
  EXPECT_EQ(operations,
            (std::vector<std::string>{"aten.tanh.default", "aten.linear.default", "aten.linear.default", "(loss)", "(gradients)", "(optimizer)"}));
  EXPECT_EQ(result.layers[0].module, "act");
  EXPECT_LE(booked_ms, result.profiled_ms);
}

}  // namespace
}  // namespace dsc
