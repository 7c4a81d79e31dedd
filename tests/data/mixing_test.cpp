// RandAugment against torchvision, mixup and cutmix against their definitions.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "data/draws.h"
#include "data/mix.h"
#include "data/rand_augment.h"

namespace dsc {
namespace {

constexpr std::array<const char*, kImageOperations> kNames{"identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "brightness",
                                                           "color", "contrast", "sharpness", "posterize", "solarize", "auto_contrast", "equalize"};

TEST(RandAugment, OperationsEqualTorchvisions) {
  const auto json = nlohmann::json::parse(read_file(DSC_SOURCE_DIR "/tests/fixtures/images/rand_augment.json"));
  const auto sizes = json.at("shape").get<std::vector<std::int64_t>>();
  const ImageShape shape{sizes[0], sizes[1], sizes[2]};
  std::set<std::string> seen;
  for (const auto& entry : json.at("cases")) {
    auto pixels = json.at("picture").get<std::vector<std::uint8_t>>();
    const auto name = entry.at("operation").get<std::string>();
    const auto operation = static_cast<ImageOperation>(std::find(kNames.begin(), kNames.end(), name) - kNames.begin());
    apply_operation(operation, entry.at("strength").get<double>(), shape, pixels);
    EXPECT_EQ(pixels, entry.at("result").get<std::vector<std::uint8_t>>()) << name << " " << entry.at("strength");
    seen.insert(name);
  }
  EXPECT_EQ(seen.size(), kNames.size());
}

TEST(RandAugment, DrawsTheSameForTheSameSeed) {
  const ImageShape shape{3, 8, 8};
  const auto draw = [&](std::uint64_t seed) {
    std::vector<std::uint8_t> pixels(192);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i);
    Random random(seed);
    rand_augment({.operations = 3, .magnitude = 15}, shape, random, pixels);
    return pixels;
  };
  EXPECT_EQ(draw(1), draw(1));
  std::set<std::vector<std::uint8_t>> all;
  for (std::uint64_t seed = 0; seed < 30; ++seed) all.insert(draw(seed));
  EXPECT_GT(all.size(), 20U);
}

Batch pictures() {
  Batch batch;
  batch.inputs = {at::rand({6, 2, 8, 8})};
  batch.target = at::tensor({0, 1, 2, 3, 3, 0}, at::kLong);
  return batch;
}

// Each picture is share * own + (1 - share) * another, its target likewise.
TEST(Mixup, MixesPicturesAndLabelsAlike) {
  const Batch before = pictures();
  Batch after = before;
  after.inputs = {before.inputs[0].clone()};
  mix_batch({Mixup{.alpha = 1}}, 5, Random(3), after);
  ASSERT_TRUE(after.soft_target);
  EXPECT_EQ(after.target.sizes(), (std::vector<std::int64_t>{6, 5}));
  EXPECT_TRUE(at::allclose(after.target.sum(1), at::ones({6})));
  const auto labels = at::eye(5).index_select(0, before.target);
  for (std::int64_t i = 0; i < 6; ++i) {
    bool explained = false;
    for (std::int64_t j = 0; j < 6 && !explained; ++j) {
      const auto own = before.inputs[0][i], other = before.inputs[0][j];
      const auto direction = own - other;
      const double share = i == j ? 1 : ((after.inputs[0][i] - other) * direction).sum().item<double>() / direction.square().sum().item<double>();
      explained = at::allclose(after.inputs[0][i], share * own + (1 - share) * other, 1e-5, 1e-5) &&
                  at::allclose(after.target[i], share * labels[i] + (1 - share) * labels[j], 1e-4, 1e-4);
    }
    EXPECT_TRUE(explained) << i;
  }
}

TEST(CutMix, LabelsHaveTheSharesOfThePixels) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Batch before = pictures();
    Batch after = before;
    after.inputs = {before.inputs[0].clone()};
    mix_batch({CutMix{}}, 4, Random(seed), after);
    const double own = after.inputs[0].eq(before.inputs[0]).to(at::kDouble).mean().item<double>();
    for (std::int64_t i = 0; i < 6; ++i) {
      const double share = after.inputs[0][i].eq(before.inputs[0][i]).to(at::kDouble).mean().item<double>();
      const double label = after.target[i][before.target[i].item<std::int64_t>()].item<double>();
      EXPECT_GE(label + 1e-6, std::min(share, own)) << seed;
      if (label < 1) { EXPECT_NEAR(label, share, 1e-6) << seed; }
    }
  }
}

TEST(Mixing, NothingHappensUnlessAskedFor) {
  Batch batch = pictures();
  mix_batch({HorizontalFlip{}}, 4, Random(1), batch);
  EXPECT_FALSE(batch.soft_target);
  EXPECT_EQ(batch.target.scalar_type(), at::kLong);
}

// Mean 1/2 and variance 1 / (4 (2 alpha + 1)).
TEST(Mixing, SharesFollowTheBetaDistribution) {
  for (const double alpha : {0.2, 1.0, 4.0}) {
    Random random(11);
    double sum = 0, squares = 0;
    const int count = 20000;
    for (int i = 0; i < count; ++i) {
      const double x = draw_beta(alpha, random);
      sum += x;
      squares += (x - 0.5) * (x - 0.5);
    }
    EXPECT_NEAR(sum / count, 0.5, 0.01);
    EXPECT_NEAR(squares / count, 1 / (4 * (2 * alpha + 1)), 0.005) << alpha;
  }
}

}  // namespace
}  // namespace dsc
