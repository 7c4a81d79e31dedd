#include <gtest/gtest.h>

#include "core/fields_parse.h"
#include "data/open.h"

namespace dsc {
namespace {

// All problems of a `data:` section, one a line.
std::string problems_of(std::string_view yaml, DataConfig& config) {
  std::vector<Problem> problems;
  const auto tree = read_yaml(yaml, std::make_shared<TreeSource>(TreeSource{"recipe.yaml", {}}), problems);
  parse_fields(tree, config, problems);
  std::string text;
  for (const Problem& problem : problems) text += problem.place.to_string() + " " + problem.message + " " + problem.hint + "\n";
  return text;
}
std::string problems_of(std::string_view yaml) {
  DataConfig config;
  return problems_of(yaml, config);
}

TEST(DataFields, ReadsASectionAsTheSpecificationWritesIt) {
  DataConfig config;
  EXPECT_EQ(problems_of(R"(
train: {format: cifar10, path: data, split: "train[:-5000]", augment: [{random_crop: {padding: 3}}, horizontal_flip]}
eval: {format: image_folder, path: /images, split: val, image_size: 224, resize: 256}
normalize: {mean: [0.5, 0.4, 0.3], std: [0.2, 0.2, 0.2]}
)", config), "");
  ASSERT_TRUE(config.train && config.eval && config.normalize);
  EXPECT_FALSE(config.valid || config.calibration);
  EXPECT_EQ(config.train->split, "train[:-5000]");
  ASSERT_EQ(config.train->augment.size(), 2u);
  EXPECT_EQ(std::get<RandomCrop>(config.train->augment[0]).padding, 3);
  EXPECT_EQ(std::get<HorizontalFlip>(config.train->augment[1]).probability, 0.5);
  EXPECT_EQ(config.eval->format, DataFormat::image_folder);
  EXPECT_EQ(config.normalize->std.size(), 3u);
}

TEST(DataFields, MistakesAreNamedWithTheirLine) {
  const auto expect = [](std::string_view yaml, std::string_view part) {
    const std::string text = problems_of(yaml);
    EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  };
  expect("eval: {format: cifar, path: x}", "cifar10");
  expect("eval: {format: mnist}", "path");
  expect("eval:\n  format: mnist\n  path: x\n  split: train[5]", "train[10%:20%]");
  expect("eval: {format: mnist, path: x, splits: test}", "split");
  expect("eval: {format: mnist, path: x, augment: [flip]}", "horizontal_flip");
  expect("normalize: {mean: [0.5], std: [0.5, 0.5]}", "one of each per channel");
  expect("normalize: {mean: [0.5], std: [0]}", "std");
  expect("eval: {format: image_folder, path: x, image_size: 224, resize: 200}", "resize is smaller");
}

}  // namespace
}  // namespace dsc
