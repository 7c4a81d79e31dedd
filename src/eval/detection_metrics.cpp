// Metrics of a detector, over all pictures.
#include <algorithm>
#include <string>
#include <vector>

#include "dscompress/error.h"
#include "eval/detection.h"
#include "eval/metric.h"

namespace dsc {
namespace {

// How far a model's box has to be stretched to be one of the picture as it is in its file.
struct Stretch {
  double x, y;
};

Box box_of(const float* numbers, BoxForm form, const Stretch& stretch) {
  const auto number = [&](int i) { return static_cast<double>(numbers[i]); };
  const double a = number(0) * stretch.x, b = number(1) * stretch.y, c = number(2) * stretch.x, d = number(3) * stretch.y;
  if (form == BoxForm::xyxy) return {a, b, c - a, d - b};
  return form == BoxForm::xywh ? Box{a, b, c, d} : Box{a - c / 2, b - d / 2, c, d};
}

template <double CocoScores::* figure>
class DetectionMetric final : public Metric {
 public:
  DetectionMetric(const Dataset& dataset, const MetricSettings& settings)
      : key_(dataset.detections()), overlap_(settings.find("nms")->second), least_score_(settings.find("score")->second) {
    if (!key_) throw Error(ErrorCode::data, "average precision of boxes is for detection, and the data has no boxes", {}, "use data of format coco");
    pictures_.resize(key_->pictures.size());
  }

  void add(const Prediction& prediction) override {
    const at::Tensor rows = prediction.output.contiguous(), &input = prediction.batch.inputs.front();
    for (std::size_t i = 0; i < prediction.batch.indices.size(); ++i) {
      const auto example = static_cast<std::size_t>(prediction.batch.indices[i]);
      const auto& picture = key_->pictures[example];
      const Stretch stretch{picture.width / (key_->form.relative ? 1 : static_cast<double>(input.size(-1))),
                            picture.height / (key_->form.relative ? 1 : static_cast<double>(input.size(-2)))};
      const float* row = rows.const_data_ptr<float>() + static_cast<std::int64_t>(i) * rows.size(1) * rows.size(2);
      std::vector<FoundBox> found;
      for (std::int64_t d = 0; d < rows.size(1); ++d, row += rows.size(2)) {
        const double score = static_cast<double>(row[4]);
        if (score < least_score_) continue;
        if (const auto category = category_of(static_cast<std::int64_t>(row[5]), example); category >= 0)
          found.push_back({box_of(row, key_->form.boxes, stretch), score, category});
      }
      pictures_[example] = {picture.boxes, suppress_overlapping(std::move(found), overlap_)};
    }
  }

  double value() const override {
    const double value = coco_scores(pictures_, static_cast<std::int64_t>(key_->category_ids.size())).*figure;
    if (value < 0)
      throw Error(ErrorCode::data, "no picture has a box of the size that this average precision is of", {}, "use map, or data with such boxes");
    return value;
  }

 private:
  // Its place; negative: none, of ids that the data does not use.
  std::int64_t category_of(std::int64_t number, std::size_t example) const {
    const auto& ids = key_->category_ids;
    if (key_->form.classes == ClassForm::category_id) {
      const auto found = std::ranges::lower_bound(ids, number);
      return found != ids.end() && *found == number ? found - ids.begin() : -1;
    }
    if (number < static_cast<std::int64_t>(ids.size())) return number;
    throw Error(
        ErrorCode::data,
        "the model finds class " + std::to_string(number) + " in example " + std::to_string(example) + ", and the data has " +
            std::to_string(ids.size()) + " categories, counted from 0",
        {}, "if classes are the ids of the data's categories, say detection: {classes: category_id}; if the last one is no object, scores: softmax");
  }

  const DetectionKey* key_;
  double overlap_, least_score_;
  std::vector<PictureBoxes> pictures_;
};

template <double CocoScores::* figure>
std::unique_ptr<Metric> make_detection(const Dataset& dataset, const MetricSettings& settings) {
  return std::make_unique<DetectionMetric<figure>>(dataset, settings);
}

}  // namespace

std::span<const MetricKind> detection_metrics() {
  static constexpr MetricKind kKinds[] = {{"map", make_detection<&CocoScores::map>},
                                          {"map_50", make_detection<&CocoScores::map_50>},
                                          {"map_75", make_detection<&CocoScores::map_75>},
                                          {"map_small", make_detection<&CocoScores::map_small>},
                                          {"map_medium", make_detection<&CocoScores::map_medium>},
                                          {"map_large", make_detection<&CocoScores::map_large>},
                                          {"mar_100", make_detection<&CocoScores::mar_100>}};
  return kKinds;
}

}  // namespace dsc
