#include <gtest/gtest.h>

#include "support/fake_context.h"
#include "support/pass_options.h"
#include "support/tiny_models.h"
#include "train/train.h"

namespace dsc {

PassInfo make_distill_logits();

namespace {

using test::ConfiguredPass;
using test::FakeContext;

class Distill : public testing::Test {
 protected:
  static void SetUpTestSuite() { set_threads(1); }

  test::MemoryDataset data = test::synthetic_classes(256), valid = test::synthetic_classes(200, {8}, 4, 7, 1);
  test::MemoryDataset unlabelled{data.inputs(), at::Tensor()};
  Model teacher = trained_teacher();
  Model student = test::tiny_mlp(2, {.hidden = 8});

  static ConfiguredPass pass(const std::string& yaml) { return {make_distill_logits(), yaml}; }

  Model trained_teacher() {
    auto model = test::tiny_mlp(1);
    FakeContext context(model, {.train = &data});
    TrainOptions options;
    options.epochs = 10;
    options.batch = 32;
    options.optimizer = Adam{.lr = 0.01};
    train(model, options, supervised_objective(0), {}, context);
    return model;
  }
  // Share of validation examples on which two models agree.
  double agreement(const Model& a, const Model& b) {
    Executor x(a, {}), y(b, {});
    c10::NoGradGuard no_grad;
    return x.run({valid.inputs()})[0].argmax(1).eq(y.run({valid.inputs()})[0].argmax(1)).to(at::kDouble).mean().item<double>();
  }
};

TEST_F(Distill, FollowsTheTeacherWithoutLabels) {
  for (const char* loss : {"kd", "dist", "{kd: {temperature: 1}}"}) {
    auto model = student.clone();
    FakeContext context(teacher, {.train = &unlabelled, .valid = &valid});
    const double before = agreement(model, teacher);
    const auto result = pass("{epochs: 10, batch: 32, optimizer: {adam: {lr: 0.01}}, losses: [" + std::string(loss) + "]}").run(model, context);
    EXPECT_TRUE(result.changed);
    EXPECT_GT(agreement(model, teacher), std::max(0.9, before)) << loss;
    EXPECT_TRUE(context.curve_values("loss_labels").empty());
    const auto curve = context.curve_values("train_loss");
    ASSERT_EQ(curve.size(), 10);
    EXPECT_LT(curve.back(), 0.5 * curve.front()) << loss;
  }
}

TEST_F(Distill, TheTeacherAgreesMoreWithItsStudentThanWithOneTrainedAlone) {
  auto alone = student.clone(), taught = student.clone();
  FakeContext a(teacher, {.train = &data}), b(teacher, {.train = &data});
  const std::string common = "{epochs: 10, batch: 32, optimizer: {adam: {lr: 0.01}}, ";
  pass(common + "losses: [labels]}").run(alone, a);
  pass(common + "losses: [kd]}").run(taught, b);
  EXPECT_GE(agreement(taught, teacher), agreement(alone, teacher));
}

TEST_F(Distill, MixesBothLosses) {
  auto model = student.clone();
  FakeContext context(teacher, {.train = &data, .valid = &valid});
  pass("{epochs: 2, batch: 32, optimizer: {adam: {lr: 0.01}}, losses: [{dkd: {weight: 0.25}}, {labels: {weight: 0.75}}]}").run(model, context);
  const auto total = context.curve_values("train_loss"), distilled = context.curve_values("loss_dkd"), supervised = context.curve_values("loss_labels");
  ASSERT_EQ(total.size(), 2);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(total[i], 0.25 * distilled[i] + 0.75 * supervised[i], 1e-4 * total[i]);
}

TEST_F(Distill, LeavesTheTeacherAlone) {
  auto images = test::synthetic_images(64);
  const auto cnn = test::tiny_residual_cnn(1);
  auto model = test::tiny_residual_cnn(2, {.width = 4});
  FakeContext context(cnn, {.train = &images});
  pass("{epochs: 1, batch: 32, bf16: true}").run(model, context);
  EXPECT_TRUE(test::equal_weights(*context.teacher_model, cnn));
}

TEST_F(Distill, ResumesToTheSameBytes) {
  const auto configured = pass("{epochs: 3, batch: 32, optimizer: {sgd: {lr: 0.05}}}");
  auto whole = student.clone(), killed = student.clone(), resumed = student.clone();
  FakeContext uninterrupted(teacher, {.train = &data}), context(teacher, {.train = &data});
  configured.run(whole, uninterrupted);
  context.kill_after_saves = 2;
  EXPECT_THROW(configured.run(killed, context), test::Killed);
  context.restart();
  configured.run(resumed, context);
  EXPECT_TRUE(test::equal_weights(whole, resumed));
  EXPECT_EQ(context.curve_values("loss_kd"), uninterrupted.curve_values("loss_kd"));
}

std::string message_of(const ConfiguredPass& pass, Model model, FakeContext& context) {
  try {
    pass.run(model, context);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::data);
    return error.to_text();
  }
  return "no error";
}

TEST_F(Distill, SaysBeforeTrainingWhatDoesNotFit) {
  FakeContext without_labels(teacher, {.train = &unlabelled}), again(teacher, {.train = &unlabelled});
  FakeContext other_classes(test::tiny_mlp(1, {.classes = 7}), {.train = &data});
  EXPECT_NE(message_of(pass("{}"), student.clone(), without_labels).find("leave `labels` out"), std::string::npos);
  EXPECT_NE(message_of(pass("{losses: [dkd]}"), student.clone(), again).find("dkd needs class labels"),
            std::string::npos);
  const auto text = message_of(pass("{}"), student.clone(), other_classes);
  EXPECT_NE(text.find("[2, 4]"), std::string::npos) << text;
  EXPECT_NE(text.find("[2, 7]"), std::string::npos) << text;
  EXPECT_EQ(other_classes.cancel_checks, 0);
}

}  // namespace
}  // namespace dsc
