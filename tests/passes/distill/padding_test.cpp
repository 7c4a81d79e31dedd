// Losses on scores of positions: padding does not count.
#include <gtest/gtest.h>

#include <string>

#include "support/fake_context.h"
#include "support/pass_options.h"
#include "support/tiny_transformer.h"

namespace dsc {

PassInfo make_distill_logits();

namespace {

using namespace test;

constexpr TransformerSizes kSizes;

// ids, mask [N, length] -> scores [N, length, classes], multiplied by 1 + `loudness` where the mask is 0.
Model tagger(std::uint64_t seed, double loudness) {
  ModelBuilder build(seed);
  auto* ids = build.input("ids", {kSizes.length}, ScalarType::i64);
  auto* mask = build.input("mask", {kSizes.length}, ScalarType::i64);
  auto* padding = build.node("aten.view.default", {{"self", mask}, {"size", IntList{std::int64_t{-1}, kSizes.length, std::int64_t{1}}}}, {kSizes.length, 1});
  build.graph().set_type(padding, TensorType{.dtype = ScalarType::i64, .sizes = padding->tensor().sizes});
  padding = build.node("aten.eq.Scalar", {{"self", padding}, {"other", std::int64_t{0}}}, {kSizes.length, 1});
  build.graph().set_type(padding, TensorType{.dtype = ScalarType::boolean, .sizes = padding->tensor().sizes});
  auto* factor = build.node("aten.mul.Scalar", {{"self", padding}, {"other", loudness}}, {kSizes.length, 1});
  factor = build.node("aten.add.Scalar", {{"self", factor}, {"other", 1.0}}, {kSizes.length, 1});
  auto* words = build.parameter("words.weight", {kSizes.vocabulary, kSizes.width}, 2);
  auto* x = build.node("aten.embedding.default", {{"weight", words}, {"indices", ids}}, {kSizes.length, kSizes.width}, "words", "torch.nn.modules.sparse.Embedding");
  auto* scores = token_linear(build, x, "tags", kSizes.length, kSizes.width, kSizes.classes);
  return build.finish(build.node("aten.mul.Tensor", {{"self", scores}, {"other", factor}}, {kSizes.length, kSizes.classes}));
}

// A tag for each token, none for padding.
class TagDataset final : public TokenDataset {
 public:
  using TokenDataset::TokenDataset;
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t> seed) const override {
    Batch made = TokenDataset::batch(indices, seed);
    made.target = made.inputs[0].remainder(kSizes.classes).masked_fill(made.inputs[1] == 0, -100);
    return made;
  }
};

Model taught_by(double loudness, const std::string& options) {
  TagDataset data{64, 1};
  FakeContext context(tagger(1, loudness), {.train = &data});
  Model student = tagger(2, 0);
  ConfiguredPass(make_distill_logits(), "{epochs: 2, batch: 32, optimizer: {sgd: {lr: 0.1}}, validate_every: 0, " + options + "}").run(student, context);
  return student;
}

TEST(DistillPadding, WhatTheTeacherSaysThereChangesNothing) {
  for (const char* loss : {"kd", "dkd", "dist", "outputs"}) {
    const std::string options = std::string("losses: [") + loss + "]";
    EXPECT_TRUE(equal_weights(taught_by(0, options + ", mask: mask"), taught_by(9, options + ", mask: mask"))) << loss;
    if (loss == std::string("dkd")) continue;  // reads labels, and there are none
    EXPECT_FALSE(equal_weights(taught_by(0, options), taught_by(9, options))) << loss;
  }
}

TEST(DistillPadding, PositionsWithoutALabelDoNotCountWhereLabelsAreRead) {
  EXPECT_TRUE(equal_weights(taught_by(0, "losses: [dkd]"), taught_by(9, "losses: [dkd]")));
  EXPECT_TRUE(equal_weights(taught_by(0, "losses: [dkd]"), taught_by(0, "losses: [dkd], mask: mask")));
}

}  // namespace
}  // namespace dsc
