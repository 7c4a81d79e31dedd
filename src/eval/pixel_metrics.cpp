// Metrics of a class for each pixel, besides those that any classes have.
#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>

#include <cmath>
#include <vector>

#include "dscompress/error.h"
#include "eval/mean_metric.h"
#include "eval/rows.h"
#include "ir/describe.h"

namespace dsc {
namespace {

// Scores [N, C, H, W] and labels [N, H, W]. errors: data.
void expect_pixels(const Prediction& prediction, const char* metric) {
  const at::Tensor &output = prediction.output, &target = prediction.batch.target;
  if (output.dim() == 4 && target.defined() && target.dim() == 3 && target.scalar_type() == at::kLong) return;
  throw Error(ErrorCode::data,
              std::string("metric `") + metric + "` is of a class for each pixel, scores [N, C, H, W] and labels [N, H, W]; found " +
                  describe_sizes(output) + " and " + (target.defined() ? describe_sizes(target) : "no labels"),
              {}, "use data of format segmentation, or top1");
}

class PixelAccuracy final : public MeanMetric {
  RowScores score(const Prediction& prediction) const override {
    expect_pixels(prediction, "pixel_accuracy");
    const Rows rows = make_labelled_rows(prediction.output, prediction.batch);
    return {rows.logits.argmax(1) == rows.labels, rows.labels != kNoLabel};
  }
};

struct Pixel {
  std::int64_t row = 0, column = 0;
};

// Classes of one picture's pixels.
struct ClassMap {
  const std::int64_t* classes;
  std::int64_t height, width;
  std::int64_t at(std::int64_t row, std::int64_t column) const { return classes[row * width + column]; }
};

// Pixels of a class beside, above or below which lies another class; a pixel without a label is no other class.
std::vector<Pixel> boundary_of(const ClassMap& map, std::int64_t c) {
  constexpr std::int64_t kBeside[][2] = {{-1, 0}, {1, 0}, {0, -1}, {0, 1}};
  std::vector<Pixel> boundary;
  for (std::int64_t row = 0; row < map.height; ++row) {
    for (std::int64_t column = 0; column < map.width; ++column) {
      if (map.at(row, column) != c) continue;
      for (const auto& [down, right] : kBeside) {
        const std::int64_t y = row + down, x = column + right;
        if (y < 0 || x < 0 || y >= map.height || x >= map.width || map.at(y, x) == c || map.at(y, x) == kNoLabel) continue;
        boundary.push_back({row, column});
        break;
      }
    }
  }
  return boundary;
}

// Share of `pixels` that have one of `others` within `reach`.
double share_near(const std::vector<Pixel>& pixels, const std::vector<Pixel>& others, double reach, const ClassMap& map) {
  if (pixels.empty()) return 0;
  const auto most = static_cast<std::int64_t>(reach);
  std::vector<bool> near(static_cast<std::size_t>(map.height * map.width), false);
  for (const Pixel& other : others) {
    for (std::int64_t down = -most; down <= most; ++down) {
      for (std::int64_t right = -most; right <= most; ++right) {
        const std::int64_t y = other.row + down, x = other.column + right;
        const bool is_inside = y >= 0 && x >= 0 && y < map.height && x < map.width;
        if (is_inside && static_cast<double>(down * down + right * right) <= reach * reach) near[static_cast<std::size_t>(y * map.width + x)] = true;
      }
    }
  }
  double found = 0;
  for (const Pixel& pixel : pixels) found += near[static_cast<std::size_t>(pixel.row * map.width + pixel.column)] ? 1 : 0;
  return found / static_cast<double>(pixels.size());
}

// How well the borders of classes are met, whatever the sizes of their insides: of each class the harmonic mean of the shares of its
// predicted border near the right one, and of its right border near the predicted one; of a picture the mean over the classes that have a
// border in either. Near is within 0.75 % of the picture's diagonal, rounded up to whole pixels. A picture without any border has 1.
// source: Csurka, Larlus, Perronnin 2013, "What is a good evaluation measure for semantic segmentation?", BMVC, section 3.
class BoundaryF1 final : public MeanMetric {
  RowScores score(const Prediction& prediction) const override {
    expect_pixels(prediction, "boundary_f1");
    make_labelled_rows(prediction.output, prediction.batch);  // checks the labels
    const at::Tensor labels = prediction.batch.target.contiguous(), unlabelled = labels == kNoLabel;
    const at::Tensor predicted = prediction.output.argmax(1).masked_fill(unlabelled, kNoLabel).contiguous();
    const std::int64_t pictures = labels.size(0), height = labels.size(1), width = labels.size(2);
    const at::Tensor scores = at::empty({pictures}, at::kDouble);
    for (std::int64_t i = 0; i < pictures; ++i) {
      const ClassMap right{labels.const_data_ptr<std::int64_t>() + i * height * width, height, width};
      const ClassMap mine{predicted.const_data_ptr<std::int64_t>() + i * height * width, height, width};
      scores.mutable_data_ptr<double>()[i] = score_of_picture(mine, right, prediction.output.size(1));
    }
    return {scores, {}};
  }

  static double score_of_picture(const ClassMap& mine, const ClassMap& right, std::int64_t classes) {
    constexpr double kShareOfDiagonal = 0.0075;
    const double reach = std::ceil(kShareOfDiagonal * std::hypot(static_cast<double>(right.height), static_cast<double>(right.width)));
    double sum = 0, count = 0;
    for (std::int64_t c = 0; c < classes; ++c) {
      const auto predicted = boundary_of(mine, c), wanted = boundary_of(right, c);
      if (predicted.empty() && wanted.empty()) continue;
      const double precision = share_near(predicted, wanted, reach, right), recall = share_near(wanted, predicted, reach, right);
      sum += precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
      count += 1;
    }
    return count > 0 ? sum / count : 1;
  }
};

}  // namespace

std::span<const MetricKind> pixel_metrics() {
  static constexpr MetricKind kKinds[] = {{"pixel_accuracy", make_metric_of<PixelAccuracy>}, {"boundary_f1", make_metric_of<BoundaryF1>}};
  return kKinds;
}

}  // namespace dsc
