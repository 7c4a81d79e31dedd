// Targets that are no class numbers: shares of classes, and positions in a sequence.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "dscompress/error.h"
#include "train/loss.h"

namespace dsc {
namespace {

TEST(SoftTargets, AreCrossEntropyWithShares) {
  const auto scores = at::randn({4, 6});
  Batch batch;
  batch.target = at::rand({4, 5});
  batch.target /= batch.target.sum(1, true);
  batch.soft_target = true;
  const auto expected = -(batch.target * at::log_softmax(scores, 1).narrow(1, 0, 5)).sum(1).mean();  // the sixth class has no share
  EXPECT_NEAR(supervised_objective(0)({scores}, batch).item<double>(), expected.item<double>(), 1e-6);
  EXPECT_THROW(supervised_objective(0)({scores.narrow(1, 0, 4)}, batch), Error);
}

// Models for question answering have one output of scores for starts and one for ends.
TEST(Positions, AreTheMeanLossOfStartAndEnd) {
  const auto starts = at::randn({3, 7}), ends = at::randn({3, 7});
  Batch batch;
  batch.target = at::tensor({1, 4, 0, 0, 2, 6}, at::kLong).view({3, 2});
  const auto expected = (at::cross_entropy_loss(starts, batch.target.select(1, 0)) + at::cross_entropy_loss(ends, batch.target.select(1, 1))) / 2;
  EXPECT_NEAR(supervised_objective(0)({starts, ends}, batch).item<double>(), expected.item<double>(), 1e-6);
  EXPECT_NEAR(supervised_objective(0)({at::stack({starts, ends}, 2)}, batch).item<double>(), expected.item<double>(), 1e-6);
}

}  // namespace
}  // namespace dsc
