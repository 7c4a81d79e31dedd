// Runs in this process: what is left after failures, and what a resumed run says of itself.
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <new>
#include <nlohmann/json.hpp>
#include <thread>

#include "pipeline/opt.h"
#include "pipeline/reduce.h"
#include "pipeline/run_folder.h"
#include "pipeline/runner.h"
#include "pipeline/tiny_recipe.h"
#include "report/tensorboard.h"
#include "support/error_of.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;
using test::contains, test::error_of, test::StubPass, test::TinyRecipe;

Report report_in(const std::string& folder) { return parse_report(test::slurp(folder + "/report.json"), folder); }

// In the rehearsal nothing happens; in the run the body does.
StubPass pass_that(const std::string& id, const std::function<void(Model&, PassContext&)>& body) {
  return {id, [body](Model& model, PassContext& context) {
            if (!context.dry_run()) body(model, context);
            return PassResult{.changed = true};
          }};
}

struct Foreign {
  const char* name;
  std::function<void()> raise;
  ErrorCode code;
  const char* message;
};

class ForeignException : public testing::TestWithParam<Foreign> {};

TEST_P(ForeignException, InAPassIsReportedWithTheWayToGoOn) {
  const TinyRecipe recipe("  - good\n  - bad\n", {pass_that("good", [](Model&, PassContext&) {}), pass_that("bad", [](Model&, PassContext&) { GetParam().raise(); })});
  const auto out = recipe.file("out");
  testing::internal::CaptureStderr();
  const auto error = error_of([&] { run_recipe(recipe.load(), {.output_dir = out}); });
  const auto log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(error.code(), GetParam().code) << error.what();
  EXPECT_TRUE(contains(error.what(), GetParam().message)) << error.what();
  EXPECT_TRUE(contains(error.what(), "recipe.yaml:")) << error.what();
  EXPECT_TRUE(contains(error.what(), "/passes/1/bad")) << error.what();
  const auto report = report_in(out);
  EXPECT_EQ(report.status, "error");
  EXPECT_TRUE(contains(report.error, GetParam().message)) << report.error;
  EXPECT_EQ(report.steps.size(), 2U);
  EXPECT_TRUE(contains(log, "dscompress resume " + out)) << log;
}

INSTANTIATE_TEST_SUITE_P(Run, ForeignException,
                         testing::Values(Foreign{"LibTorch", [] { TORCH_CHECK(false, "sizes do not fit"); }, ErrorCode::internal, "sizes do not fit"},
                                         Foreign{"CudaMemory", [] { TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory"); }, ErrorCode::resource, "smaller batch"},
                                         Foreign{"CpuMemory", [] { at::empty({std::int64_t{1} << 46}); }, ErrorCode::resource, "smaller batch"},
                                         Foreign{"Memory", [] { throw std::bad_alloc(); }, ErrorCode::resource, "smaller batch"},
                                         Foreign{"NoKernel", [] { TORCH_CHECK_NOT_IMPLEMENTED(false, "no kernel for this"); }, ErrorCode::unsupported, "no kernel"},
                                         Foreign{"Standard", [] { throw std::runtime_error("a surprise"); }, ErrorCode::internal, "a surprise"}),
                         [](const auto& info) { return std::string(info.param.name); });

// The step fails on whatever has a convolution; its reproducer fails the same way, and so does what is left of it.
TEST(Run, AFailingStepLeavesWhatShowsTheFailureAlone) {
  const auto bad = pass_that("bad", [](Model& model, PassContext& context) {
    for (const Node* node : model.graph.nodes()) {
      if (node->op() == "aten.conv2d") throw Error(ErrorCode::internal, "there is a convolution, and the seed is " + std::to_string(context.seed()));
    }
  });
  const TinyRecipe recipe("  - good\n  - bad\n", {pass_that("good", [](Model&, PassContext&) {}), bad});
  const auto out = recipe.file("out");
  const auto error = error_of([&] { run_recipe(recipe.load(), {.output_dir = out}); });
  const auto readme = test::slurp(out + "/reproducer/README.md");
  EXPECT_TRUE(contains(readme, "there is a convolution")) << readme;
  EXPECT_TRUE(contains(readme, "dscompress reduce " + out + "/reproducer/model.pt2 --recipe " + out + "/recipe.resolved.yaml --step bad")) << readme;
  const Recipe again = recipe.load("out/recipe.resolved.yaml");
  RunResources resources = resources_of(again, out + "/reproducer/model.pt2", {});
  Model model = open_model_or_text(out + "/reproducer/model.pt2", {}, {});
  const auto failure_of = [&](const Model& one) {
    Model copy = one.clone();
    return error_of([&] { run_alone(again.passes.steps[1], copy, resources, step_seed(again, 1)); }).problems().front().message;
  };
  EXPECT_EQ(failure_of(model), error.problems().front().message);
  const auto reduction = reduce_model(model, [&](const Model& smaller) {
    try {
      Model copy = smaller.clone();
      run_alone(again.passes.steps[1], copy, resources, step_seed(again, 1));
    } catch (const Error& found) {
      return found.problems().front().message == error.problems().front().message;
    }
    return false;
  });
  EXPECT_GT(reduction.nodes_before, 10);
  EXPECT_EQ(reduction.nodes_after, 1);
  EXPECT_EQ(model.graph.nodes().front()->op(), "aten.conv2d");
  EXPECT_EQ(failure_of(model), error.problems().front().message);
}

TEST(Run, AnInterruptionIsNoFailureToReproduce) {
  const TinyRecipe recipe("  - bad\n", {pass_that("bad", [](Model&, PassContext&) { throw Error(ErrorCode::cancelled, "interrupted"); })});
  error_of([&] { run_recipe(recipe.load(), {.output_dir = recipe.file("out")}); });
  EXPECT_FALSE(fs::exists(recipe.file("out/reproducer")));
}

TEST(RunFolder, ARunStoppedBeforeItsFirstCheckpointIsNotFinished) {
  for (const char* status : {"running", "interrupted", "error"}) {
    const test::TempFolder folder;
    const RunFolder files(folder.path());
    files.create("version: 1\n");
    Report report;
    report.status = status;
    files.write_report(report);
    const auto error = error_of([&] { files.check_resumable(); });
    EXPECT_EQ(error.code(), ErrorCode::usage);
    EXPECT_TRUE(contains(error.what(), "before its first checkpoint")) << status << ": " << error.what();
    report.status = "passed";
    files.write_report(report);
    EXPECT_TRUE(contains(error_of([&] { files.check_resumable(); }).what(), "finished already"));
  }
}

TEST(Run, NamesAReportThatIsThere) {
  for (const auto& [formats, name] : std::map<std::string, std::string>{{"[markdown, junit]", "report.md"}, {"[junit]", "report.json"}, {"[html]", "report.html"}}) {
    const TinyRecipe recipe("  - good\n", {pass_that("good", [](Model&, PassContext&) {})}, "report: {formats: " + formats + "}\nthreads: 1\n");
    const auto summary = run_recipe(recipe.load(), {.output_dir = recipe.file("out")});
    EXPECT_EQ(summary.main_report, recipe.file("out/" + name));
    EXPECT_TRUE(fs::exists(summary.main_report)) << summary.main_report;
  }
}

void sleep_for(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

// A lower bound that holds on any machine: whoever slept was at least so long at it.
TEST(Run, AResumedRunReportsTheTimeOfAllItsSessions) {
  bool fails = true;
  const auto slow = pass_that("slow", [](Model&, PassContext&) { sleep_for(300); });
  const auto halves = pass_that("halves", [&](Model& model, PassContext& context) {
    context.stage("first", model, [] {
      sleep_for(400);
      return std::string();
    });
    if (std::exchange(fails, false)) throw Error(ErrorCode::cancelled, "interrupted");
  });
  const TinyRecipe recipe("  - slow\n  - halves\n", {slow, halves});
  const auto out = recipe.file("out");
  EXPECT_EQ(error_of([&] { run_recipe(recipe.load(), {.output_dir = out}); }).code(), ErrorCode::cancelled);
  const auto summary = resume_run(recipe.load("out/recipe.resolved.yaml"), out, {.output_dir = out});
  EXPECT_GE(summary.report.seconds, 0.7);
  EXPECT_GE(summary.report.steps.at(2).seconds, 0.4) << "its first stage was done before";
  EXPECT_LT(summary.report.steps.at(2).seconds, summary.report.seconds - 0.29) << "not the time of the step before";
}

// Two points before the interruption are saved with the first of them alone, as a kill between two epochs leaves it.
TEST(Run, AResumedStepGoesOnInItsEventsAndRepeatsNoPoint) {
  bool fails = true;
  const auto trains = pass_that("trains", [&](Model& model, PassContext& context) {
    const auto saved = context.restore(model);
    for (std::int64_t epoch = saved ? saved->position + 1 : 1; epoch <= 3; ++epoch) {
      context.curve({"loss", static_cast<double>(epoch), 1.0 / static_cast<double>(epoch)});
      if (epoch == 2 && std::exchange(fails, false)) throw Error(ErrorCode::cancelled, "interrupted");
      SavedState state;
      state.position = epoch;
      context.save(model, state);
    }
  });
  const TinyRecipe recipe("  - trains\n", {trains}, "evaluate: {metrics: [top1]}\nthreads: 1\nreport: {formats: [tensorboard, csv]}\n");
  const auto out = recipe.file("out"), events = out + "/tensorboard/events.out.tfevents.0001-trains";
  error_of([&] { run_recipe(recipe.load(), {.output_dir = out}); });
  const auto before = test::slurp(events);
  EXPECT_FALSE(before.empty()) << "curves are there while the step goes on";
  EXPECT_TRUE(test::slurp(out + "/curves.csv").starts_with("step,name,curve,epoch,value,seconds\n1,trains,loss,1,1,"));
  const auto report = resume_run(recipe.load("out/recipe.resolved.yaml"), out, {.output_dir = out}).report;
  EXPECT_EQ(report.steps.at(1).curves.at(0).epochs, (std::vector<double>{1, 2, 3}));
  const auto after = test::slurp(events);
  EXPECT_TRUE(after.starts_with(before)) << "what readers have seen stays";
  EXPECT_TRUE(after.starts_with(curve_events(report, report.steps.at(1)))) << "the points of the report, once each";
  EXPECT_TRUE(contains(after, "steps/top1") && contains(after, "weights/")) << "and the model";
}

TEST(Run, ARefusedResumeLeavesTheReportAsItWas) {
  bool fails = true;
  const TinyRecipe recipe("  - once\n", {pass_that("once", [&](Model&, PassContext&) {
                            if (fails) throw Error(ErrorCode::cancelled, "interrupted");
                          })});
  const auto out = recipe.file("out");
  error_of([&] { run_recipe(recipe.load(), {.output_dir = out}); });
  const auto before = test::slurp(out + "/report.json");
  test::write_split(recipe.file("train.safetensors"), test::synthetic_images(64, 9));
  EXPECT_EQ(error_of([&] { resume_run(recipe.load("out/recipe.resolved.yaml"), out, {.output_dir = out}); }).code(), ErrorCode::data);
  EXPECT_EQ(test::slurp(out + "/report.json"), before);
}

}  // namespace
}  // namespace dsc
