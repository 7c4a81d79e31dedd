#include "eval/detection.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace dsc {
namespace {

constexpr std::size_t kOverlaps = 10, kRecalls = 101, kMostBoxes = 100;
constexpr double kNothing = -1;

// As numpy.linspace makes them, to the last bit: which side of 0.29 a recall of 29 in 100 falls to depends on it.
double overlap_threshold(std::size_t t) { return t + 1 == kOverlaps ? 0.95 : 0.5 + (0.95 - 0.5) / 9 * static_cast<double>(t); }
double recall_threshold(std::size_t r) { return r + 1 == kRecalls ? 1 : 0.01 * static_cast<double>(r); }

double intersection(const Box& a, const Box& b) {
  const double width = std::min(a.x + a.width, b.x + b.width) - std::max(a.x, b.x);
  const double height = std::min(a.y + a.height, b.y + b.height) - std::max(a.y, b.y);
  return width > 0 && height > 0 ? width * height : 0;
}

double area_of(const Box& box) { return box.width * box.height; }

// Intersection over union; of a crowd over the found box alone.
double overlap_of(const Box& found, const Box& truth, bool is_crowd) {
  const double both = intersection(found, truth);
  return both / (is_crowd ? area_of(found) : area_of(found) + area_of(truth) - both);
}

struct AreaRange {
  double least, most;
  bool contains(double area) const { return area >= least && area <= most; }
};
constexpr double kSmall = 32 * 32, kMedium = 96 * 96, kLargest = 1e10;
constexpr AreaRange kAny{0, kLargest};

// A found box, whether it matched at each overlap, and whether it counts.
struct Judged {
  double score = 0;
  std::array<bool, kOverlaps> matched{}, ignored{};
};

std::vector<FoundBox> best_of(const std::vector<FoundBox>& found, std::int64_t category) {
  std::vector<FoundBox> own;
  std::ranges::copy_if(found, std::back_inserter(own), [&](const FoundBox& box) { return box.category == category; });
  std::ranges::stable_sort(own, [](const FoundBox& a, const FoundBox& b) { return a.score > b.score; });
  if (own.size() > kMostBoxes) own.resize(kMostBoxes);
  return own;
}

// One category's boxes of one picture, those that count first.
struct Truth {
  std::vector<TrueBox> boxes;
  std::vector<bool> ignored;
  std::size_t counted = 0;
};

Truth truth_of(const PictureBoxes& picture, std::int64_t category, const AreaRange& range) {
  Truth truth;
  for (const bool is_ignored : {false, true}) {
    for (const TrueBox& box : picture.truth) {
      if (box.category != category || (box.is_crowd || !range.contains(box.area)) != is_ignored) continue;
      truth.boxes.push_back(box);
      truth.ignored.push_back(is_ignored);
      truth.counted += is_ignored ? 0 : 1;
    }
  }
  return truth;
}

// The best box that is left for a found one at an overlap; one that counts goes before one that does not. -1: none.
std::ptrdiff_t match_of(const std::vector<double>& overlaps, const Truth& truth, const std::vector<bool>& taken, double threshold) {
  constexpr double kAlmostOne = 1 - 1e-10;
  double least = std::min(threshold, kAlmostOne);
  std::ptrdiff_t best = -1;
  for (std::size_t g = 0; g < truth.boxes.size(); ++g) {
    if (taken[g] && !truth.boxes[g].is_crowd) continue;
    if (best >= 0 && !truth.ignored[static_cast<std::size_t>(best)] && truth.ignored[g]) break;
    if (overlaps[g] < least) continue;
    least = overlaps[g];
    best = static_cast<std::ptrdiff_t>(g);
  }
  return best;
}

std::vector<Judged> judge(const std::vector<FoundBox>& found, const Truth& truth, const AreaRange& range) {
  std::vector<Judged> judged(found.size());
  std::vector<std::vector<double>> overlaps(found.size());
  for (std::size_t d = 0; d < found.size(); ++d) {
    judged[d].score = found[d].score;
    for (const TrueBox& box : truth.boxes) overlaps[d].push_back(overlap_of(found[d].box, box.box, box.is_crowd));
  }
  for (std::size_t t = 0; t < kOverlaps; ++t) {
    std::vector<bool> taken(truth.boxes.size(), false);
    for (std::size_t d = 0; d < found.size(); ++d) {
      const auto match = match_of(overlaps[d], truth, taken, overlap_threshold(t));
      judged[d].matched[t] = match >= 0;
      judged[d].ignored[t] = match >= 0 ? truth.ignored[static_cast<std::size_t>(match)] : !range.contains(area_of(found[d].box));
      if (match >= 0) taken[static_cast<std::size_t>(match)] = true;
    }
  }
  return judged;
}

// Of one category over all pictures, at each overlap.
struct Curve {
  std::array<double, kOverlaps> precision{}, recall{};  // mean precision over 101 recalls, and the largest recall
  bool is_there = false;                                // whether any box counts
};

double mean_precision(const std::vector<double>& recalls, std::vector<double> precisions) {
  for (std::size_t i = precisions.size(); i > 1; --i) precisions[i - 2] = std::max(precisions[i - 2], precisions[i - 1]);
  double sum = 0;
  for (std::size_t r = 0; r < kRecalls; ++r) {
    const auto place = static_cast<std::size_t>(std::ranges::lower_bound(recalls, recall_threshold(r)) - recalls.begin());
    sum += place < precisions.size() ? precisions[place] : 0;
  }
  return sum / static_cast<double>(kRecalls);
}

Curve curve_of(const std::vector<PictureBoxes>& pictures, std::int64_t category, const AreaRange& range, std::size_t most_boxes) {
  std::vector<Judged> all;
  double counted = 0;
  for (const PictureBoxes& picture : pictures) {
    const Truth truth = truth_of(picture, category, range);
    counted += static_cast<double>(truth.counted);
    auto found = best_of(picture.found, category);
    if (found.size() > most_boxes) found.resize(most_boxes);
    const auto judged = judge(found, truth, range);
    all.insert(all.end(), judged.begin(), judged.end());
  }
  Curve curve{.is_there = counted > 0};
  std::ranges::stable_sort(all, [](const Judged& a, const Judged& b) { return a.score > b.score; });
  for (std::size_t t = 0; curve.is_there && t < kOverlaps; ++t) {
    std::vector<double> recalls, precisions;
    double right = 0, wrong = 0;
    for (const Judged& box : all) {
      right += box.matched[t] && !box.ignored[t] ? 1 : 0;
      wrong += !box.matched[t] && !box.ignored[t] ? 1 : 0;
      recalls.push_back(right / counted);
      precisions.push_back(right / (right + wrong + std::numeric_limits<double>::epsilon()));
    }
    curve.recall[t] = recalls.empty() ? 0 : recalls.back();
    curve.precision[t] = mean_precision(recalls, std::move(precisions));
  }
  return curve;
}

std::vector<Curve> curves_of(const std::vector<PictureBoxes>& pictures, std::int64_t categories, const AreaRange& range, std::size_t most_boxes) {
  std::vector<Curve> curves;
  for (std::int64_t c = 0; c < categories; ++c) {
    if (Curve curve = curve_of(pictures, c, range, most_boxes); curve.is_there) curves.push_back(curve);
  }
  return curves;
}

// Over all categories and these overlaps.
double mean_of(const std::vector<Curve>& curves, std::array<double, kOverlaps> Curve::* figure, std::size_t first = 0,
               std::size_t count = kOverlaps) {
  double sum = 0;
  for (const Curve& curve : curves) {
    for (std::size_t t = first; t < first + count; ++t) sum += (curve.*figure)[t];
  }
  return curves.empty() ? kNothing : sum / static_cast<double>(curves.size() * count);
}

}  // namespace

std::vector<FoundBox> suppress_overlapping(std::vector<FoundBox> boxes, double overlap) {
  std::ranges::stable_sort(boxes, [](const FoundBox& a, const FoundBox& b) { return a.score > b.score; });
  if (overlap >= 1) return boxes;
  std::vector<FoundBox> kept;
  for (const FoundBox& box : boxes) {
    const bool is_hidden = std::ranges::any_of(
        kept, [&](const FoundBox& better) { return better.category == box.category && overlap_of(box.box, better.box, false) > overlap; });
    if (!is_hidden) kept.push_back(box);
  }
  return kept;
}

CocoScores coco_scores(const std::vector<PictureBoxes>& pictures, std::int64_t categories) {
  constexpr std::size_t kHalf = 0, kThreeQuarters = 5;
  const auto all = curves_of(pictures, categories, kAny, kMostBoxes);
  const auto precision_within = [&](const AreaRange& range) {
    return mean_of(curves_of(pictures, categories, range, kMostBoxes), &Curve::precision);
  };
  const auto recall_of = [&](std::size_t most) { return mean_of(curves_of(pictures, categories, kAny, most), &Curve::recall); };
  return {.map = mean_of(all, &Curve::precision),
          .map_50 = mean_of(all, &Curve::precision, kHalf, 1),
          .map_75 = mean_of(all, &Curve::precision, kThreeQuarters, 1),
          .map_small = precision_within({0, kSmall}),
          .map_medium = precision_within({kSmall, kMedium}),
          .map_large = precision_within({kMedium, kLargest}),
          .mar_1 = recall_of(1),
          .mar_10 = recall_of(10),
          .mar_100 = mean_of(all, &Curve::recall)};
}

}  // namespace dsc
