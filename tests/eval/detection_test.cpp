// Average precision of boxes against pycocotools, as scripts/make_detection_fixtures.py recorded it.
#include "eval/detection.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/file.h"
#include "eval/metrics.h"
#include "support/error_of.h"

namespace dsc {
namespace {

using Json = nlohmann::json;

std::vector<PictureBoxes> pictures_of(const Json& scene) {
  std::vector<PictureBoxes> pictures(scene.at("pictures").get<std::size_t>());
  const auto box_in = [](const Json& row) { return Box{row[2].get<double>(), row[3].get<double>(), row[4].get<double>(), row[5].get<double>()}; };
  for (const auto& row : scene.at("truth"))
    pictures[row[0].get<std::size_t>()].truth.push_back({box_in(row), row[1].get<std::int64_t>(), row[6].get<double>(), row[7].get<int>() != 0});
  for (const auto& row : scene.at("found"))
    pictures[row[0].get<std::size_t>()].found.push_back({box_in(row), row[6].get<double>(), row[1].get<std::int64_t>()});
  return pictures;
}

TEST(Detection, EqualsTheRecordedScores) {
  for (const auto& scene : Json::parse(read_file(DSC_SOURCE_DIR "/tests/fixtures/detection.json"))) {
    const auto scores = coco_scores(pictures_of(scene), scene.at("categories").get<std::int64_t>());
    const std::map<std::string, double> found{{"map", scores.map},
                                              {"map_50", scores.map_50},
                                              {"map_75", scores.map_75},
                                              {"map_small", scores.map_small},
                                              {"map_medium", scores.map_medium},
                                              {"map_large", scores.map_large},
                                              {"mar_1", scores.mar_1},
                                              {"mar_10", scores.mar_10},
                                              {"mar_100", scores.mar_100}};
    for (const auto& [name, value] : scene.at("scores").items()) EXPECT_NEAR(found.at(name), value.get<double>(), 1e-9) << name;
  }
}

TEST(Detection, NothingToFindHasNoScore) { EXPECT_EQ(coco_scores({{}, {}}, 3).map, -1); }

TEST(Detection, OverlappingBoxesOfOneCategoryAreSuppressed) {
  const FoundBox best{{0, 0, 10, 10}, 0.9, 0}, near{{1, 0, 10, 10}, 0.8, 0}, other{{1, 0, 10, 10}, 0.7, 1}, far{{20, 0, 10, 10}, 0.95, 0};
  const auto kept = suppress_overlapping({near, best, other, far}, 0.5);  // near overlaps best by 90 / 110
  ASSERT_EQ(kept.size(), 3U);
  EXPECT_EQ(kept[0].score, 0.95);
  EXPECT_EQ(kept[1].score, 0.9);
  EXPECT_EQ(kept[2].category, 1);
  EXPECT_EQ(suppress_overlapping({near, best, other, far}, 0.82).size(), 4U);
  EXPECT_EQ(suppress_overlapping({near, best, other, far}, 1).size(), 4U);
}

// Pictures of 20 x 10 pixels, each with one box of each of two categories (ids 3 and 8).
class Pictures : public Dataset {
 public:
  explicit Pictures(DetectionConfig form) {
    key_.category_ids = {3, 8};
    key_.form = form;
    for (int i = 0; i < 3; ++i) key_.pictures.push_back({20, 10, {{{2, 1, 8, 4}, 0, 32, false}, {{10, 5, 10, 5}, 1, 50, false}}});
  }
  std::int64_t size() const override { return 3; }
  const DatasetInfo& info() const override { return info_; }
  const DetectionKey* detections() const override { return &key_; }
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t>) const override {
    return {.inputs = {at::zeros({static_cast<std::int64_t>(indices.size()), 3, 40, 40})},
            .indices = {indices.begin(), indices.end()}};  // stretched by 2 and 4
  }

 private:
  DetectionKey key_;
  DatasetInfo info_;
};

class Detector : public Engine {
 public:
  explicit Detector(std::vector<at::Tensor> of_one) : of_one_(std::move(of_one)) {}
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs) override {
    std::vector<at::Tensor> outputs;
    for (const auto& output : of_one_) outputs.push_back(at::stack(std::vector<at::Tensor>(static_cast<std::size_t>(inputs[0].size(0)), output)));
    return outputs;
  }
  std::string name() const override { return "detector"; }

 private:
  std::vector<at::Tensor> of_one_;
};

double map_of(std::vector<at::Tensor> outputs, DetectionConfig form, const std::string& metric = "map") {
  Detector engine(std::move(outputs));
  return evaluate(engine, Pictures(form), {.metrics = {metric}, .batch = 2}).at(metric);
}

TEST(DetectionMetrics, BoxesAreReadInTheFormThatTheModelGivesThem) {
  const auto corners = at::tensor({4.0F, 4.0F, 20.0F, 20.0F, 20.0F, 20.0F, 40.0F, 40.0F}).reshape({2, 4});  // of the 40 x 40 input
  const auto centres = at::tensor({0.3F, 0.3F, 0.4F, 0.4F, 0.75F, 0.75F, 0.5F, 0.5F}).reshape({2, 4});
  const auto scores = at::tensor({0.9F, 0.8F}), places = at::tensor({0, 1}, at::kLong), ids = at::tensor({3, 8}, at::kLong);
  EXPECT_NEAR(map_of({corners, scores, places}, {}), 1, 1e-12);
  EXPECT_NEAR(map_of({scores, ids, corners}, {.classes = ClassForm::category_id}), 1, 1e-12);
  const auto logits = at::tensor({5.0F, -5.0F, 0.0F, -5.0F, 5.0F, 0.0F}).reshape({2, 3});
  EXPECT_NEAR(map_of({logits, centres}, {.boxes = BoxForm::cxcywh, .relative = true, .scores = ScoreForm::softmax}), 1, 1e-12);
  EXPECT_NEAR(map_of({logits.narrow(1, 0, 2), centres}, {.boxes = BoxForm::cxcywh, .relative = true, .scores = ScoreForm::sigmoid}), 1, 1e-12);
  EXPECT_NEAR(map_of({corners, scores, 1 - places}, {}), 0, 1e-12);
}

// The same box twice: the second one is wrong, unless it is suppressed or its score is too low.
TEST(DetectionMetrics, SuppressionAndThresholdAreSettings) {
  const auto boxes = at::tensor({4.0F, 4.0F, 20.0F, 20.0F, 4.0F, 4.0F, 20.0F, 20.0F, 20.0F, 20.0F, 40.0F, 40.0F}).reshape({3, 4});
  const auto scores = at::tensor({0.9F, 0.8F, 0.7F}), labels = at::tensor({0, 0, 0}, at::kLong);
  const double all = map_of({boxes, scores, labels}, {});
  EXPECT_NEAR(all, 0.5, 1e-12);  // of two categories one is found, before all that is wrong
  const auto late = at::tensor({0.8F, 0.9F, 0.7F});
  const auto shifted = boxes + at::tensor({0.0F, 0.0F, 0.0F, 0.0F, 8.0F, 0.0F, 8.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F}).reshape({3, 4});
  EXPECT_LT(map_of({shifted, late, labels}, {}), 0.5);
  EXPECT_NEAR(map_of({boxes, late, labels}, {}, "map(nms=0.5)"), 0.5, 1e-12);
  EXPECT_NEAR(map_of({shifted, scores, labels}, {}, "map(score=0.85)"), 0.5, 1e-12);
}

TEST(DetectionMetricErrors, NameOutputsAndClasses) {
  const auto text_of = [](std::vector<at::Tensor> outputs) { return test::error_of([&] { map_of(std::move(outputs), {}); }).to_text(); };
  const auto boxes = at::zeros({2, 4}), scores = at::tensor({0.9F, 0.8F});
  EXPECT_NE(text_of({boxes, scores}).find("boxes [N, D, 4] and scores"), std::string::npos);
  EXPECT_NE(text_of({boxes, scores, at::tensor({0, 2}, at::kLong)}).find("class 2 in example 0, and the data has 2 categories"), std::string::npos);
}

}  // namespace
}  // namespace dsc
