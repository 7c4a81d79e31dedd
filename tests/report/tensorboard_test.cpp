#include "report/tensorboard.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/file.h"
#include "report/event_file.h"
#include "report/sweep_tensorboard.h"

namespace dsc {
namespace {

// RFC 3720, B.4, and the check value of the catalogue of CRC algorithms.
TEST(EventFile, ChecksumsAreThoseOfThePublishedExamples) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
}

// scripts/make_event_fixture.py
TEST(EventFile, HoldsTheBytesThatTensorBoardsOwnWriterWrites) {
  constexpr double kStart = 1700000000.25;
  EventFile file(kStart);
  file.add_scalar("train/train_loss", 1, 2.5, kStart + 1);
  file.add_scalar("train/lr", 300, 0, kStart + 300);
  const std::vector<float> values{-1, 0.5F, 2};
  file.add_histogram("weights/conv.weight", 2, histogram_of(values), kStart + 2);
  const auto session = WireMessage().message(3, WireMessage().text(4, "trial-0001").real(5, kStart));
  file.add_plugin_data("_hparams_/session_start_info", "hparams", session.bytes(), kStart);
  EXPECT_EQ(file.bytes(), read_file(std::string(DSC_SOURCE_DIR) + "/tests/fixtures/events.tfevents"));
}

TEST(TrackedHistogram, CountsEveryFiniteValueOnce) {
  std::vector<float> values{std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()};
  for (int i = 0; i < 300; ++i) values.push_back(static_cast<float>(i) / 100);
  const auto histogram = histogram_of(values);
  EXPECT_EQ(histogram.count, 300);
  ASSERT_EQ(histogram.counts.size(), static_cast<std::size_t>(kHistogramBuckets));
  ASSERT_EQ(histogram.limits.size(), histogram.counts.size());
  double sum = 0;
  for (const double count : histogram.counts) {
    EXPECT_NEAR(count, 10, 1);
    sum += count;
  }
  EXPECT_EQ(sum, 300);
  EXPECT_EQ(histogram.limits.back(), histogram.maximum);
}

TEST(TrackedHistogram, OfEqualValuesIsOneBucketAndOfNoneIsEmpty) {
  const std::vector<float> equal(5, 3.0F);
  const auto histogram = histogram_of(equal);
  EXPECT_EQ(histogram.counts, std::vector<double>{5});
  EXPECT_EQ(histogram.limits, std::vector<double>{3});
  EXPECT_TRUE(histogram_of({}).counts.empty());
}

Report with_curves() {
  Report report;
  report.started_at = "2023-11-14T22:13:20Z";  // 1700000000
  report.steps = {{.index = 0, .name = "base", .seconds = 5}, {.index = 1, .name = "train", .seconds = 20}};
  report.steps[1].curves = {{"train_loss", {1, 2, 2.5}, {0.9, 0.5, 0.25}, {4, 8, 10}}, {"valid,top1", {2}, {0.75}, {9}}};
  return report;
}

TEST(TensorBoard, TheFileOfAStepBeginsWithWhatWasWrittenWhileItWasInProgress) {
  const auto report = with_curves();
  auto step = report.steps[1];
  const auto finished = step_events(report, step, {});
  std::string before;
  for (const auto& [losses, others] : {std::pair<std::size_t, std::size_t>{1, 0}, {2, 0}, {2, 1}, {3, 1}}) {
    auto so_far = step;
    for (const auto& [curve, count] : {std::pair{0, losses}, {1, others}}) {
      auto& record = so_far.curves[static_cast<std::size_t>(curve)];
      record.epochs.resize(count);
      record.values.resize(count);
      record.seconds.resize(count);
    }
    const auto events = curve_events(report, so_far);
    EXPECT_TRUE(events.starts_with(before)) << losses;
    EXPECT_GT(events.size(), before.size());
    before = events;
  }
  EXPECT_TRUE(finished.starts_with(before));
  EXPECT_GT(finished.size(), before.size());
}

TEST(TensorBoard, ReportsOfEarlierVersionsHaveNoTimes) {
  auto report = with_curves();
  for (auto& curve : report.steps[1].curves) curve.seconds.clear();
  EXPECT_FALSE(step_events(report, report.steps[1], {}).empty());
  EXPECT_NE(curves_csv(report).find("1,train,train_loss,2.5,0.25,\n"), std::string::npos);
}

TEST(CurvesCsv, HoldsEveryPointOfFinishedStepsAndOfTheOneInProgress) {
  const auto report = with_curves();
  const StepRecord next{.index = 2, .name = "tune", .curves = {{"lr", {1}, {0.001}, {3}}}};
  EXPECT_EQ(
      curves_csv(report, &next),
      "step,name,curve,epoch,value,seconds\n"
      "1,train,train_loss,1,0.9,4.000\n1,train,train_loss,2,0.5,8.000\n1,train,train_loss,2.5,0.25,10.000\n1,train,\"valid,top1\",2,0.75,9.000\n"
      "2,tune,lr,1,0.001,3.000\n");
}

TEST(TensorBoard, ASweepHasARunForEachTrialThatBegan) {
  SweepReport sweep{.name = "s", .parameters = {"vars.bits", "vars.kind"}};
  sweep.trials = {{.number = 1, .status = "complete", .values = {"4", "a"}, .figures = {{"top1", 0.5}}},
                  {.number = 2, .status = "waiting", .values = {"8", ""}},
                  {.number = 12, .status = "failed", .values = {"8", "b"}}};
  std::vector<std::string> names;
  for (const auto& [name, events] : sweep_events(sweep)) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"tensorboard/events.out.tfevents.sweep", "tensorboard/trial-0001/events.out.tfevents.trial",
                                             "tensorboard/trial-0012/events.out.tfevents.trial"}));
}

}  // namespace
}  // namespace dsc
