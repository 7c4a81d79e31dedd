// Rounding and scaling a block at a time against the whole network at once: the same weights, bit for bit.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>

#include "deploy/language_models.h"
#include "passes/quantize/trained_network.h"
#include "passes/quantize/weights/block_journal.h"
#include "passes/quantize/weights/round_weights.h"
#include "passes/quantize/weights/scaling.h"

namespace dsc::quantize {
namespace {

// Token ids, all of them visible.
class Texts final : public Dataset {
 public:
  explicit Texts(at::Tensor ids) : ids_(std::move(ids)) { info_.description = "texts"; }
  std::int64_t size() const override { return ids_.size(0); }
  const DatasetInfo& info() const override { return info_; }
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t>) const override {
    Batch made;
    made.indices.assign(indices.begin(), indices.end());
    const at::Tensor rows = ids_.index_select(0, at::tensor(made.indices, at::kLong));
    made.inputs = {rows, at::ones_like(rows)};
    return made;
  }

 private:
  at::Tensor ids_;
  DatasetInfo info_;
};

struct Case {
  const char* name;
  const char* model;
  Options options;
};

Options made(const std::function<void(Options&)>& set) {
  Options options;
  options.mode = Mode::weight_only;
  options.weights = {.bits = 4, .group_size = 8};
  options.calibration = {.samples = 10, .batch = 4, .memory = {1, "GB"}};
  set(options);
  return options;
}

const Case kCases[] = {
    {"llama_gptq", "llama", made([](Options& o) { o.rounding = Rounding::gptq; })},
    {"qwen3_gptq", "qwen3", made([](Options& o) { o.rounding = Rounding::gptq; })},
    {"gemma3_gptq", "gemma3", made([](Options& o) { o.rounding = Rounding::gptq; })},
    {"llama_gptq_biases", "llama", made([](Options& o) { o.rounding = Rounding::gptq, o.bias_correction = true; })},
    {"llama_gptq_weighted", "llama", made([](Options& o) { o.rounding = Rounding::gptq, o.weights.observer = WeightObserver::weighted; })},
    {"llama_adaround", "llama", made([](Options& o) { o.rounding = Rounding::adaround, o.iterations = 20; })},
    {"llama_awq", "llama", made([](Options& o) { o.scaling = Scaling::awq; })},
    {"llama_awq_gptq", "llama", made([](Options& o) { o.scaling = Scaling::awq, o.rounding = Rounding::gptq; })},
    {"llama_awq_weighted", "llama", made([](Options& o) { o.scaling = Scaling::awq, o.weights.observer = WeightObserver::weighted; })},
    {"llama_smooth", "llama", made([](Options& o) { o.scaling = Scaling::smooth; })},
};

class BlockByBlock : public testing::TestWithParam<Case> {
 protected:
  // The model after scaling and rounding, its samples' ways cut by `cut`.
  Model quantized(const CutGraph& cut, Quantity memory) const {
    Options options = GetParam().options;
    options.calibration.memory = memory;
    Model model = test::read_recorded(GetParam().model).model;
    at::manual_seed(1);
    Texts texts(at::randint(3, 96, {12, 9}, at::kLong));
    test::FakeContext context(model, {.train = &texts});
    context.cache = folder.path() + "/cache";
    const Precisions precisions = resolve_precisions(model, options);
    if (options.scaling != Scaling::none) move_scales(model, precisions, options, context, {}, cut);
    const QuantPlacement placement = place(model, precisions, options);
    round_weights(model, placement, precisions, options, context, {}, cut);
    return model;
  }
  test::TempFolder folder;
};

TEST_P(BlockByBlock, GivesTheBytesOfTheWholeAtOnce) {
  const Model whole = quantized(uncut, {1, "GB"}), blocks = quantized(cut_at_blocks, {1, "GB"}), in_file = quantized(cut_at_blocks, {0, "B"});
  EXPECT_FALSE(test::equal_weights(whole, test::read_recorded(GetParam().model).model));
  EXPECT_TRUE(test::equal_weights(blocks, whole));
  EXPECT_TRUE(test::equal_weights(in_file, whole));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path() + "/cache"));
}

// The whole pass, killed at one instant after the other: every time it goes on, at last with the bytes of a run that nobody killed.
TEST_P(BlockByBlock, GoesOnBehindTheBlocksThatAKilledRunHasFinished) {
  Options options = GetParam().options;
  options.damping = 0.02;
  const Model model = test::read_recorded(GetParam().model).model;
  at::manual_seed(1);
  Texts texts(at::randint(3, 96, {12, 9}, at::kLong));
  const auto run = [&](test::FakeContext& context) {
    Model copy = model.clone();
    make_quantize_quantize().run(copy, &options, context);
    return copy;
  };
  test::FakeContext undisturbed(model, {.train = &texts});
  undisturbed.cache = folder.path() + "/undisturbed";
  const Model whole = run(undisturbed);
  for (const int first : {4, 6}) {
    test::FakeContext context(model, {.train = &texts});
    context.cache = folder.path() + "/killed";
    int kills = 0;
    std::optional<Model> resumed;
    while (!resumed) {
      ASSERT_LT(kills, undisturbed.cancel_checks);
      context.cancel_after_checks = first + 3 * kills;  // what is finished has to be passed again
      try {
        resumed = run(context);
      } catch (const Error& error) {
        ASSERT_EQ(error.code(), ErrorCode::cancelled) << error.what();
        ++kills;
        context.restart();
      }
    }
    EXPECT_GE(kills, 2);
    EXPECT_TRUE(test::equal_weights(*resumed, whole));
    EXPECT_EQ(print_graph(resumed->graph), print_graph(whole.graph));
    EXPECT_TRUE(std::filesystem::is_empty(context.cache));
  }
}

TEST(BlockJournal, KnowsWhatItWasBegunWith) {
  const test::TempFolder folder;
  const Model llama = test::read_recorded("llama").model, qwen = test::read_recorded("qwen3").model;
  at::manual_seed(1);
  Texts texts(at::randint(3, 96, {12, 9}, at::kLong)), others(at::randint(3, 96, {12, 9}, at::kLong));
  Options options, coarser;
  options.rounding = coarser.rounding = Rounding::gptq;
  coarser.weights.bits = 3;
  const auto journal = [&](const Model& model, const Options& with, Dataset& data, const std::map<std::string, std::int64_t>& widths = {}) {
    test::FakeContext context(model, {.train = &data});
    context.cache = folder.path();
    return BlockJournal(model, with, widths, context);
  };
  const std::map<std::string, at::Tensor> made{{"weight/a", at::arange(6).view({2, 3})}};
  const BlockJournal own = journal(llama, options, texts);
  own.add("round", 2, made);
  const auto again = journal(llama, options, texts).find("round", 2);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->at("weight/a").equal(made.at("weight/a")));
  EXPECT_FALSE(own.find("round", 1));
  EXPECT_FALSE(own.find("scale", 2));
  EXPECT_FALSE(journal(qwen, options, texts).find("round", 2));
  EXPECT_FALSE(journal(llama, coarser, texts).find("round", 2));
  EXPECT_FALSE(journal(llama, options, others).find("round", 2));
  EXPECT_FALSE(journal(llama, options, texts, {{"linear", 4}}).find("round", 2));
  own.remove();
  EXPECT_FALSE(own.find("round", 2));
}

INSTANTIATE_TEST_SUITE_P(, BlockByBlock, testing::ValuesIn(kCases), [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace dsc::quantize
