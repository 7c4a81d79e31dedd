// Metrics against scikit-learn's, scipy's and SQuAD's script, as scripts/make_metric_fixtures.py recorded them.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "core/file.h"
#include "core/metric_facts.h"
#include "data/answers.h"
#include "dscompress/error.h"
#include "eval/metrics.h"
#include "text/answer_score.h"

namespace dsc {
namespace {

using Json = nlohmann::json;

const Json& recorded_metrics() {
  static const Json json = Json::parse(read_file(DSC_SOURCE_DIR "/tests/fixtures/metrics.json"));
  return json;
}

at::Tensor matrix(const Json& json) {
  const auto rows = json.get<std::vector<std::vector<float>>>();
  std::vector<float> flat;
  for (const auto& row : rows) flat.insert(flat.end(), row.begin(), row.end());
  return at::tensor(flat).view({static_cast<std::int64_t>(rows.size()), -1});
}

// The outputs of example i are row i of each tensor.
class Predictions : public Dataset {
 public:
  Predictions(std::vector<at::Tensor> inputs, at::Tensor targets, const AnswerKey* answers = nullptr)
      : inputs_(std::move(inputs)), targets_(std::move(targets)), answers_(answers) {}
  bool multi_label = false;
  std::int64_t size() const override { return targets_.size(0); }
  const DatasetInfo& info() const override { return info_; }
  const AnswerKey* answers() const override { return answers_; }
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t>) const override {
    Batch batch;
    batch.multi_label = multi_label;
    batch.indices.assign(indices.begin(), indices.end());
    for (const auto& input : inputs_) batch.inputs.push_back(input.index_select(0, at::tensor(batch.indices)));
    batch.target = targets_.index_select(0, at::tensor(batch.indices));
    return batch;
  }

 private:
  std::vector<at::Tensor> inputs_;
  at::Tensor targets_;
  const AnswerKey* answers_;
  DatasetInfo info_;
};

// Gives those of its inputs as outputs that are asked for.
class Passing : public Engine {
 public:
  explicit Passing(std::vector<std::size_t> chosen) : chosen_(std::move(chosen)) {}
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override {
    std::vector<at::Tensor> outputs;
    for (const auto i : chosen_) outputs.push_back(inputs[i]);
    return outputs;
  }
  std::string name() const override { return "passing"; }

 private:
  std::vector<std::size_t> chosen_;
};

void expect_recorded(const Json& expected, const Dataset& dataset) {
  Passing engine({0}), base({1});
  EvaluateOptions options;
  options.metrics.clear();
  for (const auto& [name, value] : expected.items()) options.metrics.push_back(name);
  options.batch = 7;
  options.reference = &base;
  const auto found = evaluate_examples(engine, dataset, options);
  std::vector<std::int64_t> all(static_cast<std::size_t>(dataset.size()));
  std::iota(all.begin(), all.end(), 0);
  for (const auto& [name, value] : expected.items()) {
    EXPECT_NEAR(found.metrics.at(name), value.get<double>(), 1e-6) << name;
    EXPECT_NEAR(make_figure(name, found.outcomes.at(name))(all), value.get<double>(), 1e-5) << name << " from the outcomes of single examples";
  }
}

TEST(RecordedMetrics, OfClasses) {
  for (const auto& entry : recorded_metrics().at("classes")) {
    expect_recorded(entry.at("metrics"), Predictions({matrix(entry.at("outputs")), matrix(entry.at("base"))}, at::tensor(entry.at("labels").get<std::vector<std::int64_t>>())));
  }
}

// Of more than two classes, each against all others.
TEST(RecordedMetrics, OfTheOrderOfSeveralClasses) {
  int compared = 0;
  for (const auto& entry : recorded_metrics().at("classes")) {
    Passing engine({0});
    const Predictions data({matrix(entry.at("outputs"))}, at::tensor(entry.at("labels").get<std::vector<std::int64_t>>()));
    for (const auto& [name, value] : entry.at("each").items()) {
      EXPECT_NEAR(evaluate(engine, data, {.metrics = {name}, .batch = 7}).at(name), value.get<double>(), 1e-6) << name;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 2);
}

// Confidences of all rows in one of 15 bins at a time, in double precision.
double calibration_error(const at::Tensor& outputs, const std::vector<std::int64_t>& labels) {
  const auto [confidence, predicted] = at::softmax(outputs.to(at::kDouble), 1).max(1);
  double error = 0;
  for (int bin = 0; bin < 15; ++bin) {
    double confident = 0, right = 0;
    for (std::size_t row = 0; row < labels.size(); ++row) {
      const auto i = static_cast<std::int64_t>(row);
      const double c = confidence[i].item<double>();
      if (c < bin / 15.0 || c >= (bin + 1) / 15.0) continue;
      confident += c;
      right += predicted[i].item<std::int64_t>() == labels[row] ? 1 : 0;
    }
    error += std::abs(confident - right);
  }
  return error / static_cast<double>(labels.size());
}

TEST(Metrics, CalibrationErrorIsThatOfAPlainLoop) {
  for (const auto& entry : recorded_metrics().at("classes")) {
    const auto outputs = matrix(entry.at("outputs"));
    const auto labels = entry.at("labels").get<std::vector<std::int64_t>>();
    const Json expected{{"ece", calibration_error(outputs, labels)}};
    expect_recorded(expected, Predictions({outputs, outputs}, at::tensor(labels)));
    EXPECT_GT(expected.at("ece").get<double>(), 0);
  }
}

TEST(RecordedMetrics, OfNumbers) {
  for (const auto& entry : recorded_metrics().at("numbers")) {
    const auto outputs = at::tensor(entry.at("outputs").get<std::vector<float>>()).unsqueeze(1);
    expect_recorded(entry.at("metrics"), Predictions({outputs, outputs}, at::tensor(entry.at("labels").get<std::vector<float>>())));
  }
}

TEST(RecordedMetrics, OfSeries) {
  for (const auto& entry : recorded_metrics().at("series")) {
    const auto shape = entry.at("shape").get<std::vector<std::int64_t>>();
    const auto outputs = matrix(entry.at("outputs")).reshape(shape);
    expect_recorded(entry.at("metrics"), Predictions({outputs, outputs}, matrix(entry.at("labels")).reshape(shape)));
  }
}

TEST(RecordedMetrics, OfWarpedSeries) {
  for (const auto& entry : recorded_metrics().at("warped")) {
    const auto outputs = matrix(entry.at("outputs")).reshape(entry.at("shape").get<std::vector<std::int64_t>>());
    expect_recorded(entry.at("metrics"), Predictions({outputs, outputs}, matrix(entry.at("labels")).reshape(outputs.sizes())));
    expect_recorded(entry.at("nearest"), Predictions({outputs, outputs}, at::tensor(entry.at("classes").get<std::vector<std::int64_t>>())));
  }
}

TEST(RecordedMetrics, OfSeveralLabelsAnExample) {
  for (const auto& entry : recorded_metrics().at("several")) {
    Predictions data({matrix(entry.at("outputs"))}, matrix(entry.at("labels")));
    data.multi_label = true;
    Passing engine({0});
    EvaluateOptions options{.metrics = {}, .batch = 7};
    for (const auto& [name, value] : entry.at("metrics").items()) options.metrics.push_back(name);
    const auto found = evaluate(engine, data, options);
    for (const auto& [name, value] : entry.at("metrics").items()) EXPECT_NEAR(found.at(name), value.get<double>(), 1e-6) << name;
  }
}

TEST(RecordedMetrics, OfPixels) {
  for (const auto& entry : recorded_metrics().at("pixels")) {
    const auto classes_in = [&](const char* key) {  // [N, H, W] of one sign a pixel
      std::vector<std::int64_t> classes;
      for (const auto& picture : entry.at(key)) {
        for (const char sign : picture.get<std::string>()) classes.push_back(sign == '.' ? -100 : sign - '0');
      }
      return at::tensor(classes).reshape({-1, entry.at("height").get<std::int64_t>(), entry.at("width").get<std::int64_t>()});
    };
    const auto outputs = at::one_hot(classes_in("predicted"), entry.at("classes").get<std::int64_t>()).movedim(3, 1).to(at::kFloat);
    Passing engine({0});
    EvaluateOptions options{.metrics = {"pixel_accuracy", "miou", "boundary_f1"}, .batch = 2};
    const auto found = evaluate(engine, Predictions({outputs}, classes_in("labels")), options);
    for (const auto& [name, value] : entry.at("metrics").items()) EXPECT_NEAR(found.at(name), value.get<double>(), 1e-6) << name;
  }
}

// A network that works at a quarter of the resolution is judged at the masks'.
TEST(Metrics, CoarseScoresAreEnlargedToTheLabels) {
  const auto coarse = at::rand({2, 3, 4, 5}), labels = at::randint(3, {2, 16, 20}, at::kLong);
  const auto fine = at::upsample_bilinear2d(coarse, {16, 20}, false);
  Passing engine({0});
  const EvaluateOptions options{.metrics = {"pixel_accuracy", "miou"}, .batch = 2};
  EXPECT_EQ(evaluate(engine, Predictions({coarse}, labels), options), evaluate(engine, Predictions({fine}, labels), options));
}

TEST(MetricsErrors, SeriesAndPixelsOfOtherShapesAreNamed) {
  Passing engine({0});
  const auto error = [&](const std::string& metric, const at::Tensor& outputs, const at::Tensor& targets) {
    try {
      evaluate(engine, Predictions({outputs}, targets), {.metrics = {metric}, .batch = 4});
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::data);
      return e.to_text();
    }
    return std::string("no error");
  };
  EXPECT_NE(error("boundary_f1", at::rand({4, 3}), at::zeros({4}, at::kLong)).find("a class for each pixel"), std::string::npos);
  EXPECT_NE(error("dtw", at::rand({4, 0}), at::rand({4, 0})).find("series of shape"), std::string::npos);
  EXPECT_NE(error("dtw_1nn", at::rand({4, 6}), at::rand({4, 6})).find("one class label"), std::string::npos);
  EXPECT_NE(error("dtw_1nn", at::rand({1, 6}), at::zeros({1}, at::kLong)).find("one alone"), std::string::npos);
}

TEST(Metrics, IntersectionsOfPixelsLeaveOutThoseWithoutALabel) {
  const auto outputs = at::one_hot(at::tensor({0, 0, 1, 1, 2, 2}, at::kLong), 3).to(at::kFloat).t().reshape({1, 3, 2, 3});
  Passing engine({0});
  EvaluateOptions options;
  options.metrics = {"miou"};
  const auto value = [&](std::vector<std::int64_t> labels) { return evaluate(engine, Predictions({outputs}, at::tensor(labels).reshape({1, 2, 3})), options).at("miou"); };
  EXPECT_NEAR(value({0, 0, 1, 1, 2, 2}), 1, 1e-12);
  EXPECT_NEAR(value({0, 1, 1, 1, 2, 2}), (1.0 / 2 + 2.0 / 3 + 1) / 3, 1e-12);
  EXPECT_NEAR(value({0, -100, 1, 1, 2, 2}), 1, 1e-12);
}

TEST(Metrics, OrderNeedsBothClasses) {
  Passing engine({0});
  for (const char* name : {"auroc", "average_precision"}) {
    EvaluateOptions options;
    options.metrics = {name};
    EXPECT_THROW(evaluate(engine, Predictions({at::randn({4, 2})}, at::ones({4}, at::kLong)), options), Error) << name;
    EXPECT_THROW(evaluate(engine, Predictions({at::randn({4, 3})}, at::ones({4}, at::kLong)), options), Error) << name;
  }
}

TEST(RecordedMetrics, OfAnswers) {
  for (const auto& entry : recorded_metrics().at("answers")) {
    const auto predicted = entry.at("predicted").get<std::string>(), answer = entry.at("answer").get<std::string>();
    EXPECT_EQ(normalize_answer(predicted), entry.at("normal").get<std::string>());
    EXPECT_EQ(exact_match(predicted, answer), entry.at("exact").get<double>()) << predicted;
    EXPECT_NEAR(answer_f1(predicted, answer), entry.at("f1").get<double>(), 1e-6) << predicted;
  }
}

TEST(Metrics, F1OfMoreThanTwoClassesIsRefused) {
  Passing engine({0});
  EvaluateOptions options;
  options.metrics = {"f1"};
  EXPECT_THROW(evaluate(engine, Predictions({at::randn({4, 3})}, at::zeros({4}, at::kLong)), options), Error);
}

// Two windows of one question: the span with the best sum of scores wins, inside the windows' contexts only.
TEST(AnswerMetrics, TakeTheBestSpanOfAllWindows) {
  AnswerKey key;
  key.contexts = {{"red green blue", {{1, 2, 3}, {{0, 3}, {4, 9}, {10, 14}}}}};
  key.questions = {{"q", "which?", 0, {"green", "Green blue."}}};
  key.windows = {{0, 2, 0, 2}, {0, 2, 1, 2}};
  const auto starts = at::zeros({2, 5}), ends = at::zeros({2, 5});
  starts[0][0] = 9;  // outside the context
  starts[0][2] = 1;
  starts[1][2] = 2;  // "green" in the second window
  ends[1][3] = 2;    // "blue"
  const auto measure = [&](std::vector<std::size_t> outputs, const at::Tensor& both) {
    Passing engine(std::move(outputs));
    EvaluateOptions options;
    options.metrics = {"exact_match", "answer_f1"};
    options.batch = 1;
    return evaluate(engine, Predictions({starts, ends, both}, at::zeros({2, 2}, at::kLong), &key), options);
  };
  const auto both = at::stack({starts, ends}, 2);
  EXPECT_DOUBLE_EQ(measure({0, 1}, both).at("exact_match"), 1);
  EXPECT_DOUBLE_EQ(measure({2}, both).at("exact_match"), 1);
  starts[0][2] = 5;  // now "red green" or "red" of the first window
  EXPECT_DOUBLE_EQ(measure({0, 1}, both).at("exact_match"), 0);
  EXPECT_THROW(measure({0}, both), Error);
}

}  // namespace
}  // namespace dsc
