// Time series of all formats.
#include <gtest/gtest.h>

#include <cmath>

#include "data/text_files.h"

namespace dsc {
namespace {

using namespace test;

at::Tensor series_inputs(const Dataset& dataset) { return dataset.batch(all_of(dataset), std::nullopt).inputs[0]; }

SplitConfig series_of(const std::string& path, const std::string& split = "all") { return split_of(DataFormat::series, path, split); }

const std::string kTs = "#about\n@problemName Toy\n@univariate true\n@classLabel true up down\n@data\n1,2,3:up\n3,2.5,-1e-1:down\n";

TEST(Series, OfTsFilesHaveTheClassesThatTheFileLists) {
  const Folder folder;
  write_text(folder / "Toy_TRAIN.ts", kTs);
  const auto dataset = open_dataset(series_of(folder.string(), "train"), std::nullopt);
  ASSERT_EQ(dataset->size(), 2);
  EXPECT_TRUE(series_inputs(*dataset).equal(at::tensor({1.0F, 2.0F, 3.0F, 3.0F, 2.5F, -0.1F}).reshape({2, 1, 3})));
  EXPECT_EQ(dataset->info().class_names, (std::vector<std::string>{"up", "down"}));
  EXPECT_EQ(labels_of(dataset->batch(all_of(*dataset), std::nullopt)), (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(dataset->show(1), "Toy_TRAIN.ts:7");
}

TEST(Series, OfSeveralChannelsLieAsTheModelTakesThem) {
  const Folder folder;
  write_text(folder / "many.ts", "@classLabel true a b\n@data\n1,2,3:4,5,6:a\n7,8,9:10,11,12:b\n");
  SplitConfig config = series_of((folder / "many.ts").string());
  const at::Tensor first = at::arange(1, 13).to(at::kFloat).reshape({2, 2, 3});
  EXPECT_TRUE(series_inputs(*open_dataset(config, std::nullopt)).equal(first));
  config.series.layout = SeriesLayout::channels_last;
  EXPECT_TRUE(series_inputs(*open_dataset(config, std::nullopt)).equal(first.transpose(1, 2)));
  config.series.layout = SeriesLayout::flat;
  EXPECT_TRUE(series_inputs(*open_dataset(config, std::nullopt)).equal(first.reshape({2, 6})));
}

TEST(Series, OfArffFilesAreRowsOrRelational) {
  const Folder folder;
  write_text(folder / "one.arff",
             "%about\n@Relation one\n@attribute att1 numeric\n@attribute att2 numeric\n@attribute target {-1, 1}\n\n@data\n0.5,1.5,1\n2,3,-1\n");
  const auto one = open_dataset(series_of((folder / "one.arff").string()), std::nullopt);
  EXPECT_TRUE(series_inputs(*one).equal(at::tensor({0.5F, 1.5F, 2.0F, 3.0F}).reshape({2, 1, 2})));
  EXPECT_EQ(labels_of(one->batch(all_of(*one), std::nullopt)), (std::vector<std::int64_t>{1, 0}));
  write_text(folder / "many.arff",
             "@relation many\n@attribute series relational\n@attribute a1 numeric\n@attribute a2 numeric\n@end series\n@attribute class "
             "{x,y}\n@data\n'1,2\\n3,4',y\n");
  EXPECT_TRUE(series_inputs(*open_dataset(series_of((folder / "many.arff").string()), std::nullopt))
                  .equal(at::tensor({1.0F, 2.0F, 3.0F, 4.0F}).reshape({1, 2, 2})));
}

// A table lists no labels: both splits are numbered by the labels of both.
TEST(Series, OfTablesHaveTheLabelFirst) {
  const Folder folder;
  write_text(folder / "T_TRAIN.tsv", "10\t1\t2\n2\t3\t4\n");
  write_text(folder / "T_TEST.tsv", "1.0000000e+00\t5\t6\n");
  const auto train = open_dataset(series_of(folder.string(), "train"), std::nullopt),
             test = open_dataset(series_of(folder.string(), "test"), std::nullopt);
  EXPECT_EQ(train->info().class_names, (std::vector<std::string>{"1", "2", "10"}));
  EXPECT_EQ(test->info().class_names, train->info().class_names);
  EXPECT_EQ(labels_of(train->batch(all_of(*train), std::nullopt)), (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(labels_of(test->batch(all_of(*test), std::nullopt)), (std::vector<std::int64_t>{0}));
  write_text(folder / "blank.txt", "  1  0.5 0.25\n");
  EXPECT_TRUE(
      series_inputs(*open_dataset(series_of((folder / "blank.txt").string()), std::nullopt)).equal(at::tensor({0.5F, 0.25F}).reshape({1, 1, 2})));
}

TEST(Series, NumbersAreTargetsOfRegressions) {
  const Folder folder;
  write_text(folder / "n.ts", "@targetLabel true\n@data\n1,2:0.5\n3,4:-2\n");
  const auto dataset = open_dataset(series_of((folder / "n.ts").string()), std::nullopt);
  EXPECT_TRUE(dataset->batch(all_of(*dataset), std::nullopt).target.equal(at::tensor({0.5F, -2.0F})));
}

TEST(Series, AreNormalisedCutAndFilled) {
  const Folder folder;
  write_text(folder / "u.csv", "1,1,2,3,6\n0,4,4\n");
  SplitConfig config = series_of((folder / "u.csv").string());
  config.series.length = 3;
  config.series.z_normalize = true;
  const auto dataset = open_dataset(config, std::nullopt);
  const float z = std::sqrt(1.5F);
  EXPECT_TRUE(series_inputs(*dataset).allclose(at::tensor({-z, 0.0F, z, 0.0F, 0.0F, 0.0F}).reshape({2, 1, 3}), 0, 1e-6));
  EXPECT_EQ(dataset->info().notes,
            (std::vector<std::string>{"1 of 2 series are cut to 3 steps", "1 of 2 series are filled up to 3 steps with zeros"}));
}

TEST(Series, WindowsKeepTheirSeriesLabel) {
  const Folder folder;
  write_text(folder / "w.csv", "1,0,1,2,3,4\n0,5,6,7\n");
  SplitConfig config = series_of((folder / "w.csv").string());
  config.series.window = 3;
  config.series.window_stride = 2;
  const auto dataset = open_dataset(config, std::nullopt);
  EXPECT_TRUE(series_inputs(*dataset).equal(at::tensor({0.0F, 1.0F, 2.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F, 7.0F}).reshape({3, 1, 3})));
  EXPECT_EQ(labels_of(dataset->batch(all_of(*dataset), std::nullopt)), (std::vector<std::int64_t>{1, 1, 0}));
  EXPECT_EQ(dataset->show(1), "w.csv:1, step 2");
}

std::string series_error(const std::string& name, const std::string& text) {
  const Folder folder;
  write_text(folder / name, text);
  try {
    open_dataset(series_of((folder / name).string()), std::nullopt);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::data);
    return error.to_text();
  }
  return "no error";
}

TEST(SeriesErrors, NameTheLine) {
  const auto expect = [](const std::string& name, const std::string& text, const std::string& part) {
    const auto found = series_error(name, text);
    EXPECT_NE(found.find(part), std::string::npos) << found;
  };
  expect("a.ts", "@classLabel true a\n@data\n1,2:a\n:a\n", "an empty series");
  expect("a.ts", "@classLabel true a\n@data\n1,2:a\n:a\n", "a.ts:4");
  expect("a.ts", "@classLabel true a\n@data\n1,?:a\n", "step 1 is missing");
  expect("a.ts", "@classLabel true a\n@data\n1,2:b\n", "label `b` is not one that the file lists");
  expect("a.ts", "@classLabel true a\n@data\n1,2:3:a\n", "channels of 2 and 1 steps");
  expect("a.ts", "@classLabel true a\n1,2:a\n", "there is no @data");
  expect("a.ts", "@classLabel true a\n@data\n", "holds no series");
  expect("a.csv", "1,2,3\n2\n", "an empty series");
  expect("a.csv", "1,2,x\n", "step 1 is `x`, expected a finite number");
  expect("a.csv", "1,2,3\n1,2\n", "a series of 1 steps, others have 2");
  expect("a.csv", "", "holds no series");
}

TEST(SeriesErrors, OfWindowsAndSplits) {
  const Folder folder;
  write_text(folder / "w.csv", "1,0,1\n");
  SplitConfig config = series_of((folder / "w.csv").string());
  config.series.window = 3;
  EXPECT_NE(error_of([&] { open_dataset(config, std::nullopt); }).find("a series of 2 steps has no window of 3"), std::string::npos);
  EXPECT_NE(error_of([&] { open_dataset(series_of(folder.string(), "train"), std::nullopt); }).find("has no *_train.ts"), std::string::npos);
}

}  // namespace
}  // namespace dsc
