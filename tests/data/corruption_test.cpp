// Corruptions of pictures against plain loops, Pillow and identities; of text by counting; of data sets as a whole.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "core/file.h"
#include "data/draws.h"
#include "data/files.h"
#include "data/float_image.h"
#include "data/text_files.h"
#include "text/corrupt.h"

namespace dsc {
namespace {

using test::error_of, test::Folder;

FloatImage random_image(ImageShape shape, std::uint64_t seed = 1) {
  FloatImage image{shape, std::vector<float>(static_cast<std::size_t>(shape.bytes()))};
  Random random(seed);
  for (float& value : image.values) value = static_cast<float>(random.uniform());
  return image;
}

double at(const FloatImage& image, std::int64_t channel, std::int64_t row, std::int64_t column) {
  const auto [channels, height, width] = image.shape;
  row = std::clamp<std::int64_t>(row, 0, height - 1);
  column = std::clamp<std::int64_t>(column, 0, width - 1);
  return static_cast<double>(image.values[static_cast<std::size_t>((channel * height + row) * width + column)]);
}

template <class Expected>
void expect_values(const FloatImage& image, double tolerance, Expected expected) {
  for (std::int64_t c = 0; c < image.shape.channels; ++c) {
    for (std::int64_t y = 0; y < image.shape.height; ++y) {
      for (std::int64_t x = 0; x < image.shape.width; ++x) ASSERT_NEAR(at(image, c, y, x), expected(c, y, x), tolerance) << c << " " << y << " " << x;
    }
  }
}

TEST(Draws, PoissonHasItsMeanAsVariance) {
  for (const double mean : {0.5, 4.0, 12.0, 80.0, 450.0}) {
    Random random(3);
    constexpr int kDraws = 40000;
    double sum = 0, squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const auto k = static_cast<double>(draw_poisson(mean, random));
      sum += k;
      squares += k * k;
    }
    const double found = sum / kDraws, variance = squares / kDraws - found * found;
    EXPECT_NEAR(found, mean, 5 * std::sqrt(mean / kDraws)) << mean;
    EXPECT_NEAR(variance / mean, 1, 0.05) << mean;
  }
}

TEST(Corruption, NoiseHasTheStrengthThatItIsGiven) {
  const ImageShape shape{1, 200, 200};
  const auto grey = [&] { return FloatImage{shape, std::vector<float>(40000, 0.5f)}; };
  const auto deviation = [](const FloatImage& image) {
    double sum = 0;
    for (const float value : image.values) sum += (static_cast<double>(value) - 0.5) * (static_cast<double>(value) - 0.5);
    return std::sqrt(sum / static_cast<double>(image.values.size()));
  };
  Random random(5);
  auto gaussian = grey(), shot = grey(), impulse = grey();
  add_gaussian_noise(gaussian, {0.08}, random);
  EXPECT_NEAR(deviation(gaussian), 0.08, 0.002);
  add_shot_noise(shot, {50}, random);  // a variance of 25 photons
  EXPECT_NEAR(deviation(shot), std::sqrt(25.0) / 50, 0.002);
  add_impulse_noise(impulse, {0.1}, random);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(impulse.values, 0.0f)) / 40000, 0.05, 0.005);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(impulse.values, 1.0f)) / 40000, 0.05, 0.005);
}

// Through hue, saturation and value, as colorsys has it.
TEST(Corruption, BrightnessRaisesTheValueAndKeepsHueAndSaturation) {
  auto image = random_image({3, 5, 7});
  const auto before = image;
  Random random(1);
  brighten(image, {0.3}, random);
  expect_values(image, 1e-6, [&](std::int64_t c, std::int64_t y, std::int64_t x) {
    const double r = at(before, 0, y, x), g = at(before, 1, y, x), b = at(before, 2, y, x);
    const double most = std::max({r, g, b}), least = std::min({r, g, b}), value = std::min(1.0, most + 0.3);
    const double saturation = (most - least) / most;  // of value: least = value * (1 - saturation)
    const double own = at(before, c, y, x);
    const double place = (own - least) / (most - least);  // hue: where a channel lies between the two
    return value * (1 - saturation) + place * (value - value * (1 - saturation));
  });
}

TEST(Corruption, ContrastMovesTowardsTheChannelsMean) {
  auto image = random_image({2, 6, 4});
  const auto before = image;
  Random random(1);
  lower_contrast(image, {0.25}, random);
  expect_values(image, 1e-6, [&](std::int64_t c, std::int64_t y, std::int64_t x) {
    double mean = 0;
    for (std::int64_t i = 0; i < 6; ++i) {
      for (std::int64_t j = 0; j < 4; ++j) mean += at(before, c, i, j) / 24;
    }
    return mean + 0.25 * (at(before, c, y, x) - mean);
  });
}

TEST(Corruption, BlurEqualsAPlainSum) {
  auto image = random_image({2, 9, 11});
  const auto before = image;
  Random random(1);
  blur(image, {0.8}, random);
  constexpr std::int64_t kReach = 3;  // four standard deviations
  double all = 0;
  const auto weight = [](std::int64_t i) { return std::exp(-static_cast<double>(i * i) / (2 * 0.64)); };
  for (std::int64_t i = -kReach; i <= kReach; ++i) all += weight(i);
  expect_values(image, 1e-6, [&](std::int64_t c, std::int64_t y, std::int64_t x) {
    double sum = 0;
    for (std::int64_t i = -kReach; i <= kReach; ++i) {
      for (std::int64_t j = -kReach; j <= kReach; ++j) sum += weight(i) * weight(j) * at(before, c, y + i, x + j);
    }
    return sum / (all * all);
  });
}

TEST(Corruption, MotionBlurSumsAlongALine) {
  auto image = random_image({1, 20, 20});
  const auto before = image;
  Random random(9), same(9);
  blur_motion(image, {2, 6}, random);
  const double angle = (same.uniform() - 0.5) * std::numbers::pi / 2;
  expect_values(image, 1e-6, [&](std::int64_t c, std::int64_t y, std::int64_t x) {
    double sum = 0, all = 0;
    for (std::int64_t i = 0; i <= 12; ++i) {
      const double weight = std::exp(-static_cast<double>(i * i) / 8);
      all += weight;
      sum += weight * at(before, c, y + std::llround(static_cast<double>(i) * std::sin(angle)), x + std::llround(static_cast<double>(i) * std::cos(angle)));
    }
    return sum / all;
  });
}

TEST(Corruption, AQuarterTurnMovesPixelsAndALessOneInterpolatesLinearly) {
  const auto before = random_image({2, 6, 6});
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U}) {
    auto image = before;
    Random random(seed), same(seed);
    turn(image, {90}, random);
    const bool first = same.below(2) == 0;
    expect_values(image, 1e-6, [&](std::int64_t c, std::int64_t y, std::int64_t x) { return first ? at(before, c, x, 5 - y) : at(before, c, 5 - x, y); });
  }
  // A plane a y + b x + c stays one, as far as it reaches.
  FloatImage ramp{{1, 21, 21}, std::vector<float>(441)};
  for (std::size_t i = 0; i < 441; ++i) ramp.values[i] = static_cast<float>(0.01 * static_cast<double>(i / 21) + 0.02 * static_cast<double>(i % 21));
  Random random(1), same(1);
  turn(ramp, {20}, random);
  const double angle = (same.below(2) == 0 ? 1 : -1) * 20 * std::numbers::pi / 180;
  for (std::int64_t y = 6; y < 15; ++y) {
    for (std::int64_t x = 6; x < 15; ++x) {
      const double from_y = std::sin(angle) * static_cast<double>(x - 10) + std::cos(angle) * static_cast<double>(y - 10) + 10;
      const double from_x = std::cos(angle) * static_cast<double>(x - 10) - std::sin(angle) * static_cast<double>(y - 10) + 10;
      EXPECT_NEAR(at(ramp, 0, y, x), 0.01 * from_y + 0.02 * from_x, 1e-5);
    }
  }
}

TEST(Corruption, OcclusionHidesOneSquareInAllChannels) {
  auto image = random_image({3, 10, 14});
  const auto before = image;
  Random random(4);
  occlude(image, {0.4}, random);
  std::int64_t hidden = 0;
  for (std::int64_t i = 0; i < 140; ++i) {
    const bool is_hidden = at(image, 0, i / 14, i % 14) == 0.5;
    hidden += is_hidden;
    for (std::int64_t c = 0; c < 3; ++c) EXPECT_EQ(at(image, c, i / 14, i % 14), is_hidden ? 0.5 : at(before, c, i / 14, i % 14));
  }
  EXPECT_EQ(hidden, 16);
}

TEST(Corruption, JpegEqualsPillows) {
  const auto json = nlohmann::json::parse(read_file(DSC_SOURCE_DIR "/tests/fixtures/robustness.json"));
  for (const auto& entry : json.at("jpeg")) {
    const auto sizes = entry.at("shape").get<std::vector<std::int64_t>>();
    FloatImage image{{sizes[0], sizes[1], sizes[2]}, {}};
    for (const int pixel : entry.at("picture")) image.values.push_back(static_cast<float>(pixel) / 255.0f);
    Random random(1);
    compress_jpeg(image, {entry.at("quality").get<double>()}, random);
    const auto result = entry.at("result").get<std::vector<int>>();
    for (std::size_t i = 0; i < result.size(); ++i) EXPECT_NEAR(255 * image.values[i], result[i], 1.001) << i;  // libraries' versions may round otherwise
  }
}

// Smooth, with an edge and a little texture, as pictures are.
std::vector<std::uint8_t> drawn_picture(const ImageShape& shape, std::uint64_t seed) {
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(shape.bytes()));
  Random random(seed);
  const double phase = random.uniform();
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const auto x = static_cast<double>(static_cast<std::int64_t>(i) % shape.width) / static_cast<double>(shape.width), y = static_cast<double>(static_cast<std::int64_t>(i) / shape.width % shape.height) / static_cast<double>(shape.height);
    pixels[i] = static_cast<std::uint8_t>(90 + 50 * std::sin(5 * x + 3 * phase) + 30 * std::cos(7 * y) + (x + y > 0.7 + phase / 2 ? 50 : 0) + 12 * random.uniform());
  }
  return pixels;
}

double change_by(const CorruptionKind& kind, std::int64_t severity, const ImageShape& shape) {
  double change = 0;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const auto before = drawn_picture(shape, seed);
    auto pixels = before;
    Random random(seed);
    corrupt_pixels(kind, severity, shape, random, pixels);
    for (std::size_t i = 0; i < pixels.size(); ++i) change += std::abs(static_cast<double>(pixels[i]) - static_cast<double>(before[i]));
  }
  return change;
}

// Neighbouring severities of motion blur may differ in a reach that hardly weighs.
TEST(Corruption, EachSeverityChangesMoreThanTheOneBefore) {
  for (const auto& kind : corruption_kinds()) {
    if (!kind.of_image) continue;
    for (const std::int64_t side : {24, 80}) {
      const ImageShape shape{3, side, side};
      const double first = change_by(kind, 1, shape);
      double last = first;
      for (std::int64_t severity = 2; severity <= kSeverities; ++severity) {
        const double change = change_by(kind, severity, shape);
        EXPECT_GE(change, 0.999 * last) << kind.name << " of " << side << " pixels, severity " << severity;
        last = change;
      }
      EXPECT_GT(last, 1.1 * first) << kind.name << " of " << side << " pixels";
    }
  }
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

TEST(TextCorruption, TyposAreOneSlipAWordAndLeaveFirstLettersAndOtherScripts) {
  const std::string text = "the quick brown fox jumps over naïve Größe 日本 42 I";
  Random never(1), always(2);
  EXPECT_EQ(add_typos(text, 0, never), text);
  std::int64_t changed = 0;
  for (int i = 0; i < 50; ++i) {
    const auto before = words_of(text), after = words_of(add_typos(text, 1, always));
    ASSERT_EQ(after.size(), before.size());
    for (std::size_t w = 0; w < before.size(); ++w) {
      EXPECT_EQ(after[w][0], before[w][0]);
      EXPECT_LE(std::abs(static_cast<int>(after[w].size()) - static_cast<int>(before[w].size())), 1);
      changed += after[w] != before[w];
    }
    EXPECT_EQ(after[8], "日本");
    EXPECT_EQ(after[9], "42");
    EXPECT_EQ(after[10], "I");
  }
  EXPECT_GT(changed, 50 * 7);  // doubling or swapping equal letters changes nothing
}

TEST(TextCorruption, CapitalsAndCutsTakeTheirShareOfTheWords) {
  Random random(1);
  EXPECT_EQ(write_in_capitals("a quick, brown fox", 1, random), "A QUICK, BROWN FOX");
  EXPECT_EQ(cut_words("one two three four five six seven eight nine ten", 0.3), "one two three four five six seven");
  EXPECT_EQ(cut_words("one, two; three!", 0.34), "one, two;");
  EXPECT_EQ(cut_words("one", 0.9), "one");
  EXPECT_EQ(cut_words("", 0.5), "");
  EXPECT_EQ(cut_words("...", 0.5), "...");
}

SplitConfig corrupted_cifar(const Folder& folder, const std::string& name, std::int64_t severity) {
  SplitConfig split;
  split.path.path = folder.string();
  split.split = "test";
  if (severity > 0) split.corruption = {.name = name, .severity = severity, .seed = 11, .synonyms = {}};
  return split;
}

TEST(CorruptedData, DependsOnSeedAndExampleAlone) {
  const Folder folder;
  test::write_cifar(folder / "", 6);
  const auto data = open_dataset(corrupted_cifar(folder, "gaussian_noise", 3), std::nullopt), clean = open_dataset(corrupted_cifar(folder, "", 0), std::nullopt);
  const std::vector<std::int64_t> all{0, 1, 2, 3, 4, 5}, one{4};
  const auto whole = data->batch(all, std::nullopt).inputs[0], alone = data->batch(one, std::nullopt).inputs[0];
  EXPECT_TRUE(at::equal(whole[4], alone[0]));
  EXPECT_NEAR((whole - clean->batch(all, std::nullopt).inputs[0]).std().item<double>(), 0.08, 0.02);
  auto other = corrupted_cifar(folder, "gaussian_noise", 3);
  other.corruption->seed = 12;
  EXPECT_FALSE(at::equal(open_dataset(other, std::nullopt)->batch(all, std::nullopt).inputs[0], whole));
  EXPECT_TRUE(at::equal(data->batch(all, std::nullopt).target, clean->batch(all, std::nullopt).target));
}

TEST(CorruptedData, KindsOfTextAndImagesAreToldApart) {
  const Folder folder;
  test::write_cifar(folder / "", 2);
  EXPECT_NE(error_of([&] { open_dataset(corrupted_cifar(folder, "typos", 1), std::nullopt); }).find("`typos` is for text"), std::string::npos);
  auto split = test::text_split(DataFormat::text, test::write_text(folder / "a.tsv", "text\tlabel\nthe cat\t1\n"));
  split.split = "all";
  split.corruption = {.name = "jpeg", .severity = 1, .seed = 0, .synonyms = {}};
  EXPECT_NE(error_of([&] { open_dataset(split, std::nullopt); }).find("`jpeg` is for images"), std::string::npos);
}

TEST(CorruptedData, TextIsChangedBeforeItIsCutIntoTokens) {
  const Folder folder;
  auto split = test::text_split(DataFormat::text, test::write_text(folder / "a.tsv", "text\tlabel\nthe cat sat on the mat with the hat\t1\n"));
  split.split = "all";
  split.corruption = {.name = "truncation", .severity = 5, .seed = 0, .synonyms = {}};
  EXPECT_EQ(open_dataset(split, std::nullopt)->show(0), "the cat sat on");
}

TEST(CorruptionAugmentation, ChangesSomeTrainingPicturesAndNoneInEvaluation) {
  const Folder folder;
  test::write_cifar(folder / "", 40);
  auto split = corrupted_cifar(folder, "", 0);
  const auto clean = open_dataset(split, std::nullopt);
  split.augment = {RandomCorruption{.kinds = {"impulse_noise"}, .severity = 5, .probability = 0.5}};
  const auto data = open_dataset(split, std::nullopt);
  std::vector<std::int64_t> all(40);
  std::iota(all.begin(), all.end(), 0);
  const auto before = clean->batch(all, std::nullopt).inputs[0], trained = data->batch(all, 3).inputs[0];
  EXPECT_TRUE(at::equal(data->batch(all, std::nullopt).inputs[0], before));
  EXPECT_TRUE(at::equal(data->batch(all, 3).inputs[0], trained));
  const auto changed = (trained != before).flatten(1).any(1).sum().item<std::int64_t>();
  EXPECT_GT(changed, 8);
  EXPECT_LT(changed, 32);
}

}  // namespace
}  // namespace dsc
