// Rounding and scaling a block at a time against the whole network at once: the same weights, bit for bit.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "deploy/language_models.h"
#include "passes/quantize/trained_network.h"
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
    {"llama_adaround", "llama", made([](Options& o) { o.rounding = Rounding::adaround, o.iterations = 20; })},
    {"llama_awq", "llama", made([](Options& o) { o.scaling = Scaling::awq; })},
    {"llama_awq_gptq", "llama", made([](Options& o) { o.scaling = Scaling::awq, o.rounding = Rounding::gptq; })},
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
    if (options.scaling != Scaling::none) move_scales(model, precisions, options, context, cut);
    const QuantPlacement placement = place(model, precisions, options);
    round_weights(model, placement, precisions, options, context, cut);
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

INSTANTIATE_TEST_SUITE_P(, BlockByBlock, testing::ValuesIn(kCases), [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace dsc::quantize
