// What a run's report says of layers, classes and examples, against what the run folder holds.
#include <gtest/gtest.h>

#include <numeric>

#include "io/pt2.h"
#include "pipeline/layer_records.h"
#include "pipeline/runner.h"
#include "pipeline/tiny_recipe.h"

namespace dsc {
namespace {

using test::TinyRecipe;

class ReportRecords : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    recipe_ = new TinyRecipe(
        "  - finetune: {name: train, epochs: 4, batch: 32, optimizer: {sgd: {lr: 0.05}}}\n  - prune: {reduce: {channels: 0.3}}\n  - quantize: {mode: "
        "ptq}\n",
        {},
        "evaluate: {metrics: [top1], baseline: train, latency: {engine: libtorch, iterations: 3, min_seconds: 0}}\nreport: {examples: 3, title: Tiny "
        "& small}\nthreads: 1\n");
    summary_ = new RunSummary(run_recipe(recipe_->load(), {.output_dir = recipe_->file("out")}));
  }
  static void TearDownTestSuite() {
    delete summary_;
    delete recipe_;
  }
  static const Report& report() { return summary_->report; }

  inline static TinyRecipe* recipe_ = nullptr;
  inline static RunSummary* summary_ = nullptr;
};

TEST_F(ReportRecords, LayersSayWhatTheFilesHold) {
  const auto base = read_pt2(recipe_->file("out/baseline.pt2"));
  ASSERT_FALSE(report().layers.empty());
  double macs_before = 0, macs = 0;
  for (const auto& layer : report().layers) {
    EXPECT_EQ(layer.parameters_before, base.weights.get(layer.name + ".weight").numel()) << layer.name;
    EXPECT_EQ(layer.channels_before, base.weights.get(layer.name + ".weight").size(0)) << layer.name;
    EXPECT_EQ(layer.weight_bits, 8) << layer.name;
    EXPECT_EQ(std::accumulate(layer.histogram.begin(), layer.histogram.end(), std::int64_t{0}), layer.parameters) << layer.name << ": every value is in one part";
    EXPECT_LT(layer.low, layer.high) << layer.name;
    EXPECT_LE(layer.channels, layer.channels_before) << layer.name;
    macs_before += layer.macs_before;
    macs += layer.macs;
  }
  EXPECT_DOUBLE_EQ(macs_before, report().steps[1].macs);
  EXPECT_DOUBLE_EQ(macs, report().steps.back().macs);
}

TEST_F(ReportRecords, TheHeadingIsTheRecipesTitle) {
  EXPECT_EQ(report().title, "Tiny & small");
  EXPECT_TRUE(test::contains(test::slurp(recipe_->file("out/report.html")), "<h1>Tiny &amp; small "));
  EXPECT_TRUE(test::slurp(recipe_->file("out/report.md")).starts_with("# Tiny & small: passed\n"));
  EXPECT_EQ(report().name, "recipe");
}

TEST_F(ReportRecords, TheDiagonalOfTheConfusionsIsTheAccuracy) {
  ASSERT_TRUE(report().classes);
  const auto accuracy = [](const std::vector<std::vector<std::int64_t>>& counts) {
    std::int64_t right = 0, all = 0;
    for (std::size_t label = 0; label < counts.size(); ++label) {
      right += counts[label][label];
      all = std::accumulate(counts[label].begin(), counts[label].end(), all);
    }
    return static_cast<double>(right) / static_cast<double>(all);
  };
  EXPECT_NEAR(accuracy(report().classes->base), report().steps[1].metrics.at("top1"), 1e-6);
  EXPECT_NEAR(accuracy(report().classes->compressed), report().steps.back().metrics.at("top1"), 1e-6);
}

TEST_F(ReportRecords, ExamplesAreTheWorstThatAreWrong) {
  std::map<std::string, std::vector<ExampleRecord>> by_kind;
  for (const auto& example : report().examples) by_kind[example.of].push_back(example);
  ASSERT_FALSE(by_kind.empty());
  for (const auto& [kind, examples] : by_kind) {
    EXPECT_LE(examples.size(), 3U) << kind;
    for (std::size_t i = 0; i < examples.size(); ++i) {
      const auto& example = examples[i];
      EXPECT_NE(example.label, kind == "base" ? example.base : example.compressed) << kind;
      EXPECT_TRUE(kind != "turned wrong" || example.label == example.base);
      EXPECT_TRUE(example.picture.starts_with("data:image/png;base64,iVBOR")) << example.picture.substr(0, 40);
      EXPECT_TRUE(i == 0 || kind == "base" || examples[i - 1].compressed_loss >= example.compressed_loss) << "the worst come first";
    }
  }
}

TEST_F(ReportRecords, StepsFromTheBaselineOnAreTimedBesideIt) {
  EXPECT_FALSE(report().steps[0].latency) << "before the baseline";
  for (std::size_t i = 1; i < report().steps.size(); ++i) {
    ASSERT_TRUE(report().steps[i].latency) << i;
    EXPECT_GT(report().steps[i].latency->p50_ms, 0);
    EXPECT_GT(report().steps[i].latency->base_p50_ms, 0);
  }
}

// An engine that says what it did: two layers, of which one stands for two nodes of the graph.
class Timed final : public TimingEngine {
 public:
  explicit Timed(std::string layer) : layer_(std::move(layer)) {}
  std::vector<at::Tensor> run(const std::vector<at::Tensor>&) override {
    ++runs_;
    return {};
  }
  std::string name() const override { return "timed"; }
  std::vector<LayerReport> layers() const override { return {{layer_, "Convolution", "f32", "kernel", "CPU"}, {"Reorder_1", "Reorder", "f32", "copy", "CPU"}}; }
  std::vector<double> layer_times_ms() const override { return {static_cast<double>(runs_), 0}; }

 private:
  std::string layer_;
  int runs_ = 0;
};

TEST(ExecutedLayers, HaveTheWorkAndTheBytesOfTheirNodes) {
  const auto model = test::tiny_residual_cnn();
  const Node* convolution = nullptr;
  for (const Node* node : model.graph.nodes()) {
    if (!convolution && node->op() == "aten.conv2d") convolution = node;
  }
  Timed engine(convolution->name() + ",relu");
  const auto layers = executed_layers(engine, model, 4, 0);
  ASSERT_EQ(layers.size(), 1U) << "what took no time is left out";
  const auto product = [](const Value* value, std::int64_t first) {
    double count = static_cast<double>(first);
    for (std::size_t d = 1; d < value->tensor().sizes.size(); ++d) count *= static_cast<double>(value->tensor().sizes[d].size);
    return count;
  };
  const auto* weight = convolution->find_value("weight");
  const double per_output = product(weight, 1);  // of one output channel
  EXPECT_DOUBLE_EQ(layers[0].macs, product(convolution->output(), 4) * per_output);
  double bytes = product(convolution->find_value("input"), 4) + product(convolution->output(), 4) + product(weight, weight->tensor().sizes[0].size);
  if (const auto* bias = convolution->find_value("bias")) bytes += static_cast<double>(bias->tensor().sizes[0].size);
  EXPECT_DOUBLE_EQ(layers[0].bytes, 4 * bytes);
  EXPECT_DOUBLE_EQ(layers[0].time_ms, 9) << "the median of runs 4 to 14";
}

}  // namespace
}  // namespace dsc
